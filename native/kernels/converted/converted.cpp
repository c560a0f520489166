#include "kernels/converted/converted.h"

#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

namespace {

// Of float32 cells of a part, beside what the kernel itself needs of L2.
constexpr Index wanted_bytes = 256 << 10;
// Groups whose channels share vectors are not to be parted, and there should be work for several threads.
constexpr Index group_multiple = 16, wanted_parts = 8;

Index cells_of(const Problem& problem) {
    Index in = problem.in_channels, out = problem.out_channels;
    for (const Axis& axis : problem.axes) {
        in = saturating_multiply(in, axis.in);
        out = saturating_multiply(out, axis.out);
    }
    return saturating_add(in, out);
}

Index cells(const std::vector<Index>& size) {
    Index product = 1;
    for (Index extent : size) product *= extent;
    return product;
}

Index groups_of_a_part(const Problem& problem) {
    const Index bytes = saturating_multiply(max_index(cells_of(problem), 1), sizeof(float));
    Index groups = max_index(1, wanted_bytes / bytes);
    groups = min_index(groups, max_index(group_multiple, problem.groups / wanted_parts));
    if (groups > group_multiple) groups = groups / group_multiple * group_multiple;
    return max_index(1, min_index(groups, problem.groups));
}

}  // namespace

ConvertedCorrelation::ConvertedCorrelation(const Problem& problem, const CorrelationFamily& family, Type type,
                                           Isa isa)
    : problem_(problem), type_(type), isa_(isa), part_groups_(groups_of_a_part(problem)) {
    Problem own = problem;
    own.groups = part_groups_;
    whole_ = family.make(own, Type::float32, isa);
    own.groups = problem.groups % part_groups_;
    if (own.groups > 0) rest_ = family.make(own, Type::float32, isa);
    if (problem.in_channels == 1 && problem.out_channels == 1 && problem.groups > 1)
        all_ = family.make(problem, Type::float32, isa);
}

const Correlation& ConvertedCorrelation::part(Index number) const {
    return rest_ && number == parts() - 1 ? *rest_ : *whole_;
}

std::vector<Index> ConvertedCorrelation::size_of(Index groups, Index channels, Index Axis::* extent) const {
    std::vector<Index> size{1, groups, channels};
    for (const Axis& axis : problem_.axes) size.push_back(axis.*extent);
    return size;
}

Index ConvertedCorrelation::part_bytes() const {
    return round_up(whole_->packed_bytes(), workspace_alignment);
}

// Input, output and residual, of one thread.
Index ConvertedCorrelation::scratch_cells() const {
    return round_up(min_index(saturating_multiply(2 * part_groups_, cells_of(problem_)), saturated / 8), 16);
}

Index ConvertedCorrelation::workspace_bytes(int threads) const {
    const Index own = saturating_multiply(scratch_cells(), sizeof(float));
    const Index parted = saturating_multiply(saturating_add(own, whole_->workspace_bytes(1)), threads);
    if (!all_) return parted;
    const Index cells =
        saturating_multiply(saturating_multiply(2 * problem_.groups, cells_of(problem_)), sizeof(float));
    return max_index(parted, saturating_add(cells, all_->workspace_bytes(threads)));
}

Index ConvertedCorrelation::packed_bytes() const {
    return saturating_add(all_place(), all_ ? all_->packed_bytes() : 0);
}

std::vector<Index> ConvertedCorrelation::packed_layout() const {
    std::vector<Index> key = whole_->packed_layout();
    key.push_back(problem_.groups);
    key.push_back(part_groups_);
    return key;
}

void ConvertedCorrelation::pack(const Array& weight, void* packed, int threads) const {
    std::vector<Index> size = size_of(problem_.groups, problem_.in_channels, &Axis::kernel);
    size[0] = size[1];  // (groups, out, in, *kernel)
    size[1] = problem_.out_channels;
    Index cells = 1;
    for (Index extent : size) cells = saturating_multiply(cells, extent);
    if (cells == 0) return;
    AlignedBuffer buffer(saturating_multiply(cells, sizeof(float)));
    const Array wide{buffer.data(), compact_strides(size, {})};
    widen(type_, isa_, size, weight, wide, threads);
    for (Index p = 0; p < parts(); ++p) {
        Array own = wide;
        own.data = buffer.data() + p * part_groups_ * wide.stride[0] * Index(sizeof(float));
        part(p).pack(own, static_cast<char*>(packed) + p * part_bytes(), threads);
    }
    if (all_) all_->pack(wide, static_cast<char*>(packed) + all_place(), threads);
}

