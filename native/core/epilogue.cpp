#include "core/epilogue.h"

#include <stdexcept>

#include "core/isa_switch.h"
#include "core/sweep.h"
#include "core/threads.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(EpilogueLoop epilogue_loop_for(Activation activation, Type type, bool is_signed);)

namespace {

EpilogueLoop loop_of(Activation activation, Type type, bool is_signed, Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, epilogue_loop_for(activation, type, is_signed))
    return nullptr;
}

// Worth waking a worker for.
constexpr Index outputs_of_a_task = 1 << 15;

}  // namespace

EpilogueLoop epilogue_loop(Activation activation, bool adds_residual, Type type, bool is_signed, Isa isa) {
    const bool is_whole =
        activation == Activation::none || activation == Activation::relu || activation == Activation::relu6;
    if (!is_whole && type == Type::uint64)
        throw std::invalid_argument("this activation is not defined for integers");
    return activation == Activation::none && !adds_residual ? nullptr
                                                            : loop_of(activation, type, is_signed, isa);
}

void Epilogue::finish_all(Index element_bytes, const std::vector<Index>& size, const Array& y,
                          int threads) const {
    if (!loop_) return;
    const Array residual{reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(y.data) + residual_),
                         y.stride};
    faltung::finish_all(loop_, element_bytes, size, y, has_residual_ ? &residual : nullptr, threads);
}

void finish_all(EpilogueLoop loop, Index element_bytes, const std::vector<Index>& size, const Array& y,
                const Array* residual, int threads) {
    const Sweep sweep(size, y.stride, residual ? residual->stride : y.stride, outputs_of_a_task);
    auto finish = [&](Index task, int) {
        const SweepPiece piece = sweep.piece(task);
        const void* added =
            residual ? static_cast<const char*>(residual->data) + piece.second_offset * element_bytes
                     : nullptr;
        loop({static_cast<char*>(y.data) + piece.offset * element_bytes,
              added,
              {1, piece.rows, piece.columns},
              {0, piece.row_stride, piece.column_stride},
              {0, piece.second_row_stride, piece.second_column_stride}});
    };
    parallel_for(sweep.pieces(), sweep.cells() < 2 * outputs_of_a_task ? 1 : threads, finish);
}

}  // namespace faltung
