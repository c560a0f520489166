#include "kernels/gradient_direct/direct_gradient.h"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/border.h"
#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

namespace {

constexpr Index tasks_per_thread = 4;
constexpr Index block_positions = 512;          // packed at once: in L2, and what they meet in L1
constexpr Index fewest_products = 64;           // of a packed cell that are worth the packing
constexpr Index fewest_balanced_products = 24;  // where some threads have nothing to do otherwise
constexpr Index sums_budget_bytes = 256 << 10;  // of a task
constexpr Index few_channels = 4;               // too few sums of a tap for the multiplier's latency
constexpr Index kernel_limit = Index(1) << 22;

bool is_matrix_product(const Problem& problem) {
    for (const Axis& axis : problem.axes)
        if (axis.kernel != 1 || axis.stride != 1 || axis.before != 0 || axis.in != axis.out) return false;
    return true;
}

// Of a position: vectors that are multiplied.
Index products(Index packed, Index others, Index block) {
    return ceil_divide(packed, block / 2) * others;
}

bool packs_input(const Problem& problem, Index block) {
    return is_matrix_product(problem) && products(problem.in_channels, problem.out_channels, block) <
                                             products(problem.out_channels, problem.in_channels, block);
}

Problem arranged(Problem problem, Index block) {
    if (packs_input(problem, block)) std::swap(problem.in_channels, problem.out_channels);
    return problem;
}

}  // namespace

template <class T>
typename DirectGradient<T>::Segments DirectGradient<T>::segments_of(const Axis& axis, Border border) {
    Segments every(static_cast<std::size_t>(axis.kernel));
    for (Index tap = 0; tap < axis.kernel; ++tap) {
        std::vector<Segment>& segments = every[static_cast<std::size_t>(tap)];
        const Index start = tap * axis.dilation - axis.before;
        const Index begin = min_index(axis.out, start < 0 ? ceil_divide(-start, axis.stride) : 0);
        const Index inside = axis.in - start;
        const Index end =
            max_index(begin, min_index(axis.out, inside > 0 ? ceil_divide(inside, axis.stride) : 0));
        auto add = [&](Index o, Index count, Index cell, Index step) {
            if (!segments.empty() && count == 1) {
                Segment& last = segments.back();
                const bool is_next = last.first + last.count == o;
                if (is_next && last.count == 1) last.step = cell - last.cell;
                if (is_next && last.cell + last.count * last.step == cell) {
                    ++last.count;
                    return;
                }
            }
            segments.push_back({o, count, cell, step});
        };
        auto add_outside = [&](Index o, Index last) {
            if (border == Border::zeros || border == Border::absent) return;
            for (; o < last; ++o) {
                const Index cell = border_cell(border, start + o * axis.stride, axis.in);
                if (cell != outside) add(o, 1, cell, 0);
            }
        };
        add_outside(0, begin);
        if (begin < end) segments.push_back({begin, end - begin, start + begin * axis.stride, axis.stride});
        add_outside(end, axis.out);
    }
    return every;
}

template <class T>
DirectGradient<T>::DirectGradient(const Problem& problem, const GradientProductKernel<T>& kernel)
    : problem_(arranged(problem, kernel.block)),
      layout_(problem),
      kernel_(kernel),
      swaps_(packs_input(problem, kernel.block)),
      joins_((problem.border == Border::zeros || problem.border == Border::absent) &&
             problem_.in_channels > 0 && problem_.in_channels / units() < few_channels),
      taps_(taps(problem.axes)) {
    if (layout_.rows().kernel > kernel_limit || layout_.columns().kernel > kernel_limit)
        throw std::invalid_argument("the tables of the weight gradient would be unreasonably large");
    row_segments_ = segments_of(layout_.rows(), problem.border);
    column_segments_ = segments_of(layout_.columns(), problem.border);
}

template <class T>
Index DirectGradient<T>::panel_bytes_for(const Problem&, const GradientProductKernel<T>& kernel) {
    return block_positions * kernel.block * Index(sizeof(T));
}

template <class T>
Index DirectGradient<T>::tap_limit() const {
    const Index unit_bytes = kernel_.channels * kernel_.block * Index(sizeof(T));
    return max_index(1, min_index(taps_, 4 * sums_budget_bytes / unit_bytes));
}

