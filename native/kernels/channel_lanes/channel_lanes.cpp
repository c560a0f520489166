#include "kernels/channel_lanes/channel_lanes.h"

#include <algorithm>
#include <utility>

#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/call_arrays.h"

namespace faltung {

namespace {

constexpr Index tasks_per_thread = 8;
constexpr std::size_t most_axes = 8;
constexpr Index most_segments = 1 << 12;

bool is_inside(Index cell, const Axis& axis) {
    return cell >= 0 && cell < axis.in;
}

}  // namespace

template <class T>
ChannelLanes<T>::ChannelLanes(const Problem& problem, const Layout& layout, LaneOrder order,
                              const LaneKernel<T>& kernel)
    : problem_(problem),
      layout_(layout),
      order_(std::move(order)),
      kernel_(kernel),
      row_axis_(layout.axes.size() - (order_.is_turned ? 1 : 2)),
      column_axis_(layout.axes.size() - (order_.is_turned ? 2 : 1)),
      taps_(taps(layout.axes)) {
    for (const LaneTaps& segment : order_.segments) tap_columns_ += segment.columns;
}

template <class T>
bool ChannelLanes<T>::serves(const Array& x, const Array& y, bool skips) const {
    return skips && !order_.segments.empty() && problem_.out_channels == 1 && x.stride[1] == 1 &&
           y.stride[1] == 1 && 2 * problem_.groups >= kernel_.lanes && layout_.axes.size() <= most_axes &&
           static_cast<Index>(order_.segments.size()) <= most_segments;
}

// Of a thread: what lies inside, for each segment, and twice for each column of taps.
template <class T>
Index ChannelLanes<T>::table_bytes() const {
    const Index words = static_cast<Index>(order_.segments.size()) + 2 * tap_columns_;
    return round_up(words * Index(sizeof(std::uint32_t)), 64);
}

template <class T>
Index ChannelLanes<T>::turned_bytes() const {
    return vectors() * kernel_.lanes * taps_ * Index(sizeof(T));
}

template <class T>
Index ChannelLanes<T>::workspace_bytes(int threads) const {
    return saturating_add(turned_bytes(), saturating_multiply(table_bytes(), threads));
}

// One call's arrays and its division into tasks: bands of tiles, which never touch the order of a sum.
template <class T>
struct ChannelLanes<T>::Call : CallArrays {
    const ChannelLanes& op;
    const T* weights;
    std::vector<LaneSegment> segments = {};

    Index far_outputs = 1, classes = 1, bands = 1, chunks = 1;
    Index units = 1, tasks = 1;
    char* tables = nullptr;

    void share_out(Index batch, int threads);
    void operator()(Index task, int worker) const;

