// What each worker of a call prepared last, by its number: a panel, a block of tiles.
#pragma once

#include <vector>

#include "core/index.h"

namespace faltung {

// It may change with every task: workers that shared a cache line would wait for each other at each.
class HeldByWorker {
  public:
    void forget(int workers) { of_worker_.assign(static_cast<std::size_t>(workers), Held{}); }

    // -1: nothing yet.
    Index& operator[](int worker) { return of_worker_[static_cast<std::size_t>(worker)].number; }

  private:
    struct alignas(64) Held {
        Index number = -1;
    };
    std::vector<Held> of_worker_;
};

}  // namespace faltung