template <class T>
Index DirectGradient<T>::first_tap(Index piece) const {
    if (!joins_) return piece;
    const Index columns = layout_.columns().kernel, of_row = row_pieces();
    return piece / of_row * columns + piece % of_row * columns / of_row;
}

// Of the piece that holds a tap.
template <class T>
Index DirectGradient<T>::piece_end(Index tap) const {
    const Index columns = layout_.columns().kernel, of_row = row_pieces();
    const Index piece = ((tap % columns + 1) * of_row - 1) / columns;
    return tap / columns * columns + (piece + 1) * columns / of_row;
}

template <class T>
Index DirectGradient<T>::unit_limit() const {
    const Index unit_bytes = kernel_.channels * tap_limit() * kernel_.block * Index(sizeof(T));
    return max_index(1, min_index(units(), sums_budget_bytes / unit_bytes));
}

template <class T>
Index DirectGradient<T>::sums_elements() const {
    return unit_limit() * kernel_.channels * tap_limit() * kernel_.block;
}

template <class T>
Index DirectGradient<T>::thread_bytes() const {
    return panel_bytes() + round_up(sums_elements() * Index(sizeof(T)), 64);
}

template <class T>
Index DirectGradient<T>::workspace_bytes(int threads) const {
    return saturating_multiply(thread_bytes(), threads);
}

template <class T>
struct DirectGradient<T>::Call {
    const DirectGradient& op;
    Index batch;
    const Array &x, &grad, &gw;  // the packed side is grad
    std::vector<Index> x_spatial, grad_spatial;
    std::vector<Index> tap_offset;  // in gw
    bool has_adjacent_taps;
    char* workspace;
    Index blocks, unit_ranges, tap_ranges;

    // A part of the outputs.
    struct Block {
        Index first_row, rows, first_column, columns;
        const T* packed;
    };
    struct Work {
        Index first_unit, last_unit, first_channel, channels, first_tap, last_tap, lanes;
        T* sums;
    };

    void operator()(Index task, int worker) const;
    void add_block(const Block& block, const Work& work, const T* x_sample, Index far) const;
    void add_tap(const Block& block, const T* x_channels, Index near_tap, Index first_column,
                 Index last_column, GradientProduct<T> product) const;
    void add_taps(const Block& block, const T* x_channels, Index first_tap, Index last_tap,
                  const GradientProduct<T>& product, Index taps) const;
    void add_zeros(const Block& block, const Work& work, Index far) const;
    bool locate(Index far, Index far_tap, Index& offset) const;
    void finish(const Work& work, Index g, Index block) const;
};

// Where a far tap reads for a far output; false if outside.
template <class T>
bool DirectGradient<T>::Call::locate(Index far, Index far_tap, Index& offset) const {
    offset = 0;
    for (std::size_t a = op.layout_.far_axes(); a-- > 0;) {
        const Axis& axis = op.layout_.axes[a];
        const Index o = far % axis.out, k = far_tap % axis.kernel;
        far /= axis.out;
        far_tap /= axis.kernel;
        const Index cell =
            border_cell(op.problem_.border, o * axis.stride + k * axis.dilation - axis.before, axis.in);
        if (cell == outside) return false;
        offset += cell * x_spatial[a];
    }
    return true;
}

// One tap's products with the block's columns in [first_column, last_column).
template <class T>
void DirectGradient<T>::Call::add_tap(const Block& block, const T* x_channels, Index near_tap,
                                      Index first_column, Index last_column,
                                      GradientProduct<T> product) const {
    const std::size_t far_axes = op.layout_.far_axes();
    const Index columns = op.layout_.columns().kernel, width = op.kernel_.block;
    const Index x_row = x_spatial[far_axes], x_column = x_spatial[far_axes + 1];
    product.wide_row = block.columns * width;
    for (const Segment& row : op.row_segments_[static_cast<std::size_t>(near_tap / columns)]) {
        const Index first_row = max_index(row.first, block.first_row);
        const Index rows = min_index(row.first + row.count, block.first_row + block.rows) - first_row;
        if (rows <= 0) continue;
        const T* x_rows = x_channels + (row.cell + (first_row - row.first) * row.step) * x_row;
        const T* packed = block.packed + (first_row - block.first_row) * block.columns * width;
        product.row_stride = row.step * x_row;
        for (const Segment& column : op.column_segments_[static_cast<std::size_t>(near_tap % columns)]) {
            const Index first = max_index(column.first, first_column);
            product.rows = rows;
            product.columns = min_index(column.first + column.count, last_column) - first;
            if (product.columns <= 0) continue;
            product.scalar = x_rows + (column.cell + (first - column.first) * column.step) * x_column;
            product.wide = packed + (first - block.first_column) * width;
            product.column_stride = column.step * x_column;
            if (product.columns == block.columns &&
                product.row_stride == product.columns * product.column_stride) {
                product.columns *= product.rows;
                product.rows = 1;
            }
            op.kernel_.multiply(product);
        }
    }
}

