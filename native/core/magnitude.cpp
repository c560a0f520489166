#include "core/magnitude.h"

#include <atomic>
#include <limits>

#include "core/isa_switch.h"
#include "core/sweep.h"
#include "core/threads.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(template <class T>
                        bool is_piece_within(T largest, const T* cells, const SweepPiece& piece);)

namespace {

template <class T>
using Loop = bool (*)(T largest, const T* cells, const SweepPiece& piece);

template <class T>
Loop<T> loop_of(Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, is_piece_within<T>)
    return nullptr;
}

constexpr Index cells_of_a_task = 1 << 15;

template <class T>
bool all_within(double limit, Isa isa, const Sweep& sweep, const T* data, int threads) {
    const double most = std::numeric_limits<T>::max();
    const T largest = static_cast<T>(limit < most ? limit : most);
    const Loop<T> loop = loop_of<T>(isa);
    std::atomic<bool> is_within{true};
    auto look = [&](Index task, int) {
        const SweepPiece piece = sweep.piece(task);
        if (is_within.load(std::memory_order_relaxed) && !loop(largest, data + piece.offset, piece))
            is_within.store(false, std::memory_order_relaxed);
    };
    parallel_for(sweep.pieces(), sweep.cells() < 4 * cells_of_a_task ? 1 : threads, look);
    return is_within.load(std::memory_order_relaxed);
}

}  // namespace

bool is_within(double largest, Type type, Isa isa, const std::vector<Index>& size, const Array& array,
               int threads) {
    const Sweep sweep(size, array.stride, array.stride, cells_of_a_task);
    if (type == Type::float64)
        return all_within(largest, isa, sweep, static_cast<const double*>(array.data), threads);
    return all_within(largest, isa, sweep, static_cast<const float*>(array.data), threads);
}

}  // namespace faltung
