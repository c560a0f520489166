#include "kernels/grouped/grouped.h"

#include <algorithm>

#include "core/threads.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 16;

constexpr Index most_positions = Index(1) << 24, most_taps = 1024;
constexpr Index most_flat_masks = Index(1) << 16;

}  // namespace

const char* why_not_grouped(const Problem& problem) {
    if (problem.border != Border::zeros && problem.border != Border::absent)
        return "it needs zeros or nothing around the input";
    if (problem.out_channels < 2) return "it needs two or more output channels a group";
    if (problem.axes.back().stride > 2) return "it needs stride 1 or 2 along the last axis";
    const Index all_taps = taps(problem.axes), positions = outputs(problem.axes);
    if (all_taps < 1 || positions < 1) return "there is nothing to sum";
    Index cells = 1;
    for (const Axis& axis : problem.axes) cells = saturating_multiply(cells, max_index(axis.in, 1));
    if (all_taps > most_taps || positions > most_positions || cells > 8 * most_positions)
        return "its planes or kernels are too large";
    for (const Axis& axis : problem.axes)
        if (axis.before > most_positions || axis.before < -most_positions ||
            saturating_multiply(axis.kernel, axis.dilation) > most_positions)
            return "its planes or kernels are too large";
    return nullptr;
}

template <class T>
GroupedCorrelation<T>::GroupedCorrelation(const Problem& problem, const GroupedKernel<T>& kernel,
                                          const CorrelationKernel<T>& filter)
    : problem_(problem),
      kernel_(kernel),
      width_(filter.channel_block),
      most_vectors_(GroupedKernel<T>::most_vectors(problem.out_channels > filter.channel_block
                                                       ? GroupedKernel<T>::most_blocks(filter.channel_block)
                                                       : 1)),
      filter_(problem, filter) {
    if (kernel_.lanes == 0 || !kernel_.tile(width_, 1, 1, 1, true)) {
        kernel_ = {};
        return;
    }
    const std::vector<Axis>& axes = problem_.axes;
    const std::vector<Index> x_stride = strides(&Axis::in);
    // Taps in the order of the packed weights, which is that of the layout's axes.
    const Layout layout(problem_);
    for (Index tap = 0; tap < taps(axes); ++tap) {
        std::vector<Index> shift(axes.size());
        Index rest = tap, place = 0;
        for (std::size_t i = layout.origin.size(); i-- > 0;) {
            if (layout.origin[i] < 0) continue;
            const auto a = static_cast<std::size_t>(layout.origin[i]);
            shift[a] = rest % axes[a].kernel * axes[a].dilation;
            place += shift[a] * x_stride[a];
            rest /= axes[a].kernel;
        }
        place_.push_back(place);
        shifts_.push_back(shift);
    }
    // A vector may run over the ends of rows where outputs lie as the inputs do.
    bool may_be_flat = true;
    Index rows = 1;
    for (const Axis& axis : axes) may_be_flat &= axis.stride == 1 && axis.in == axis.out;
    for (std::size_t a = 0; a + 1 < axes.size(); ++a) rows *= axes[a].out;
    const Index lanes = kernel_.lanes, columns = axes.back().out;
    const Index flat = ceil_divide(rows * columns, lanes), in_rows = rows * ceil_divide(columns, lanes);
    if (may_be_flat && 32 * in_rows > 33 * flat && flat * taps(axes) <= most_flat_masks) {
        make_flat_tiles();
    } else {
        make_row_tiles();
    }
}

template <class T>
std::vector<Index> GroupedCorrelation<T>::strides(Index Axis::* size) const {
    std::vector<Index> stride(problem_.axes.size());
    Index step = 1;
    for (std::size_t a = stride.size(); a-- > 0; step *= problem_.axes[a].*size) stride[a] = step;
    return stride;
}

template <class T>
bool GroupedCorrelation<T>::is_one_piece(const Array& array, Index Axis::* size) const {
    const std::vector<Index> stride = strides(size);
    for (std::size_t a = 0; a < stride.size(); ++a)
        if (problem_.axes[a].*size > 1 && array.stride[outer_axes + a] != stride[a]) return false;
    return true;
}

template <class T>
void GroupedCorrelation<T>::make_flat_tiles() {
    const Index lanes = kernel_.lanes, all = outputs(problem_.axes), vectors = ceil_divide(all, lanes);
    const Index tiles = ceil_divide(vectors, most_vectors_);
    std::vector<Index> position(problem_.axes.size());
    for (Index i = 0; i < tiles; ++i) {
        const Index first = i * vectors / tiles, end = (i + 1) * vectors / tiles;
        Tile tile{};
        tile.vectors = end - first;
        tile.x_pitch = tile.y_pitch = tile.count = lanes;
        tile.last = min_index(lanes, all - (end - 1) * lanes);
        Index rest = first * lanes;
        for (std::size_t a = position.size(); a-- > 0; rest /= problem_.axes[a].out)
            position[a] = rest % problem_.axes[a].out;
        add_tile(position.data(), tile, position.size() - 1, true);
    }
}

