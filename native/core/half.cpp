#include "core/half.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "core/isa_switch.h"
#include "core/threads.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(HalfLoops half_loops_for(Type type);)

#if defined(FALTUNG_BFLOAT16_DOTS)
namespace avx512bf16 {
void narrow_bfloat16(const float* from, Half* to, Index count);
}
#endif

namespace {

#if defined(FALTUNG_BFLOAT16_DOTS)
void narrow_by_processor(const float* from, Half* to, const SweepPiece& piece) {
    if (piece.column_stride != 1 || piece.second_column_stride != 1) {
        static const HalfLoops loops = avx512::half_loops_for(Type::bfloat16);
        return loops.narrow(from, to, piece);
    }
    for (Index row = 0; row < piece.rows; ++row)
        avx512bf16::narrow_bfloat16(from + row * piece.row_stride, to + row * piece.second_row_stride,
                                    piece.columns);
}
#endif

constexpr Index cells_of_a_task = 1 << 15;

template <class From, class To>
void convert(void (*loop)(const From*, To*, const SweepPiece&), const std::vector<Index>& size,
             const Array& from, const Array& to, int threads) {
    const Sweep sweep(size, from.stride, to.stride, cells_of_a_task);
    const FloatState counting(usual_float_control(false));  // denormals are made normal by products
    auto piece_of = [&](Index task, int) {
        const SweepPiece piece = sweep.piece(task);
        loop(static_cast<const From*>(from.data) + piece.offset,
             static_cast<To*>(to.data) + piece.second_offset, piece);
    };
    parallel_for(sweep.pieces(), sweep.cells() < 2 * cells_of_a_task ? 1 : threads, piece_of);
}

}  // namespace

std::vector<Index> compact_strides(const std::vector<Index>& size, const std::vector<Index>& stride) {
    std::vector<std::size_t> order(size.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    if (!stride.empty())
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return std::abs(stride[a]) > std::abs(stride[b]);
        });
    std::vector<Index> result(size.size());
    Index step = 1;
    for (std::size_t i = order.size(); i-- > 0;
         step = saturating_multiply(step, max_index(size[order[i]], 1)))
        result[order[i]] = step;
    return result;
}

HalfLoops half_loops(Type type, Isa isa) {
#if defined(FALTUNG_BFLOAT16_DOTS)
    if (type == Type::bfloat16 && has_bfloat16_dots(isa)) {
        HalfLoops loops = avx512::half_loops_for(type);
        loops.narrow = narrow_by_processor;
        return loops;
    }
#endif
    FALTUNG_RETURN_FOR_ISA(isa, half_loops_for(type))
    return {};
}

void widen(Type type, Isa isa, const std::vector<Index>& size, const Array& from, const Array& to,
           int threads) {
    convert(half_loops(type, isa).widen, size, from, to, threads);
}

void narrow(Type type, Isa isa, const std::vector<Index>& size, const Array& from, const Array& to,
            int threads) {
    convert(half_loops(type, isa).narrow, size, from, to, threads);
}

}  // namespace faltung
