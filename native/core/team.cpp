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
    } region{job, threads, thread_number_.load(std::memory_order_relaxed)};
    // 0: as many threads as the runtime takes by itself. Another number would make it end threads and start
    // them again at its owner's next call.
    parallel(
        [](void* data) {
            auto& [job, threads, thread_number] = *static_cast<Region*>(data);
            const int worker = thread_number();
            if (worker < threads) job.work(worker);
        },
        &region, 0, 0);
    return true;
}

}  // namespace faltung
