#include "core/magnitude.h"

#include <atomic>
#include <limits>

#include "core/half.h"
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

// loop(cells, piece) for all pieces.
template <class T, class Look>
bool all_within(const Sweep& sweep, const T* data, int threads, Look own_look) {
    std::atomic<bool> is_within{true};
    auto look = [&](Index task, int) {
        const SweepPiece piece = sweep.piece(task);
        if (is_within.load(std::memory_order_relaxed) && !own_look(data + piece.offset, piece))
            is_within.store(false, std::memory_order_relaxed);
    };
    parallel_for(sweep.pieces(), sweep.cells() < 4 * cells_of_a_task ? 1 : threads, look);
    return is_within.load(std::memory_order_relaxed);
}

template <class T>
T limited(double limit) {
    const double most = std::numeric_limits<T>::max();
    return static_cast<T>(limit < most ? limit : most);
}

template <class T>
bool all_within(double limit, Isa isa, const Sweep& sweep, const T* data, int threads) {
    const T largest = limited<T>(limit);
    const Loop<T> loop = loop_of<T>(isa);
    return all_within(sweep, data, threads,
                      [&](const T* cells, const SweepPiece& piece) { return loop(largest, cells, piece); });
}

}  // namespace

bool is_within(double largest, Type type, Isa isa, const std::vector<Index>& size, const Array& array,
               int threads, bool refuses_denormals) {
    const Sweep sweep(size, array.stride, array.stride, cells_of_a_task);
    if (is_half(type)) {
        const float most = limited<float>(largest);
        const auto loop = half_loops(type, isa).is_within;
        return all_within(sweep, static_cast<const Half*>(array.data), threads,
                          [&](const Half* cells, const SweepPiece& piece) {
                              return loop(most, refuses_denormals, cells, piece);
                          });
    }
    if (type == Type::float64)
        return all_within(largest, isa, sweep, static_cast<const double*>(array.data), threads);
    return all_within(largest, isa, sweep, static_cast<const float*>(array.data), threads);
}

}  // namespace faltung
