// Notices that other processes want the processors too.
//
// An OpenMP region begins when every worker has left the last one, and ends when every worker has, also one
// that did nothing because another process has its processor, for the 4 to 10 ms that it may keep it. While
// that happens, small calls are done sooner by their caller alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "core/index.h"

namespace faltung {

// Calls of fewer multiply-adds are over, on one thread, before a worker that was not let in would be back.
constexpr Index crowded_multiply_adds = 200000000;

class Crowding {
  public:
    using Clock = std::chrono::steady_clock;

    // For so long the caller of a region worked, and waited at its begin and its end.
    void observe(Clock::duration work, Clock::duration wait, Clock::time_point end) {
        if (wait < least_wait || wait < 2 * work) return;
        const Clock::rep now = end.time_since_epoch().count();
        const Clock::rep until = until_.load(std::memory_order_relaxed);
        const Clock::rep last = pause_.load(std::memory_order_relaxed);
        // Again before the second thread has brought in what one wait costs: longer each time.
        const bool is_again = now - until < Clock::duration(least_gain).count();
        const Clock::rep pause =
            is_again ? std::min(2 * last, Clock::duration(longest_pause).count()) : first_pause.count();
        pause_.store(pause, std::memory_order_relaxed);
        until_.store(now + pause, std::memory_order_relaxed);
    }

    bool is_crowded(Clock::time_point now) const {
        return now.time_since_epoch().count() < until_.load(std::memory_order_relaxed);
    }

  private:
    static constexpr std::chrono::milliseconds least_wait{1}, least_gain{16}, longest_pause{640};
    static constexpr Clock::duration first_pause{std::chrono::milliseconds(10)};

    std::atomic<Clock::rep> until_{0}, pause_{0};
};

}  // namespace faltung