bool ConvertedCorrelation::lies_by_pixels(const Array& array) const {
    return array.stride[1] == 1 && (problem_.axes.empty() || array.stride.back() >= problem_.groups);
}

// Parts of the channels would be short runs of cells: one sample after the other, by all threads.
void ConvertedCorrelation::run_whole(Index batch, const Array& x, const void* packed,
                                     const Epilogue& epilogue, const Array& y, bool accumulate,
                                     int threads) const {
    const std::vector<Index> x_size = size_of(problem_.groups, 1, &Axis::in),
                             y_size = size_of(problem_.groups, 1, &Axis::out);
    const Index x_cells = round_up(cells(x_size), 16), y_cells = round_up(cells(y_size), 16);
    Workspace workspace((x_cells + 2 * y_cells) * Index(sizeof(float)), Borrower::conversion);
    auto* const data = reinterpret_cast<float*>(workspace.data());
    const Array x_wide{data, compact_strides(x_size, x.stride)},
        y_wide{data + x_cells, compact_strides(y_size, y.stride)};
    float* const residual = data + x_cells + y_cells;
    for (Index sample = 0; sample < batch; ++sample) {
        const Array x_half{static_cast<Half*>(x.data) + sample * x.stride[0], x.stride},
            y_half{static_cast<Half*>(y.data) + sample * y.stride[0], y.stride};
        Epilogue own(epilogue.bias);
        const void* const added = epilogue.residual_of(y_half.data);
        if (added)
            widen(type_, isa_, y_size, {const_cast<void*>(added), y.stride}, {residual, y_wide.stride},
                  threads);
        own.finish_with(epilogue.loop(), y_wide.data, added ? residual : nullptr);
        widen(type_, isa_, x_size, x_half, x_wide, threads);
        if (accumulate) widen(type_, isa_, y_size, y_half, y_wide, threads);
        all_->run(1, x_wide, static_cast<const char*>(packed) + all_place(), own, y_wide, accumulate,
                  threads);
        narrow(type_, isa_, y_size, y_wide, y_half, threads);
    }
}

void ConvertedCorrelation::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                               const Array& y, bool accumulate, int threads) const {
    const Index work = saturating_multiply(batch, multiply_adds(problem_)), tasks = batch * parts();
    if (tasks == 0) return;
    if (all_ && lies_by_pixels(x) && lies_by_pixels(y))
        return run_whole(batch, x, packed, epilogue, y, accumulate,
                         work < parallel_multiply_adds ? 1 : threads);
    threads = work < parallel_multiply_adds
                  ? 1
                  : static_cast<int>(min_index(tasks, min_index(threads, thread_limit)));
    Workspace workspace(saturating_multiply(scratch_cells() * Index(sizeof(float)), threads),
                        Borrower::conversion);
    auto compute = [&](Index task, int worker) {
        const Index sample = task / parts(), number = task % parts(), first = number * part_groups_;
        const Index groups = min_index(part_groups_, problem_.groups - first);
        const auto half_of = [&](const Array& array) {
            const Index offset = sample * array.stride[0] + first * array.stride[1];
            return Array{static_cast<Half*>(array.data) + offset, array.stride};
        };
        const std::vector<Index> x_size = size_of(groups, problem_.in_channels, &Axis::in),
                                 y_size = size_of(groups, problem_.out_channels, &Axis::out);
        Array x_wide{reinterpret_cast<float*>(workspace.data()) + worker * scratch_cells(),
                     compact_strides(x_size, x.stride)};
        Array y_wide{static_cast<float*>(x_wide.data) + cells(x_size), compact_strides(y_size, y.stride)};
        float* const residual = static_cast<float*>(y_wide.data) + cells(y_size);
        const Array y_half = half_of(y);

        const auto* const bias = static_cast<const float*>(epilogue.bias);
        Epilogue own(bias ? bias + first * problem_.out_channels : nullptr);
        const void* const added = epilogue.residual_of(y_half.data);
        if (added)
            widen(type_, isa_, y_size, {const_cast<void*>(added), y.stride}, {residual, y_wide.stride}, 1);
        own.finish_with(epilogue.loop(), y_wide.data, added ? residual : nullptr);
        widen(type_, isa_, x_size, half_of(x), x_wide, 1);
        if (accumulate) widen(type_, isa_, y_size, y_half, y_wide, 1);
        part(number).run(1, x_wide, static_cast<const char*>(packed) + number * part_bytes(), own, y_wide,
                         accumulate, 1);
        narrow(type_, isa_, y_size, y_wide, y_half, 1);
    };
    parallel_for(tasks, threads, compute);
}

}  // namespace faltung
