#include "kernels/channelwise/channelwise.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/ahead.h"
#include "core/border.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/call_arrays.h"

namespace faltung {

namespace {

constexpr Index header_bytes = 64;  // of packed weights: whether all of them are finite
constexpr Index most_lanes = 16;

bool leaves_out(Border border) {
    return border == Border::zeros || border == Border::absent;
}

// Whether so many rows of `columns` cells lie behind one another.
bool is_one_row(const std::vector<Index>& stride, const std::vector<Index>& size) {
    Index expected = stride.back() * size.back();
    for (std::size_t a = size.size() - 1; a-- > 0;) {
        if (size[a] != 1 && stride[a] != expected) return false;
        expected *= size[a];
    }
    return true;
}

}  // namespace

template <class T>
ChannelwiseCorrelation<T>::ChannelwiseCorrelation(const Problem& problem, const ChannelwiseKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      width_(channelwise_width(layout_.columns().out, kernel.widest)),
      taps_(taps(layout_.axes)),
      may_pad_(problem.border != Border::absent),
      may_skip_(leaves_out(problem.border)),
      channel_lanes_(problem, layout_, channelwise_order(layout_), kernel.channel_lanes) {
    if (saturating_multiply(saturating_multiply(problem.groups, problem.out_channels),
                            taps_ * 8 * most_lanes) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
    for (std::size_t a = 0; a + 1 < layout_.axes.size(); ++a) out_rows_ *= layout_.axes[a].out;
    if (may_pad_) padded_ = ChannelwiseView(layout_, true, width_);
    if (may_skip_) skipping_ = ChannelwiseView(layout_, false, width_);
}

template <class T>
Index ChannelwiseCorrelation<T>::panel_bytes_for(const Problem& problem, const ChannelwiseKernel<T>& kernel) {
    return ChannelwiseCorrelation(problem, kernel).panel_bytes();
}

template <class T>
Index ChannelwiseCorrelation<T>::panel_bytes() const {
    const Index cells = max_index(padded_.cells(), skipping_.cells());
    const Index vectors =
        saturating_add(saturating_add(cells, saturating_multiply(out_rows_, out_row_cells())), 1);
    return round_up(saturating_multiply(vectors, kernel_.lanes * Index(sizeof(T))), 64);
}

template <class T>
Index ChannelwiseCorrelation<T>::workspace_bytes(int threads) const {
    return max_index(saturating_multiply(panel_bytes(), threads), channel_lanes_.workspace_bytes(threads));
}

template <class T>
Index ChannelwiseCorrelation<T>::packed_bytes() const {
    return header_bytes + blocks() * kernel_.lanes * taps_ * Index(sizeof(T));
}

template <class T>
std::vector<Index> ChannelwiseCorrelation<T>::packed_layout() const {
    std::vector<Index> key{Index(sizeof(T)), kernel_.lanes, problem_.groups, problem_.out_channels};
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        key.push_back(layout_.origin[a]);
        key.push_back(layout_.axes[a].kernel);
    }
    return key;
}

// The channels of one block and where each begins in an array.
template <class T>
struct ChannelwiseCorrelation<T>::Lanes {
    T* channel[most_lanes];
    Index count;
    bool are_neighbours;

    // `step`: groups of channels, channels of a group.
    Lanes(const ChannelwiseCorrelation& op, Index block, void* data, Index group_step, Index channel_step) {
        const Index lanes = op.kernel_.lanes, first = block * lanes, each = op.problem_.out_channels;
        count = min_index(lanes, op.channels() - first);
        Index of_group = first % each, offset = first / each * group_step + of_group * channel_step;
        are_neighbours = true;
        for (Index lane = 0; lane < count; ++lane) {
            channel[lane] = static_cast<T*>(data) + offset;
            are_neighbours &= channel[lane] - channel[0] == lane;
            offset += channel_step;
            if (++of_group == each) of_group = 0, offset += group_step - each * channel_step;
        }
        for (Index lane = count; lane < lanes; ++lane) channel[lane] = channel[0];
    }
};

template <class T>
void ChannelwiseCorrelation<T>::pack(const Array& weight, void* packed, int) const {
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    std::vector<Index> size;
    for (const Axis& axis : layout_.axes) size.push_back(axis.kernel);
    const bool is_flat = is_one_row(spatial, size);
    const Index lanes = kernel_.lanes, columns = is_flat ? taps_ : size.back();
    const Index rows = columns ? taps_ / columns : 0;
    T* to = reinterpret_cast<T*>(static_cast<char*>(packed) + header_bytes);
    T zeros[8] = {};  // and not a number, where a weight is not finite
    for (Index block = 0; block < blocks(); ++block) {
        const Lanes of(*this, block, weight.data, weight.stride[0], weight.stride[1]);
        for (Index row = 0; row < rows; ++row, to += columns * lanes) {
            Index offset = 0, rest = row;
            for (std::size_t a = size.size() - 1; a-- > 0;) {
                offset += rest % size[a] * spatial[a];
                rest /= size[a];
            }
            T* channel[most_lanes];
            for (Index lane = 0; lane < lanes; ++lane) channel[lane] = of.channel[lane] + offset;
            kernel_.gather({channel, of.count, columns, spatial.back(), of.are_neighbours, to});
            const Index count = columns * lanes;
            for (Index i = 0; i + 8 <= count; i += 8)
                for (Index j = 0; j < 8; ++j) zeros[j] += to[i + j] * T(0);
            for (Index i = count / 8 * 8; i < count; ++i) zeros[0] += to[i] * T(0);
        }
    }
    std::memset(packed, 0, header_bytes);
    *static_cast<char*>(packed) = std::all_of(zeros, zeros + 8, [](T zero) { return zero == T(0); });
}

// One run: its arrays, and a task for each sample and block of channels.
template <class T>
struct ChannelwiseCorrelation<T>::Call : CallArrays {
    const ChannelwiseCorrelation& op;
    const T* weights;
    const ChannelwiseView& view;
    bool pads;
    Index units = 1, tasks = 1;
    bool x_is_flat = false, y_is_flat = false;

    void operator()(Index task, int worker) const;

  private:
    void gather_map(const Lanes& from, T* cells) const;
    void gather_padded(const Lanes& from, T* cells) const;
    void copy_outputs(const Lanes& to, T* cells, void (*copy)(const ChannelwiseCells<T>&)) const;
    void finish(const Lanes& of) const;
    void compute(Index n, Index block, T* scratch) const;
    // Of a block's maps, where those of consecutive channels lie behind one another; else 0.
    Index bytes_of_maps(const std::vector<Index>& spatial, Index channel_step, Index Axis::* size) const;
};

template <class T>
void ChannelwiseCorrelation<T>::Call::gather_map(const Lanes& from, T* cells) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const Index columns = axes.back().in, step = x_spatial.back(), lanes = op.kernel_.lanes;
    if (x_is_flat) {
        op.kernel_.gather({from.channel, from.count, view.rows * columns, step, from.are_neighbours, cells});
        return;
    }
    for (Index row = 0; row < view.rows; ++row, cells += view.row_cells * lanes) {
        Index rest = row, offset = 0;
        for (std::size_t a = axes.size() - 1; a-- > 0;) {
            offset += rest % axes[a].in * x_spatial[a];
            rest /= axes[a].in;
        }
        T* channel[most_lanes];
        for (Index lane = 0; lane < lanes; ++lane) channel[lane] = from.channel[lane] + offset;
        op.kernel_.gather({channel, from.count, columns, step, from.are_neighbours, cells});
    }
}

template <class T>
void ChannelwiseCorrelation<T>::Call::gather_padded(const Lanes& from, T* cells) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const Axis& axis = axes.back();
    const Border border = op.problem_.border;
    const Index step = x_spatial.back(), lanes = op.kernel_.lanes, stored = view.stored.back();
    const Index begin = max_index(0, min_index(stored, axis.before));
    const Index end = max_index(begin, min_index(stored, axis.before + axis.in));
    for (Index row = 0; row < view.rows; ++row, cells += view.row_cells * lanes) {
        Index rest = row, offset = 0;
        bool is_inside = true;
        for (std::size_t a = axes.size() - 1; a-- > 0;) {
            const Index cell = border_cell(border, rest % view.stored[a] - axes[a].before, axes[a].in);
            is_inside &= cell != outside;
            offset += cell * x_spatial[a];
            rest /= view.stored[a];
        }
        std::fill(cells, cells + view.row_cells * lanes, T(0));
        if (!is_inside) continue;
        T* channel[most_lanes];
        auto take = [&](Index to, Index first, Index count) {
            for (Index lane = 0; lane < lanes; ++lane)
                channel[lane] = from.channel[lane] + offset + first * step;
            op.kernel_.gather({channel, from.count, count, step, from.are_neighbours, cells + to * lanes});
        };
        if (begin < end) take(begin, begin - axis.before, end - begin);
        for (Index i = 0; i < stored; i = i + 1 == begin ? end : i + 1) {
            if (i >= begin && i < end) continue;
            const Index cell = border_cell(border, i - axis.before, axis.in);
            if (cell != outside) take(i, cell, 1);
        }
    }
}