// Taps of one row, of few channels: those taps stand for channels, in the columns that all of them have.
template <class T>
void DirectGradient<T>::Call::add_taps(const Block& block, const T* x_channels, Index first_tap,
                                       Index last_tap, const GradientProduct<T>& product, Index taps) const {
    const Index columns = op.layout_.columns().kernel, width = op.kernel_.block;
    Index begin = block.first_column, end = block.first_column + block.columns;
    for (Index tap = first_tap; tap < last_tap; ++tap) {
        const std::vector<Segment>& segments = op.column_segments_[static_cast<std::size_t>(tap % columns)];
        if (segments.empty()) {
            end = begin;
            break;
        }
        begin = max_index(begin, segments[0].first);
        end = min_index(end, segments[0].first + segments[0].count);
    }
    const Index block_end = block.first_column + block.columns;
    if (begin < end) {
        GradientProduct<T> common = product;
        common.channels = last_tap - first_tap;
        common.channel_stride = op.layout_.columns().dilation * x_spatial.back();
        common.sums_pitch = width;
        for (Index channel = 0; channel < product.channels; ++channel, common.sums += taps * width)
            add_tap(block, x_channels + channel * product.channel_stride, first_tap, begin, end, common);
    } else {
        begin = end = block_end;
    }
    GradientProduct<T> single = product;
    for (Index tap = first_tap; tap < last_tap; ++tap, single.sums += width) {
        add_tap(block, x_channels, tap, block.first_column, begin, single);
        add_tap(block, x_channels, tap, end, block_end, single);
    }
}

template <class T>
void DirectGradient<T>::Call::add_block(const Block& block, const Work& work, const T* x_sample,
                                        Index far) const {
    const Index width = op.kernel_.block;
    const Index near_taps = op.layout_.rows().kernel * op.layout_.columns().kernel;
    const Index taps = work.last_tap - work.first_tap;
    GradientProduct<T> product;
    product.wide_column = width;
    product.channel_stride = x.stride[2];
    product.lanes = work.lanes;
    product.sums_pitch = taps * width;
    for (Index unit = work.first_unit; unit < work.last_unit; ++unit) {
        const Index first = op.first_channel(unit) - work.first_channel;
        product.channels = op.first_channel(unit + 1) - op.first_channel(unit);
        const bool can_join = op.joins_ && product.channels < few_channels;
        const T* x_channels = x_sample + (work.first_channel + first) * x.stride[2];
        for (Index tap = work.first_tap; tap < work.last_tap;) {
            const Index far_tap = tap / near_taps;
            const Index end = min_index(work.last_tap, (far_tap + 1) * near_taps);
            Index offset;
            if (!locate(far, far_tap, offset)) {
                tap = end;
                continue;
            }
            while (tap < end) {
                product.sums = work.sums + (first * taps + tap - work.first_tap) * width;
                const Index joined = can_join ? op.piece_end(tap) - tap : 0;
                if (joined > product.channels) {
                    add_taps(block, x_channels + offset, tap % near_taps, tap % near_taps + joined, product,
                             taps);
                    tap += joined;
                } else {
                    add_tap(block, x_channels + offset, tap % near_taps, block.first_column,
                            block.first_column + block.columns, product);
                    ++tap;
                }
            }
        }
    }
}

