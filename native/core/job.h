// The tasks of one call, shared out among threads.
#pragma once

#include <atomic>
#include <exception>
#include <tuple>
#include <utility>

#include "core/float_state.h"
#include "core/index.h"
#include "core/interruption.h"

namespace faltung {

using TaskBody = void (*)(void* context, Index task, int worker);

// Every worker begins with a range of its own (from `starts` on, where there is one for each thread), the
// same at each call of the same size, so that what it reads and writes is still in its caches; whoever is
// done early helps with the others' ranges. However many workers come, one is enough. All round
// as the caller does, whatever their threads had set. What a task throws
// stays here until everybody has left: other threads have nobody to catch it, and the caller's stack holds
// the job.
struct Job {
    static constexpr int most_ranges = 32;

    // Of what is left of a range a worker takes such a part at once, fewer and fewer tasks: an atomic
    // addition waits until all that the thread stored before has arrived, which takes longer than many a
    // small task.
    static constexpr Index parts_of_rest = 8;

    struct alignas(64) Range {
        std::atomic<Index> next;
        Index end;

        // The first of those taken, and the one behind them.
        std::pair<Index, Index> take() {
            const Index rest = end - next.load(std::memory_order_relaxed);
            const Index wanted = max_index(1, rest / parts_of_rest);
            const Index first = next.fetch_add(wanted, std::memory_order_relaxed);
            return {first, min_index(first + wanted, end)};
        }
    };

    TaskBody body = nullptr;
    void* context = nullptr;
    InterruptibleWork work_of_caller = current_work();
    FloatControl control = float_control();  // of the caller
    int ranges = 0;
    std::atomic<bool> has_failed{false};
    std::exception_ptr error;
    Range range[most_ranges];

    Job(Index tasks, int threads, TaskBody task_body, void* task_context, const Index* starts = nullptr)
        : body(task_body), context(task_context), ranges(threads < most_ranges ? threads : most_ranges) {
        for (int r = 0; r < ranges; ++r) {
            const bool is_given = starts && ranges == threads;
            range[r].next.store(is_given ? starts[r] : r * tasks / ranges, std::memory_order_relaxed);
            range[r].end = !is_given ? (r + 1) * tasks / ranges : r + 1 < ranges ? starts[r + 1] : tasks;
        }
    }

    // The caller's part, and what nobody else does.
    void work() noexcept { work(0, work_of_caller); }

    // From another thread.
    void help(int worker) noexcept {
        const Helping helping(work_of_caller.call);
        const FloatState as_caller(control);
        work(worker, current_work());
    }

    // By the caller, when all helpers have left.
    void rethrow() const {
        if (error) std::rethrow_exception(error);
    }

  private:
    void work(int worker, const InterruptibleWork& interruptible) noexcept {
        try {
            for (int r = 0; r < ranges; ++r) {
                Range& mine = range[(worker + r) % ranges];
                for (auto [task, behind] = mine.take(); task < behind; std::tie(task, behind) = mine.take())
                    for (; task < behind; ++task) {
                        if (interruptible.should_stop() || has_failed.load(std::memory_order_relaxed)) return;
                        body(context, task, worker);
                    }
            }
        } catch (...) {
            if (!has_failed.exchange(true, std::memory_order_relaxed)) error = std::current_exception();
        }
    }
};

}  // namespace faltung