template <class T>
void ChannelwiseCorrelation<T>::Call::copy_outputs(const Lanes& to, T* cells,
                                                   void (*copy)(const ChannelwiseCells<T>&)) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const Index columns = axes.back().out, step = y_spatial.back(), lanes = op.kernel_.lanes;
    if (y_is_flat) {
        copy({to.channel, to.count, op.out_rows_ * columns, step, to.are_neighbours, cells});
        return;
    }
    for (Index row = 0; row < op.out_rows_; ++row, cells += op.out_row_cells() * lanes) {
        Index rest = row, offset = 0;
        for (std::size_t a = axes.size() - 1; a-- > 0;) {
            offset += rest % axes[a].out * y_spatial[a];
            rest /= axes[a].out;
        }
        T* channel[most_lanes];
        for (Index lane = 0; lane < lanes; ++lane) channel[lane] = to.channel[lane] + offset;
        copy({channel, to.count, columns, step, to.are_neighbours, cells});
    }
}

template <class T>
void ChannelwiseCorrelation<T>::Call::finish(const Lanes& of) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const std::size_t far_axes = op.layout_.far_axes();
    Index far_outputs = 1;
    for (std::size_t a = 0; a < far_axes; ++a) far_outputs *= axes[a].out;
    for (Index lane = 0; lane < of.count; ++lane)
        for (Index far = 0; far < far_outputs; ++far) {
            Index rest = far, offset = 0;
            for (std::size_t a = far_axes; a-- > 0;) {
                offset += rest % axes[a].out * y_spatial[a];
                rest /= axes[a].out;
            }
            epilogue.finish(of.channel[lane] + offset, 1, 0, axes[far_axes].out, y_spatial[far_axes],
                            axes[far_axes + 1].out, y_spatial[far_axes + 1]);
        }
}

