// The threads of an OpenMP runtime that another library has brought into the process.
//
// Its workers wait awake for some milliseconds after each of their calls. Workers of our own would have to
// share the processors with them for as long.
#pragma once

#include <atomic>

#include "core/crowding.h"
#include "core/job.h"

namespace faltung {

class Team {
  public:
    // What GCC compiles a parallel region to, `GOMP_parallel`, and `omp_get_thread_num`, of one runtime.
    using Parallel = void (*)(void (*region)(void*), void* data, unsigned threads, unsigned flags);
    using ThreadNumber = int (*)();

    // Zeros: none. Before other threads compute.
    void borrow(Parallel parallel, ThreadNumber thread_number);
    bool is_borrowed() const { return parallel_.load(std::memory_order_acquire) != nullptr; }

    // The job on at most `threads` of them, the caller's included; false when there is no team.
    bool run(Job& job, int threads);

    // Whether the last calls waited for workers that had no processor.
    bool is_crowded() const { return is_borrowed() && crowding_.is_crowded(Crowding::Clock::now()); }

  private:
    Crowding crowding_;
    std::atomic<Parallel> parallel_{nullptr};
    std::atomic<ThreadNumber> thread_number_{nullptr};
};

}  // namespace faltung
