// From one call of a driver whose tasks share panels to its threads. A `Call` knows `op`, which has
// `workspace_bytes`; `share_out` and `task_count` of a batch; its `workspace`; and which panel each worker
// holds.
#pragma once

#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

// `products` are all multiply-adds of the call: few of them are not worth a second thread.
template <class Call>
void run_call(Call& call, Index batch, Index products, int threads) {
    threads = products < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    call.share_out(batch, threads);
    const Index tasks = call.task_count(batch);
    threads = static_cast<int>(min_index(tasks, threads));
    call.panel_of_worker.assign(static_cast<std::size_t>(threads), -1);
    Workspace workspace(call.op.workspace_bytes(threads));
    call.workspace = workspace.data();
    parallel_for(tasks, threads, call);
}

}  // namespace faltung