// Vectors of one row, or of as many rows, whatever fills the registers better.
template <class T>
void GroupedCorrelation<T>::make_row_tiles() {
    const std::vector<Axis>& axes = problem_.axes;
    const std::size_t columns = axes.size() - 1;
    const Index lanes = kernel_.lanes, across = ceil_divide(axes[columns].out, lanes);
    const bool has_rows = axes.size() > 1;
    const Index rows = has_rows ? axes[columns - 1].out : 1;
    const bool by_rows = has_rows && rows > 1 && across % most_vectors_ != 0;
    const Index runs = ceil_divide(by_rows ? rows : across, most_vectors_);
    Index far = 1;
    for (std::size_t a = 0; a + 1 < columns; ++a) far *= axes[a].out;
    std::vector<Index> position(axes.size());
    Tile tile{};
    auto add = [&](Index row, Index vector, Index vectors) {
        if (has_rows) position[columns - 1] = row;
        position[columns] = vector * lanes;
        tile.vectors = vectors;
        tile.last = min_index(lanes, axes[columns].out - (by_rows ? vector : vector + vectors - 1) * lanes);
        tile.count = by_rows ? tile.last : lanes;
        tile.x_pitch = by_rows ? axes[columns - 1].stride * strides(&Axis::in)[columns - 1]
                               : lanes * axes[columns].stride;
        tile.y_pitch = by_rows ? strides(&Axis::out)[columns - 1] : lanes;
        add_tile(position.data(), tile, by_rows ? columns - 1 : columns, false);
    };
    for (Index outer = 0; outer < far; ++outer) {
        Index rest = outer;
        for (std::size_t a = columns - has_rows; a-- > 0; rest /= axes[a].out)
            position[a] = rest % axes[a].out;
        if (by_rows) {
            for (Index run = 0; run < runs; ++run)
                for (Index vector = 0; vector < across; ++vector)
                    add(run * rows / runs, vector, (run + 1) * rows / runs - run * rows / runs);
        } else {
            for (Index row = 0; row < rows; ++row)
                for (Index run = 0; run < runs; ++run)
                    add(row, run * across / runs, (run + 1) * across / runs - run * across / runs);
        }
    }
}

// Of the tile whose first output is at `position`; its vectors follow one another along `vector_axis`.
template <class T>
void GroupedCorrelation<T>::add_tile(const Index* position, Tile tile, std::size_t vector_axis,
                                     bool is_flat) {
    const std::vector<Axis>& axes = problem_.axes;
    const std::vector<Index> x_stride = strides(&Axis::in), y_stride = strides(&Axis::out);
    const Index lanes = kernel_.lanes, loads = axes.back().stride;
    const std::size_t columns = axes.size() - 1;
    tile.x = tile.y = 0;
    bool is_inside = tile.count == lanes && tile.last == lanes && loads == 1 && !is_flat;
    for (std::size_t a = 0; a < axes.size(); ++a) {
        const Axis& axis = axes[a];
        const Index first = position[a] * axis.stride - axis.before;
        tile.x += first * x_stride[a];
        tile.y += position[a] * y_stride[a];
        Index more = a == columns ? lanes - 1 : 0;
        if (a == vector_axis) more += (tile.vectors - 1) * (a == columns ? lanes : 1);
        is_inside &= first >= 0 && first + more * axis.stride + (axis.kernel - 1) * axis.dilation < axis.in;
    }
    tile.mask = -1;
    if (!is_inside) {
        tile.mask = static_cast<Index>(masks_.size());
        bool is_full = true;
        std::vector<Index> output(axes.size());
        for (Index tap = 0; tap < taps(axes); ++tap) {
            const std::size_t is_whole = masks_.size();
            masks_.push_back(1);
            for (Index v = 0; v < tile.vectors; ++v) {
                std::uint32_t bits = 0;
                const Index count = v < tile.vectors - 1 ? tile.count : tile.last;
                std::copy(position, position + axes.size(), output.begin());
                output[vector_axis] += v * (vector_axis == columns ? lanes : 1);
                for (Index lane = 0; lane < count; ++lane, ++output[columns]) {
                    const std::vector<Index>& shift = shifts_[static_cast<std::size_t>(tap)];
                    Index carry = 0;
                    bool is_there = true;
                    for (std::size_t a = axes.size(); a-- > 0;) {
                        Index at = output[a] + carry;
                        carry = is_flat ? at / axes[a].out : 0;
                        at -= carry * axes[a].out;
                        const Index cell = at * axes[a].stride + shift[a] - axes[a].before;
                        is_there &= cell >= 0 && cell < axes[a].in;
                    }
                    if (is_there) bits |= std::uint32_t(1) << lane * loads;
                }
                if (bits != (std::uint32_t(1) << lanes) - 1) masks_[is_whole] = 0;
                for (Index load = 0; load < loads; ++load)
                    masks_.push_back(
                        static_cast<std::uint16_t>(bits >> load * lanes & ((std::uint32_t(1) << lanes) - 1)));
            }
            is_full &= masks_[is_whole] == 1;
        }
        // The masks of many tiles are those of the one before.
        const auto own = masks_.begin() + tile.mask;
        const Index size = taps(axes) * (1 + tile.vectors * loads);
        if (is_full && loads == 1) {
            masks_.erase(own, masks_.end());
            tile.mask = -1;
        } else if (tile.mask >= size && std::equal(own, masks_.end(), own - size)) {
            masks_.erase(own, masks_.end());
            tile.mask -= size;
        }
    }
    tiles_.push_back(tile);
}

