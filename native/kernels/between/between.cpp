#include "kernels/between/between.h"

#include "core/isa_switch.h"
#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(PoolLoops pool_loops_for(Type type); NormaliseLoop normalise_loop_for(Type type);)

namespace {

PoolLoops pool_loops(Type type, Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, pool_loops_for(type))
    return {};
}

NormaliseLoop normalise_loop(Type type, Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, normalise_loop_for(type))
    return {};
}

// Worth a task of its own.
constexpr Index cells_of_a_task = 1 << 14;

const char* at(const Array& array, Index offset, Type type) {
    return static_cast<const char*>(array.data) + offset * element_bytes(type);
}

}  // namespace

void max_pool(Type type, Isa isa, const Array& x, const std::vector<Index>& x_size, const Array& y,
              const std::vector<Index>& y_size, const PoolWindow& window, int threads) {
    const Index planes = y_size[0] * y_size[1], rows = y_size[2];
    if (planes * rows * y_size[3] == 0) return;
    const PoolLoops loops = pool_loops(type, isa);
    const Index scratch = (loops.scratch_cells(x_size[3], window) * element_bytes(type) + 63) / 64 * 64;
    const Index work = x_size[2] * x_size[3];
    const Index together = max_index(1, cells_of_a_task / max_index(work, 1));
    const Index tasks = (planes + together - 1) / together;
    threads = worthwhile_threads(saturating_multiply(planes * 4, work), threads);
    const Workspace workspace(scratch * threads);
    auto pool = [&](Index task, int worker) {
        const Index last = min_index(planes, (task + 1) * together);
        for (Index plane = task * together; plane < last; ++plane) {
            const Index n = plane / y_size[1], c = plane % y_size[1];
            loops.rows(at(x, n * x.stride[0] + c * x.stride[1], type), &x_size[2], &x.stride[2],
                       const_cast<char*>(at(y, n * y.stride[0] + c * y.stride[1], type)), y_size[3],
                       &y.stride[2], window, 0, rows, workspace.data() + worker * scratch);
        }
    };
    parallel_for(tasks, threads, pool);
}

void normalise_channels(Type type, Isa isa, const Array& x, const Array& y, const std::vector<Index>& size,
                        const void* weight, const void* bias, double epsilon, int threads) {
    const NormaliseLoop loop = normalise_loop(type, isa);
    const Index blocks = (size[2] + loop.block - 1) / loop.block;
    threads =
        worthwhile_threads(saturating_multiply(saturating_multiply(size[0], size[1]), 4 * size[2]), threads);
    auto normalise = [&](Index task, int) {
        const Index n = task / blocks, first = task % blocks * loop.block;
        loop.run(at(x, n * x.stride[0] + first * x.stride[2], type), x.stride[1], x.stride[2],
                 const_cast<char*>(at(y, n * y.stride[0] + first * y.stride[2], type)), y.stride[1],
                 y.stride[2], size[1], min_index(loop.block, size[2] - first), weight, bias, epsilon);
    };
    parallel_for(size[0] * blocks, threads, normalise);
}

}  // namespace faltung
