// Sums of an algorithm that rounds otherwise than SciPy, as integers: where none is close to a whole number,
// both cut off alike.
#include <atomic>

#include "core/isa_switch.h"
#include "core/threads.h"
#include "kernels/stencil/stencil_parts.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(NearWhole near_whole_loop();)

namespace {

constexpr Index cells_of_a_task = 1 << 15;
constexpr Index cells_together = 1 << 10;

NearWhole near_whole_for(Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, near_whole_loop())
    return nullptr;
}

}  // namespace

bool cut_off(const double* sums, void* y, Cell cell, Index count, double distance, Isa isa, int threads) {
    const CellLoops<double> loops = cell_loops<double>(cell, isa);
    const NearWhole near_whole = near_whole_for(isa);
    std::atomic<bool> found{false};
    auto work = [&](Index task, int) {
        const Index last = min_index(count, (task + 1) * cells_of_a_task);
        for (Index i = task * cells_of_a_task; i < last; i += cells_together) {
            const Index some = min_index(cells_together, last - i);
            if (near_whole(sums + i, some, distance)) found.store(true, std::memory_order_relaxed);
            loops.store(sums + i, some, static_cast<char*>(y) + i * cell_bytes(cell), 1);
        }
    };
    parallel_for(ceil_divide(count, cells_of_a_task), worthwhile_threads(4 * count, threads), work);
    return found;
}

}  // namespace faltung
