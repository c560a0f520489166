#include "core/epilogue.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <stdexcept>

#include "core/isa_switch.h"
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
    if (activation == Activation::silu && type == Type::uint64)
        throw std::invalid_argument("activation='silu' is not defined for integers");
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
    // From the largest step to the smallest; axes that follow on one another are one.
    std::vector<std::size_t> order(size.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::abs(y.stride[a]) > std::abs(y.stride[b]);
    });
    struct Axis {
        Index size, y_stride, residual_stride;
    };
    std::vector<Axis> axes(2, Axis{1, 0, 0});
    for (std::size_t a : order) {
        if (size[a] == 0) return;
        if (size[a] == 1) continue;
        const Axis axis{size[a], y.stride[a], residual ? residual->stride[a] : y.stride[a]};
        Axis& last = axes.back();
        if (last.y_stride == axis.y_stride * axis.size &&
            last.residual_stride == axis.residual_stride * axis.size) {
            last = {last.size * axis.size, axis.y_stride, axis.residual_stride};
        } else {
            axes.push_back(axis);
        }
    }
    const Axis columns = axes.back();
    axes.pop_back();
    const Axis rows = axes.back();
    axes.pop_back();
    Index blocks = 1;
    for (const Axis& axis : axes) blocks *= axis.size;

    const Index columns_of_a_task = min_index(columns.size, outputs_of_a_task);
    const Index rows_of_a_task = min_index(rows.size, ceil_divide(outputs_of_a_task, columns_of_a_task));
    const Index column_tasks = ceil_divide(columns.size, columns_of_a_task);
    const Index row_tasks = ceil_divide(rows.size, rows_of_a_task);
    auto finish = [&](Index task, int) {
        Index rest = task / column_tasks;
        const Index column = task % column_tasks * columns_of_a_task;
        const Index row = rest % row_tasks * rows_of_a_task;
        rest /= row_tasks;
        Index y_offset = row * rows.y_stride + column * columns.y_stride;
        Index residual_offset = row * rows.residual_stride + column * columns.residual_stride;
        for (std::size_t a = axes.size(); a-- > 0;) {
            y_offset += rest % axes[a].size * axes[a].y_stride;
            residual_offset += rest % axes[a].size * axes[a].residual_stride;
            rest /= axes[a].size;
        }
        loop({static_cast<char*>(y.data) + y_offset * element_bytes,
              residual ? static_cast<const char*>(residual->data) + residual_offset * element_bytes : nullptr,
              {1, min_index(rows_of_a_task, rows.size - row),
               min_index(columns_of_a_task, columns.size - column)},
              {0, rows.y_stride, columns.y_stride},
              {0, rows.residual_stride, columns.residual_stride}});
    };
    const Index outputs = blocks * rows.size * columns.size;
    parallel_for(blocks * row_tasks * column_tasks, outputs < 2 * outputs_of_a_task ? 1 : threads, finish);
}

}  // namespace faltung