template <class T>
struct GroupedCorrelation<T>::Call {
    const GroupedCorrelation& op;
    const Array &x, &y;
    const T* packed;
    const Epilogue& epilogue;
    bool accumulates;
    Index units, tasks;

    void operator()(Index task, int) const {
        const Index tiles = static_cast<Index>(op.tiles_.size());
        for (Index unit = task * units / tasks, end = (task + 1) * units / tasks; unit < end; ++unit)
            compute(unit / tiles, op.tiles_[static_cast<std::size_t>(unit % tiles)]);
    }

    void compute(Index number, const Tile& tile) const {
        const Problem& problem = op.problem_;
        const Index g = number % problem.groups, n = number / problem.groups;
        const Index width = op.width_, blocks = ceil_divide(problem.out_channels, width);
        const Index most_blocks = op.most_vectors_ == GroupedKernel<T>::most_vectors(2) ? 2 : 1;
        const Index stride = problem.axes.back().stride;
        GroupedBlock<T> block;
        block.x = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1] + tile.x;
        block.x_channel_stride = x.stride[2];
        block.x_pitch = tile.x_pitch;
        block.place = op.place_.data();
        block.mask = tile.mask < 0 ? nullptr : op.masks_.data() + tile.mask;
        block.channels = problem.in_channels;
        block.taps = static_cast<Index>(op.place_.size());
        block.weight_block = block.channels * block.taps * width;
        block.y_channel_stride = y.stride[2];
        block.y_pitch = tile.y_pitch;
        block.count = tile.count;
        block.last = tile.last;
        block.resumes = accumulates;
        const T* const bias = static_cast<const T*>(epilogue.bias);
        T* const y_group = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] + tile.y;
        for (Index b = 0; b < blocks; b += most_blocks) {
            const Index count = min_index(most_blocks, blocks - b), oc = b * width;
            block.weight = packed + (g * blocks + b) * block.weight_block;
            block.y = y_group + oc * y.stride[2];
            block.out_channels = min_index(count * width, problem.out_channels - oc);
            block.bias = bias ? bias + g * problem.out_channels + oc : nullptr;
            op.kernel_.tile(width, count, tile.vectors, stride, tile.mask < 0)(block);
            if (tile.vectors > 1)
                epilogue.finish(block.y, block.out_channels, y.stride[2], tile.vectors - 1, tile.y_pitch,
                                tile.count, 1);
            epilogue.finish(block.y + (tile.vectors - 1) * tile.y_pitch, block.out_channels, y.stride[2], 1,
                            0, tile.last, 1);
        }
    }
};

template <class T>
void GroupedCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                const Array& y, bool accumulate, int threads) const {
    if (kernel_.lanes == 0 || !is_one_piece(x, &Axis::in) || !is_one_piece(y, &Axis::out)) {
        filter_.run(batch, x, packed, epilogue, y, accumulate, threads);
        return;
    }
    if (batch == 0 || problem_.groups == 0) return;
    const Index work = saturating_multiply(batch, work_of(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    const Index units = batch * problem_.groups * static_cast<Index>(tiles_.size());
    Call call{*this,    x,          y,     static_cast<const T*>(packed),
              epilogue, accumulate, units, threads == 1 ? 1 : min_index(units, tasks_per_thread * threads)};
    parallel_for(call.tasks, static_cast<int>(min_index(call.tasks, threads)), call);
}

template class GroupedCorrelation<float>;
template class GroupedCorrelation<double>;
template class GroupedCorrelation<std::uint64_t>;

}  // namespace faltung