  private:
    struct Band {
        Index n, first_row, rows, first_channel, channels;
        Index far_place[most_axes];
        Index x_offset, y_offset;  // of its first output
        bool is_whole;             // a tile's rows, whose cells all lie inside
    };
    Band locate(Index unit) const;
    bool mark_rows(const Band& band, std::uint32_t* used) const;
    bool mark_columns(Index first, Index count, std::uint32_t* used) const;
    void compute(const Band& band, std::uint32_t* table) const;
};

template <class T>
void ChannelLanes<T>::Call::share_out(Index batch, int threads) {
    const std::vector<Axis>& axes = op.layout_.axes;
    const std::size_t far_axes = op.layout_.far_axes();
    for (std::size_t a = 0; a < far_axes; ++a) far_outputs *= axes[a].out;
    classes = min_index(op.order_.classes, op.rows().out);
    bands = ceil_divide(ceil_divide(op.rows().out, classes), op.kernel_.rows);
    units = batch * far_outputs * classes * bands;
    if (threads > 1) {
        const Index wanted = tasks_per_thread * threads;
        chunks = min_index(ceil_divide(op.problem_.groups, op.kernel_.lanes), ceil_divide(wanted, units));
    }
    units *= chunks;
    tasks = threads == 1 ? 1 : min_index(units, tasks_per_thread * threads);

    Index used_columns = 0;
    for (const LaneTaps& of : op.order_.segments) {
        Index rest = of.far,
              cells = of.row * x_spatial[op.row_axis_] + of.column * x_spatial[op.column_axis_];
        for (std::size_t a = far_axes; a-- > 0;) {
            cells += rest % axes[a].kernel * axes[a].dilation * x_spatial[a];
            rest /= axes[a].kernel;
        }
        segments.push_back(
            {of.taps, of.columns, of.weight, of.column_step, of.tap_step, cells, used_columns});
        used_columns += of.columns;
    }
}

template <class T>
typename ChannelLanes<T>::Call::Band ChannelLanes<T>::Call::locate(Index unit) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    Band band;
    const Index vectors = op.vectors(), chunk = unit % chunks;
    band.first_channel = chunk * vectors / chunks * op.kernel_.lanes;
    band.channels =
        min_index(op.problem_.groups, (chunk + 1) * vectors / chunks * op.kernel_.lanes) - band.first_channel;
    unit /= chunks;
    const Index row = unit % bands * op.kernel_.rows;
    unit /= bands;
    const Index of_class = unit % classes;
    unit /= classes;
    const Axis& rows = op.rows();
    const Axis& columns = op.columns();
    band.first_row = of_class + row * classes;
    const Index left = rows.out - band.first_row;
    band.rows = left <= 0 ? 0 : min_index(op.kernel_.rows, ceil_divide(left, classes));
    band.x_offset = (band.first_row * rows.stride - rows.before) * x_spatial[op.row_axis_] -
                    columns.before * x_spatial[op.column_axis_];
    band.y_offset = band.first_row * y_spatial[op.row_axis_];
    for (std::size_t a = op.layout_.far_axes(); a-- > 0;) {
        band.far_place[a] = unit % axes[a].out * axes[a].stride - axes[a].before;
        band.x_offset += band.far_place[a] * x_spatial[a];
        band.y_offset += unit % axes[a].out * y_spatial[a];
        unit /= axes[a].out;
    }
    band.n = unit;
    return band;
}

// Of each segment which rows of cells lie inside; whether all do.
template <class T>
bool ChannelLanes<T>::Call::mark_rows(const Band& band, std::uint32_t* used) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const Axis& rows = op.rows();
    bool is_whole = band.rows == op.kernel_.rows;
    for (const LaneTaps& segment : op.order_.segments) {
        Index rest = segment.far;
        bool is_there = true;
        for (std::size_t a = op.layout_.far_axes(); a-- > 0;) {
            is_there &= is_inside(band.far_place[a] + rest % axes[a].kernel * axes[a].dilation, axes[a]);
            rest /= axes[a].kernel;
        }
        std::uint32_t bits = 0;
        const Index first = band.first_row * rows.stride - rows.before + segment.row;
        const Index count = band.rows + segment.taps - 1;
        for (Index i = 0; is_there && i < count; ++i)
            if (is_inside(first + i * op.order_.pitch, rows)) bits |= 1u << i;
        is_whole &= bits == (1u << count) - 1;
        *used++ = bits;
    }
    return is_whole;
}

// Of each column of taps which of the outputs' columns meet cells inside; whether all do.
template <class T>
bool ChannelLanes<T>::Call::mark_columns(Index first, Index count, std::uint32_t* used) const {
    const Axis& columns = op.columns();
    const Index all = (Index(1) << count) - 1;
    bool is_whole = true;
    for (const LaneTaps& segment : op.order_.segments)
        for (Index column = 0; column < segment.columns; ++column) {
            const Index cell =
                first * columns.stride - columns.before + segment.column + column * columns.dilation;
            std::uint32_t bits = 0;
            for (Index j = 0; j < count; ++j)
                if (is_inside(cell + j * columns.stride, columns)) bits |= 1u << j;
            is_whole &= bits == all;
            *used++ = bits;
        }
    return is_whole;
}