// The products with zeros of the padding, where grad is not finite: NaN.
template <class T>
void DirectGradient<T>::Call::add_zeros(const Block& block, const Work& work, Index far) const {
    const Axis &row = op.layout_.rows(), &column = op.layout_.columns();
    const Index width = op.kernel_.block, taps = work.last_tap - work.first_tap;
    const T zero = T(0);
    GradientProduct<T> product;
    product.wide_row = product.wide_column = 0;
    product.scalar = &zero;
    product.channel_stride = product.row_stride = product.column_stride = 0;
    product.rows = product.columns = 1;
    product.channels = work.channels;
    product.lanes = work.lanes;
    product.sums_pitch = taps * width;
    for (Index tap = work.first_tap; tap < work.last_tap; ++tap) {
        Index offset;
        const bool is_far = !locate(far, tap / (row.kernel * column.kernel), offset);
        const Index kr = tap / column.kernel % row.kernel, kc = tap % column.kernel;
        product.sums = work.sums + (tap - work.first_tap) * width;
        for (Index r = 0; r < block.rows; ++r)
            for (Index c = 0; c < block.columns; ++c) {
                const Index at_row = (block.first_row + r) * row.stride + kr * row.dilation - row.before;
                const Index at_column =
                    (block.first_column + c) * column.stride + kc * column.dilation - column.before;
                if (!is_far && at_row >= 0 && at_row < row.in && at_column >= 0 && at_column < column.in)
                    continue;
                product.wide = block.packed + (r * block.columns + c) * width;
                op.kernel_.multiply(product);
            }
    }
}

template <class T>
void DirectGradient<T>::Call::finish(const Work& work, Index g, Index block) const {
    const Index width = op.kernel_.block, taps = work.last_tap - work.first_tap;
    T* to = static_cast<T*>(gw.data) + g * gw.stride[0] + block * width * gw.stride[1] +
            work.first_channel * gw.stride[2];
    const bool is_run = has_adjacent_taps && taps == op.taps_ && gw.stride[2] == taps;
    if (is_run || op.taps_ == 1) {
        op.kernel_.store(work.sums, work.channels * taps, work.lanes, to + tap_offset[0], gw.stride[1],
                         is_run ? 1 : gw.stride[2]);
        return;
    }
    for (Index channel = 0; channel < work.channels; ++channel, to += gw.stride[2]) {
        const T* sums = work.sums + channel * taps * width;
        if (has_adjacent_taps) {
            op.kernel_.store(sums, taps, work.lanes, to + work.first_tap, gw.stride[1], 1);
        } else {
            for (Index tap = 0; tap < taps; ++tap)
                op.kernel_.store(sums + tap * width, 1, work.lanes,
                                 to + tap_offset[static_cast<std::size_t>(work.first_tap + tap)],
                                 gw.stride[1], 1);
        }
    }
}

template <class T>
void DirectGradient<T>::Call::operator()(Index task, int worker) const {
    const Layout& layout = op.layout_;
    const std::size_t far_axes = layout.far_axes();
    const Axis &row = layout.rows(), &column = layout.columns();
    const Index width = op.kernel_.block, units = op.units();

    const Index unit_range = task % unit_ranges, tap_range = task / unit_ranges % tap_ranges;
    const Index which = task / unit_ranges / tap_ranges % blocks,
                g = task / unit_ranges / tap_ranges / blocks;
    Work work;
    work.first_unit = unit_range * units / unit_ranges;
    work.last_unit = (unit_range + 1) * units / unit_ranges;
    work.first_channel = op.first_channel(work.first_unit);
    work.channels = op.first_channel(work.last_unit) - work.first_channel;
    work.first_tap = op.first_tap(tap_range * op.pieces() / tap_ranges);
    work.last_tap = op.first_tap((tap_range + 1) * op.pieces() / tap_ranges);
    work.lanes = min_index(width, op.problem_.out_channels - which * width);
    char* own = workspace + worker * op.thread_bytes();
    T* packed = reinterpret_cast<T*>(own);
    work.sums = reinterpret_cast<T*>(own + op.panel_bytes());
    const Index count = work.channels * (work.last_tap - work.first_tap) * width;
    std::memset(work.sums, 0, static_cast<std::size_t>(count) * sizeof(T));

    Index far_outputs = 1;
    for (std::size_t a = 0; a < far_axes; ++a) far_outputs *= layout.axes[a].out;
    const Index columns = min_index(column.out, block_positions);
    const Index rows = min_index(row.out, max_index(1, block_positions / max_index(1, columns)));
    const Index row_stride = grad_spatial[far_axes], column_stride = grad_spatial[far_axes + 1];
    Block block;
    block.packed = packed;
    for (Index n = 0; n < batch; ++n)
        for (Index far = 0; far < far_outputs; ++far) {
            const T* x_sample = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1];
            const T* from = static_cast<const T*>(grad.data) + n * grad.stride[0] + g * grad.stride[1] +
                            which * width * grad.stride[2];
            Index rest = far;
            for (std::size_t a = far_axes; a-- > 0;) {
                from += rest % layout.axes[a].out * grad_spatial[a];
                rest /= layout.axes[a].out;
            }
            for (block.first_row = 0; block.first_row < row.out; block.first_row += rows)
                for (block.first_column = 0; block.first_column < column.out; block.first_column += columns) {
                    block.rows = min_index(rows, row.out - block.first_row);
                    block.columns = min_index(columns, column.out - block.first_column);
                    GradientPack<T> pack{
                        from + block.first_row * row_stride + block.first_column * column_stride,
                        grad.stride[2],
                        row_stride,
                        column_stride,
                        block.rows,
                        block.columns,
                        work.lanes,
                        packed};
                    if (row_stride == block.columns * column_stride) {
                        pack.columns *= pack.rows;
                        pack.rows = 1;
                    }
                    const bool is_finite = op.kernel_.pack(pack);
                    add_block(block, work, x_sample, far);
                    if (!is_finite && op.problem_.border == Border::zeros) add_zeros(block, work, far);
                }
        }
    finish(work, g, which);
}

