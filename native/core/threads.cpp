#include "core/threads.h"

#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "core/interruption.h"
#include "core/job.h"
#include "core/team.h"

namespace faltung {

namespace {

void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// When sleeping is cheaper than waiting, and a call no longer follows on another.
constexpr std::chrono::microseconds patience(50);
// The same for the workers of a borrowed team, whose owner keeps them awake for milliseconds.
constexpr std::chrono::microseconds team_patience(2000);

// Of one thread, of calls that are not long.
constexpr Index multiply_adds_a_nanosecond = 20;

// True as soon as `done` is; false when patience is at an end.
template <class Predicate>
bool spin_until(Predicate done) {
    auto deadline = std::chrono::steady_clock::now() + patience;
    do {
        for (int i = 0; i < 64; ++i) {
            if (done()) return true;
            pause_briefly();
        }
    } while (std::chrono::steady_clock::now() < deadline);
    return done();
}

class Pool {
  public:
    void run(Index tasks, int threads, TaskBody body, void* context, const Index* starts) {
        const Sole sole(is_busy_);
        Job job(tasks, sole.is_owner ? threads : 1, body, context, sole.is_owner ? starts : nullptr);
        if (!sole.is_owner) {
            job.work();
        } else if (!team_.run(job, threads)) {
            run_on_pool(job, threads);
        }
        job.rethrow();
    }

    // Whether so much work is worth a worker: always where one is awake; else where it lasts until one is, or
    // where more seems to follow.
    bool is_worth_waking(Index work) {
        if (work < crowded_multiply_adds && team_.is_crowded()) return false;
        if (work >= waking_multiply_adds || awake_.load(std::memory_order_relaxed) > 0) return true;
        const auto now = std::chrono::steady_clock::now().time_since_epoch();
        const auto before = last_small_call_.exchange(now.count(), std::memory_order_relaxed);
        // From the beginning of the one to that of the other lies what the one took.
        const std::chrono::nanoseconds taken(work / multiply_adds_a_nanosecond);
        return now - std::chrono::steady_clock::duration(before) <
               taken + (team_.is_borrowed() ? team_patience : patience);
    }

    Team& team() { return team_; }

