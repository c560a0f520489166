// A persistent pool of worker threads, started by the first call that needs it.
#pragma once

#include "core/index.h"

namespace faltung {

constexpr int thread_limit = 256;

// Work below this many multiply-adds is done before a sleeping worker has woken up.
constexpr Index parallel_multiply_adds = 50000;

// Calls body(task, worker) once for every task in [0, tasks), on up to `threads` threads, the caller's
// included, and returns when all are done. 0 <= worker < threads; no two calls that overlap in time share a
// worker. Runs on the caller alone when another caller holds the pool or no thread can be started.
void run_tasks(Index tasks, int threads, void (*body)(void* context, Index task, int worker), void* context);

template <class Body>
void parallel_for(Index tasks, int threads, Body& body) {
    run_tasks(
        tasks, threads,
        [](void* context, Index task, int worker) { (*static_cast<Body*>(context))(task, worker); }, &body);
}

}  // namespace faltung
