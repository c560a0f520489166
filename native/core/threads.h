// A persistent pool of worker threads, started by the first call that needs it.
#pragma once

#include "core/job.h"
#include "core/team.h"

namespace faltung {

constexpr int thread_limit = 256;

// Work below this many multiply-adds, some microseconds, is done before a worker that is awake has joined.
constexpr Index parallel_multiply_adds = 200000;

// And work below this many before a sleeping one has woken up.
constexpr Index waking_multiply_adds = 2000000;

// Makes the pool now, without threads, and has it survive a fork.
void start_threads();

// From now on tasks run on the threads of this OpenMP runtime; with zeros, and in a forked child, on our own.
void borrow_team(Team::Parallel parallel, Team::ThreadNumber thread_number);

// `threads`, or 1 where a call of so much work, in multiply-adds, is over before another thread could help.
// Results never depend on it.
int worthwhile_threads(Index work, int threads);

// Calls body(task, worker) once for every task in [0, tasks), on up to `threads` threads, the caller's
// included, and returns when all are done. 0 <= worker < threads; no two calls that overlap in time share a
// worker. With `starts`, one for each of the threads, worker w begins at task starts[w]. Runs on the caller
// alone when another caller holds the pool or no thread can be started.
void run_tasks(Index tasks, int threads, TaskBody body, void* context, const Index* starts = nullptr);

template <class Body>
void parallel_for(Index tasks, int threads, Body& body, const Index* starts = nullptr) {
    run_tasks(
        tasks, threads,
        [](void* context, Index task, int worker) { (*static_cast<Body*>(context))(task, worker); }, &body,
        starts);
}

}  // namespace faltung

// By which tools tell this library from others of its name: at most so many threads work at once.
extern "C" __attribute__((visibility("default"))) int faltung_most_threads();