template <class T>
void ChannelLanes<T>::Call::compute(const Band& band, std::uint32_t* table) const {
    const Axis& columns = op.columns();
    const Index x_step = x_spatial[op.column_axis_], y_step = y_spatial[op.column_axis_];
    std::uint32_t* const every_column = table + segments.size();
    std::uint32_t* const some_columns = every_column + op.tap_columns_;
    const bool has_whole_rows = mark_rows(band, table);
    const T* const x_band =
        static_cast<const T*>(x.data) + band.n * x.stride[0] + band.first_channel + band.x_offset;
    T* const y_band = static_cast<T*>(y.data) + band.n * y.stride[0] + band.first_channel + band.y_offset;
    const T* const bias = static_cast<const T*>(epilogue.bias);

    LaneTile<T> tile;
    tile.row_pitch = op.order_.pitch * x_spatial[op.row_axis_];
    tile.column_pitch = columns.stride * x_step;
    tile.tap_pitch = columns.dilation * x_step;
    tile.y_row_pitch = classes * y_spatial[op.row_axis_];
    tile.y_column_pitch = y_step;
    tile.rows = band.rows;
    tile.segments = segments.data();
    tile.segments_end = segments.data() + segments.size();
    tile.rows_used = table;
    tile.channels = band.channels;
    tile.vector_weight = op.taps_ * op.kernel_.lanes;
    tile.weight = weights + band.first_channel / op.kernel_.lanes * tile.vector_weight;
    tile.bias = bias ? bias + band.first_channel : nullptr;
    tile.resumes = accumulates;
    const auto compute_tile = op.kernel_.compute[op.order_.columns_at_a_time];
    const Index reach = max_index(columns.kernel - 1, 0) * columns.dilation;
    for (Index column = 0; column < columns.out; column += tile.columns) {
        tile.columns = min_index(op.kernel_.columns, columns.out - column);
        const Index first = column * columns.stride - columns.before;
        const bool is_inner = tile.columns == op.kernel_.columns && first >= 0 &&
                              first + (tile.columns - 1) * columns.stride + reach < columns.in;
        if (!is_inner) mark_columns(column, tile.columns, some_columns);
        tile.columns_used = is_inner ? every_column : some_columns;
        tile.is_whole = is_inner && has_whole_rows;
        tile.x = x_band + column * columns.stride * x_step;
        tile.y = y_band + column * y_step;
        compute_tile(tile);
        epilogue.finish(tile.y, band.channels, 1, band.rows, tile.y_row_pitch, tile.columns, y_step);
    }
}

template <class T>
void ChannelLanes<T>::Call::operator()(Index task, int worker) const {
    std::uint32_t* const table = reinterpret_cast<std::uint32_t*>(tables + worker * op.table_bytes());
    std::fill_n(table + segments.size(), op.tap_columns_, ~std::uint32_t(0));
    const Index end = (task + 1) * units / tasks;
    for (Index unit = task * units / tasks; unit < end; ++unit) {
        const Band band = locate(unit);
        if (band.rows > 0) compute(band, table);
    }
}

template <class T>
void ChannelLanes<T>::run(Index batch, const Array& x, const T* weights, bool turns, const Epilogue& epilogue,
                          const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || outputs(layout_.axes) == 0) return;
    const Index work = saturating_multiply(batch, work_of(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    Call call{{layout_, x, y, epilogue, accumulate}, *this, weights};
    call.share_out(batch, threads);
    threads = static_cast<int>(min_index(call.tasks, threads));
    const Index turned = turns ? turned_bytes() : 0;
    Workspace workspace(turned + table_bytes() * threads);
    call.tables = workspace.data() + turned;
    if (turns) {
        T* to = reinterpret_cast<T*>(workspace.data());
        call.weights = to;
        for (Index channel = 0; channel < problem_.groups;
             channel += kernel_.lanes, to += kernel_.lanes * taps_)
            kernel_.turn(
                {weights + channel * taps_, min_index(kernel_.lanes, problem_.groups - channel), taps_, to});
    }
    parallel_for(call.tasks, threads, call);
}

template class ChannelLanes<float>;
template class ChannelLanes<double>;
template class ChannelLanes<std::uint64_t>;

}  // namespace faltung
