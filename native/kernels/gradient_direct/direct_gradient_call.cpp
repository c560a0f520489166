// What a task of a call adds to its weights' sums, block by block of outputs.
#include "kernels/gradient_direct/direct_gradient_call.h"

#include <cstring>

#include "core/border.h"
#include "core/interruption.h"

namespace faltung {

namespace {

constexpr Index most_rows_ahead = 8;  // at a time: a core has few requests under way

}

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
            GradientProduct<T> ordered = product;
            if (product.samples > product.rows * product.columns) {
                // The longest loop is the innermost.
                ordered.samples = product.rows;
                ordered.wide_sample = product.wide_row;
                ordered.scalar_sample = product.row_stride;
                ordered.rows = product.columns;
                ordered.wide_row = product.wide_column;
                ordered.row_stride = product.column_stride;
                ordered.columns = product.samples;
                ordered.wide_column = product.wide_sample;
                ordered.column_stride = product.scalar_sample;
                ordered.scalars_ahead = 0;
            } else if (product.columns == block.columns &&
                       product.row_stride == product.columns * product.column_stride) {
                ordered.columns *= product.rows;
                ordered.rows = 1;
            }
            if (ordered.rows != 1) ordered.scalars_ahead = 0;
            op.kernel_.multiply(ordered);
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

// What the next block packs is asked for while this one is multiplied; where both sides lie behind one
// another by the products themselves, together with what they will meet, otherwise between them.
template <class T>
void DirectGradient<T>::Call::look_ahead(Block& block, const Work& work, const T* grad_sample,
                                         bool is_last) const {
    const Layout& layout = op.layout_;
    const Axis &row = layout.rows(), &column = layout.columns();
    block.next_grad = nullptr;
    block.grad_rows = {};
    if (grad_spatial[layout.far_axes() + 1] != 1) return;
    const bool is_product = op.taps_ == 1 && row.stride == 1 && column.stride == 1 && layout.far_axes() == 0;
    if (!is_product || x_spatial[1] != 1) {
        const Index next = block.first_row + block.rows, row_stride = grad_spatial[layout.far_axes()];
        const Index pieces =
            op.joins_ ? ceil_divide(op.pieces(), tap_ranges) : work.last_tap - work.first_tap;
        if (block.columns == column.out && next < row.out)
            block.grad_rows =
                RowsAhead(grad_sample + next * row_stride, work.lanes, grad.stride[2] * Index(sizeof(T)),
                          min_index(block.rows, row.out - next), row_stride * Index(sizeof(T)),
                          column.out * Index(sizeof(T)), (work.last_unit - work.first_unit) * pieces);
        return;
    }
    Index next_row = block.first_row, next_column = block.first_column + block.columns;
    if (next_column == column.out) next_column = 0, next_row += block.rows;
    const Index samples = next_row == row.out ? block.samples : 0;
    if (samples > 0 && is_last) return;
    if (samples > 0) next_row = 0;
    const Index rows = next_row - block.first_row, columns = next_column - block.first_column;
    block.x_ahead = rows * x_spatial[0] + columns + samples * x.stride[0];
    block.next_grad = grad_sample + next_row * grad_spatial[0] + next_column + samples * grad.stride[0];
}

template <class T>
void DirectGradient<T>::Call::add_block(Block& block, const Work& work, const T* x_sample, Index far) const {
    const Index width = op.kernel_.block;
    const Index near_taps = op.layout_.rows().kernel * op.layout_.columns().kernel;
    const Index taps = work.last_tap - work.first_tap;
    GradientProduct<T> product;
    product.wide_column = width;
    product.samples = block.samples;
    product.wide_sample = block.rows * block.columns * width;
    product.scalar_sample = x.stride[0];
    product.channel_stride = x.stride[2];
    product.lanes = work.lanes;
    product.sums_pitch = taps * width;
    for (Index unit = work.first_unit; unit < work.last_unit; ++unit) {
        const Index first = op.first_channel(unit) - work.first_channel;
        product.channels = op.first_channel(unit + 1) - op.first_channel(unit);
        if (block.next_grad) {
            const Index units = work.last_unit - work.first_unit;
            const Index rows = min_index(ceil_divide(work.lanes, units), most_rows_ahead);
            const Index first_row = min_index((unit - work.first_unit) * rows, work.lanes);
            product.scalars_ahead = block.x_ahead;
            product.next = block.next_grad + first_row * grad.stride[2];
            product.next_stride = grad.stride[2];
            product.next_sample = grad.stride[0];
            product.next_rows = min_index(rows, work.lanes - first_row);
        }
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
                block.grad_rows.fetch();
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
        for (Index place = 0; place < block.samples * block.rows; ++place)
            for (Index c = 0; c < block.columns; ++c) {
                const Index r = place % block.rows;
                const Index at_row = (block.first_row + r) * row.stride + kr * row.dilation - row.before;
                const Index at_column =
                    (block.first_column + c) * column.stride + kc * column.dilation - column.before;
                if (!is_far && at_row >= 0 && at_row < row.in && at_column >= 0 && at_column < column.in)
                    continue;
                product.wide = block.packed + (place * block.columns + c) * width;
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
    const Index columns = min_index(column.out, op.block_positions());
    const Index rows = min_index(row.out, max_index(1, op.block_positions() / max_index(1, columns)));
    const Index row_stride = grad_spatial[far_axes], column_stride = grad_spatial[far_axes + 1];
    Block block;
    block.packed = packed;
    const bool is_whole = rows == row.out && columns == column.out;
    const Index most_samples =
        is_whole ? max_index(1, op.block_positions() / max_index(1, rows * columns)) : 1;
    for (Index n = 0; n < batch; n += most_samples) {
        block.samples = min_index(most_samples, batch - n);
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
                    if (is_interrupted()) return;
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
                    look_ahead(block, work, from, n + block.samples == batch);
                    bool is_finite = true;
                    for (Index sample = 0; sample < block.samples; ++sample) {
                        is_finite &= op.kernel_.pack(pack);
                        pack.from += grad.stride[0];
                        pack.to += block.rows * block.columns * width;
                    }
                    add_block(block, work, x_sample, far);
                    if (!is_finite && op.problem_.border == Border::zeros) add_zeros(block, work, far);
                }
        }
    }
    finish(work, g, which);
}

template void DirectGradient<float>::Call::operator()(Index, int) const;
template void DirectGradient<double>::Call::operator()(Index, int) const;
template void DirectGradient<std::uint64_t>::Call::operator()(Index, int) const;

}  // namespace faltung