template <class T>
Index ChannelwiseCorrelation<T>::Call::bytes_of_maps(const std::vector<Index>& spatial, Index channel_step,
                                                     Index Axis::* size) const {
    Index cells = 1;
    for (const Axis& axis : op.layout_.axes) cells *= axis.*size;
    const bool lie_behind = op.problem_.out_channels == 1 && spatial.back() == 1 && channel_step == cells;
    return lie_behind ? cells * op.kernel_.lanes * Index(sizeof(T)) : 0;
}

template <class T>
void ChannelwiseCorrelation<T>::Call::compute(Index n, Index block, T* scratch) const {
    const Index lanes = op.kernel_.lanes, width = op.width_;
    T* const cells = scratch;
    T* const sums = cells + view.cells() * lanes;
    T* const bias = sums + op.out_rows_ * op.out_row_cells() * lanes;
    const Lanes from(op, block, static_cast<T*>(x.data) + n * x.stride[0], x.stride[1], 0);
    const Lanes to(op, block, static_cast<T*>(y.data) + n * y.stride[0], y.stride[1], y.stride[2]);
    if (pads) {
        gather_padded(from, cells);
    } else {
        gather_map(from, cells);
    }
    if (accumulates) copy_outputs(to, sums, op.kernel_.gather);
    std::fill(bias, bias + lanes, T(0));
    if (epilogue.bias)
        std::copy_n(static_cast<const T*>(epilogue.bias) + block * lanes, static_cast<std::size_t>(to.count),
                    bias);

    ChannelwiseSums<T> on;
    on.cell_step = op.layout_.columns().stride;
    on.cells = cells;
    on.taps = weights + block * op.taps_ * lanes;
    on.bias = bias;
    on.sums = sums;
    on.resumes = accumulates;
    const auto sum = op.kernel_.sum[width];
    const Index rows = op.out_rows_, row_bytes = lanes * Index(sizeof(T));
    Ahead next_taps(on.taps + op.taps_ * lanes, op.taps_ * row_bytes, rows);
    const Index map_bytes = bytes_of_maps(x_spatial, x.stride[1], &Axis::in);
    Ahead next_maps(reinterpret_cast<const char*>(from.channel[0]) + map_bytes, map_bytes, rows);
    Ahead outputs_of(to.channel[0], bytes_of_maps(y_spatial, y.stride[1], &Axis::out), rows);
    const std::size_t column_blocks = view.first_run.size() - 1;
    for (std::size_t row = 0; row + 1 < view.first_row.size(); ++row) {
        next_taps.fetch();
        next_maps.fetch();
        outputs_of.fetch();
        on.rows = view.row_list.data() + view.first_row[row];
        on.rows_end = view.row_list.data() + view.first_row[row + 1];
        for (std::size_t b = 0; b < column_blocks; ++b, on.sums += width * lanes) {
            on.runs = view.run_list.data() + view.first_run[b];
            on.runs_end = view.run_list.data() + view.first_run[b + 1];
            sum(on);
        }
    }
    copy_outputs(to, sums, op.kernel_.scatter);
    finish(to);
}