    // At exit. A pool that is still computing for another thread is left to the operating system.
    void stop() {
        const Sole sole(is_busy_);
        if (!sole.is_owner) return;
        {
            std::lock_guard<std::mutex> lock(mutex_);
            is_stopping_ = true;
            generation_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        for (std::thread& worker : workers_) worker.join();
        workers_.clear();
        is_stopping_ = false;
    }

  private:
    // No mutex: the thread that holds it may try again, from the handler of a signal.
    struct Sole {
        explicit Sole(std::atomic<bool>& busy)
            : is_busy(busy), is_owner(!busy.exchange(true, std::memory_order_acquire)) {}
        ~Sole() {
            if (is_owner) is_busy.store(false, std::memory_order_release);
        }
        std::atomic<bool>& is_busy;
        const bool is_owner;
    };

    void run_on_pool(Job& job, int threads) {
        if (!grow(threads - 1)) {
            job.work();
            return;
        }
        keep_apart();
        {
            std::lock_guard<std::mutex> lock(mutex_);
            job_ = &job;
            seats_ = threads - 1;
            taken_ = 0;
            generation_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        job.work();
        {
            // No worker may join from here on: the job lives on this stack.
            std::lock_guard<std::mutex> lock(mutex_);
            job_ = nullptr;
            seats_ = 0;
        }
        auto is_done = [this] { return active_.load(std::memory_order_acquire) == 0; };
        if (!spin_until(is_done)) {
            std::unique_lock<std::mutex> lock(mutex_);
            while (!finished_.wait_for(lock, std::chrono::milliseconds(50), is_done)) {
                lock.unlock();
                is_interrupted();  // workers in long tasks are told
                lock.lock();
            }
        }
    }

    // Some schedulers wake a worker on the processor of the caller, which then waits for it, for as long as
    // both are busy: in calls of 0.2 ms the second thread brought nothing, or took a fifth.
    void keep_apart() {
#ifdef __linux__
        const int cpu = sched_getcpu();
        if (cpu == caller_cpu_ && workers_.size() == placed_workers_) return;
        caller_cpu_ = cpu;
        placed_workers_ = workers_.size();
        cpu_set_t allowed;
        if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
        // Where processors are plenty, there is no need, and callers may move often.
        if (CPU_COUNT(&allowed) > most_crowded_processors) return;
        CPU_CLR(static_cast<std::size_t>(cpu), &allowed);
        if (CPU_COUNT(&allowed) == 0) return;
        for (std::thread& worker : workers_)
            pthread_setaffinity_np(worker.native_handle(), sizeof allowed, &allowed);
#endif
    }

    bool grow(int wanted) {
        try {
            workers_.reserve(static_cast<std::size_t>(wanted));
            while (static_cast<int>(workers_.size()) < wanted)
                workers_.emplace_back([this, seen = generation_.load()] { serve(seen); });
        } catch (const std::system_error&) {
        } catch (const std::bad_alloc&) {
        }
        return !workers_.empty();
    }

    void serve(std::uint64_t seen) {
        awake_.fetch_add(1, std::memory_order_relaxed);
        for (;;) {
            auto is_called = [&] { return generation_.load(std::memory_order_acquire) != seen; };
            bool is_awake = spin_until(is_called);
            std::unique_lock<std::mutex> lock(mutex_);
            if (!is_awake) {
                awake_.fetch_sub(1, std::memory_order_relaxed);
                wake_.wait(lock, is_called);
                awake_.fetch_add(1, std::memory_order_relaxed);
            }
            seen = generation_.load(std::memory_order_relaxed);
            if (is_stopping_) return;
            if (seats_ == 0) continue;
            --seats_;
            int worker = ++taken_;
            Job* job = job_;
            active_.fetch_add(1, std::memory_order_relaxed);
            lock.unlock();
            job->help(worker);
            lock.lock();
            if (active_.fetch_sub(1, std::memory_order_release) == 1) finished_.notify_one();
        }
    }

    std::atomic<bool> is_busy_{false};  // for a whole run
    std::mutex mutex_;                  // guards what follows
    std::condition_variable wake_, finished_;
    std::vector<std::thread> workers_;
    Job* job_ = nullptr;
    int seats_ = 0, taken_ = 0;
    bool is_stopping_ = false;
    std::atomic<std::uint64_t> generation_{0};
    std::atomic<int> active_{0}, awake_{0};
    std::atomic<std::chrono::steady_clock::rep> last_small_call_{0};
    Team team_;

    static constexpr int most_crowded_processors = 8;
    int caller_cpu_ = -1;  // of the last run; guarded by is_busy_, as what follows
    std::size_t placed_workers_ = 0;
};

// Never destroyed: a daemon thread may still be inside a call while the process exits.
alignas(Pool) unsigned char pool_memory[sizeof(Pool)];

Pool& fresh_pool() {
    return *new (pool_memory) Pool;
}

Pool& pool() {
    static Pool& instance = [&]() -> Pool& {
        // A forked child has none of the parent's threads, and its locks are in an unknown state.
        pthread_atfork(nullptr, nullptr, [] { fresh_pool(); });
        std::atexit([] { reinterpret_cast<Pool*>(pool_memory)->stop(); });
        return fresh_pool();
    }();
    return instance;
}

}  // namespace

int worthwhile_threads(Index work, int threads) {
    const bool is_worth = work >= parallel_multiply_adds && pool().is_worth_waking(work);
    return is_worth ? threads : 1;
}

void start_threads() {
    pool();
}

void borrow_team(Team::Parallel parallel, Team::ThreadNumber thread_number) {
    pool().team().borrow(parallel, thread_number);
}

void run_tasks(Index tasks, int threads, TaskBody body, void* context, const Index* starts) {
    const int wanted = threads;
    threads = static_cast<int>(min_index(tasks, min_index(threads, thread_limit)));
    if (threads < wanted) starts = nullptr;
    if (threads > 1) {
        pool().run(tasks, threads, body, context, starts);
    } else {
        const InterruptibleWork work = current_work();
        for (Index task = 0; task < tasks && !work.should_stop(); ++task) body(context, task, 0);
    }
}

}  // namespace faltung

int faltung_most_threads() {
    return faltung::thread_limit;
}
