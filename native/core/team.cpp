#include "core/team.h"

namespace faltung {

void Team::borrow(Parallel parallel, ThreadNumber thread_number) {
    thread_number_.store(thread_number, std::memory_order_relaxed);
    parallel_.store(thread_number == nullptr ? nullptr : parallel, std::memory_order_release);
}

bool Team::run(Job& job, int threads) {
    const Parallel parallel = parallel_.load(std::memory_order_acquire);
    if (parallel == nullptr) return false;
    struct Region {
        Job& job;
        int threads;
        ThreadNumber thread_number;
        Crowding::Clock::time_point begin, done;  // of the caller's work
    } region{job, threads, thread_number_.load(std::memory_order_relaxed), {}, {}};
    const auto called = Crowding::Clock::now();
    // 0: as many threads as the runtime takes by itself. Another number would make it end threads and start
    // them again at its owner's next call.
    parallel(
        [](void* data) {
            Region& own = *static_cast<Region*>(data);
            const int worker = own.thread_number();
            if (worker == 0) own.begin = Crowding::Clock::now();
            if (worker == 0) {
                own.job.work();
            } else if (worker < own.threads) {
                own.job.help(worker);
            }
            if (worker == 0) own.done = Crowding::Clock::now();
        },
        &region, 0, 0);
    const auto end = Crowding::Clock::now();
    crowding_.observe(region.done - region.begin, region.begin - called + (end - region.done), end);
    return true;
}

}  // namespace faltung
