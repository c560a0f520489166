// From one call of a driver to its threads. A `Call` knows its `op`, which has `workspace_bytes`, and its
// `workspace`.
#pragma once

#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

// `call(task, worker)` for each of `tasks`.
template <class Call>
void run_tasks_of(Call& call, Index tasks, int threads) {
    threads = static_cast<int>(min_index(tasks, min_index(threads, thread_limit)));
    Workspace workspace(call.op.workspace_bytes(threads));
    call.workspace = workspace.data();
    parallel_for(tasks, threads, call);
}

// The same where tasks share panels: a call also has `share_out` and `task_count` of a batch, and notes which
// panel each worker holds. `products` are all multiply-adds of the call: few of them are not worth a second
// thread.
template <class Call>
void run_call(Call& call, Index batch, Index products, int threads) {
    threads = products < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    call.share_out(batch, threads);
    const Index tasks = call.task_count(batch);
    threads = static_cast<int>(min_index(tasks, threads));
    call.held_by_worker.forget(threads);
    run_tasks_of(call, tasks, threads);
}

}  // namespace faltung