template <class T>
void DirectGradient<T>::run(Index batch, const Array& x_given, const Array& grad_given, const Array& gw_given,
                            int threads) const {
    if (problem_.groups == 0 || problem_.out_channels == 0 || problem_.in_channels == 0 || taps_ == 0) return;
    if (saturating_multiply(batch, multiply_adds(problem_)) < parallel_multiply_adds) threads = 1;
    const Array &x = swaps_ ? grad_given : x_given, &grad = swaps_ ? x_given : grad_given;
    Array gw = gw_given;
    if (swaps_) std::swap(gw.stride[1], gw.stride[2]);
    const std::vector<Index> gw_spatial = layout_.spatial_strides(gw.stride);
    std::vector<Index> tap_offset(static_cast<std::size_t>(taps_));
    bool has_adjacent_taps = true;
    for (Index tap = 0; tap < taps_; ++tap) {
        Index rest = tap, place = 0;
        for (std::size_t a = layout_.axes.size(); a-- > 0;) {
            place += rest % layout_.axes[a].kernel * gw_spatial[a];
            rest /= layout_.axes[a].kernel;
        }
        tap_offset[static_cast<std::size_t>(tap)] = place;
        has_adjacent_taps &= place == tap;
    }
    const Index most_taps_of_piece = joins_ ? ceil_divide(layout_.columns().kernel, row_pieces()) : 1;
    Call call{*this,
              outputs(problem_.axes) > 0 ? batch : 0,
              x,
              grad,
              gw,
              layout_.spatial_strides(x.stride),
              layout_.spatial_strides(grad.stride),
              std::move(tap_offset),
              has_adjacent_taps,
              nullptr,
              ceil_divide(problem_.out_channels, kernel_.block),
              ceil_divide(units(), unit_limit()),
              ceil_divide(pieces(), max_index(1, tap_limit() / most_taps_of_piece))};
    const Index wanted = threads > 1 ? tasks_per_thread * threads : 1;
    auto task_count = [&] { return problem_.groups * call.blocks * call.unit_ranges * call.tap_ranges; };
    // Tasks that share out one block's products repeat its packing.
    auto part = [&](Index fewest) {
        const Index most = problem_.in_channels * taps_ / (2 * fewest);
        if (call.unit_ranges * call.tap_ranges > most) return false;
        Index& ranges = 2 * call.unit_ranges <= units() ? call.unit_ranges : call.tap_ranges;
        if (&ranges == &call.tap_ranges && 2 * call.tap_ranges > pieces()) return false;
        ranges *= 2;
        return true;
    };
    while (task_count() < wanted && part(fewest_products)) continue;
    auto idle = [&] { return ceil_divide(task_count(), threads) * threads - task_count(); };
    while (task_count() < wanted && 8 * idle() > task_count() && part(fewest_balanced_products)) continue;
    const Index tasks = task_count();
    threads = static_cast<int>(min_index(tasks, min_index(threads, thread_limit)));
    Workspace workspace(workspace_bytes(threads));
    call.workspace = workspace.data();
    parallel_for(tasks, threads, call);
}

template class DirectGradient<float>;
template class DirectGradient<double>;
template class DirectGradient<std::uint64_t>;

}  // namespace faltung