template <class T>
void ChannelwiseCorrelation<T>::Call::operator()(Index task, int worker) const {
    T* const scratch = reinterpret_cast<T*>(workspace + worker * op.panel_bytes());
    // Behind the rows of a map that is no multiple of a block wide lie zeros that nobody overwrites.
    if (!pads && view.row_cells != op.layout_.columns().in)
        std::fill(scratch, scratch + view.cells() * op.kernel_.lanes, T(0));
    const Index blocks = op.blocks(), end = (task + 1) * units / tasks;
    for (Index unit = task * units / tasks; unit < end; ++unit)
        compute(unit / blocks, unit % blocks, scratch);
}

template <class T>
void ChannelwiseCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                    const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || channels() == 0 || outputs(problem_.axes) == 0) return;
    constexpr Index tasks_per_thread = 16;
    const Index work = saturating_multiply(batch, work_of(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    const char* header = static_cast<const char*>(packed);
    const bool pads = !may_skip_ || (may_pad_ && *header == 0);
    const T* const weights = reinterpret_cast<const T*>(header + header_bytes);
    if (channel_lanes_.serves(x, y, !pads))
        return channel_lanes_.run(batch, x, weights, false, epilogue, y, accumulate, threads);
    Call call{{layout_, x, y, epilogue, accumulate}, *this, weights, pads ? padded_ : skipping_, pads};
    std::vector<Index> in, out;
    for (const Axis& axis : layout_.axes) in.push_back(axis.in), out.push_back(axis.out);
    call.x_is_flat = call.view.row_cells == in.back() && is_one_row(call.x_spatial, in);
    call.y_is_flat = out_row_cells() == out.back() && is_one_row(call.y_spatial, out);
    call.units = batch * blocks();
    call.tasks = threads == 1 ? 1 : min_index(call.units, tasks_per_thread * threads);
    threads = static_cast<int>(min_index(call.tasks, threads));
    Workspace workspace(workspace_bytes(threads));
    call.workspace = workspace.data();
    parallel_for(call.tasks, threads, call);
}

template class ChannelwiseCorrelation<float>;
template class ChannelwiseCorrelation<double>;
template class ChannelwiseCorrelation<std::uint64_t>;

}  // namespace faltung
