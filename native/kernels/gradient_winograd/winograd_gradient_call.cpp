#include "kernels/gradient_winograd/winograd_gradient_call.h"

#include <cstring>

#include "core/border.h"

namespace faltung {

// Cell or output i of so many lies at first + i * step of the array's `size`; beyond `count` there are zeros.
template <class T>
struct WinogradGradient<T>::Call::Line {
    Index first, step, count, size;
    Border border;

    Line(const TiledAxis& tiled, bool is_grad, Border kind, Index phase, Index tile, Index tiles) {
        const Axis& axis = tiled.axis;
        const Index skipped = tile * tiled.tile();
        const Index halo = is_grad ? 0 : axis.kernel - 1;
        step = is_grad ? tiled.phases() : axis.dilation;
        first = phase - (is_grad ? 0 : axis.before) + skipped * step;
        size = is_grad ? axis.out : axis.in;
        count = max_index(0, min_index(tiles * tiled.tile(), tiled.phase_outputs(phase) - skipped) + halo);
        if (skipped >= tiled.phase_outputs(phase)) count = 0;
        border = is_grad ? Border::zeros : kind;
    }

    Index at(Index i) const { return i < count ? border_cell(border, first + i * step, size) : outside; }
    // The first i that is inside, or `count`, and the first after it that is not.
    Index begin() const { return min_index(count, first < 0 ? ceil_divide(-first, step) : 0); }
    Index end() const {
        return max_index(begin(), min_index(count, size > first ? ceil_divide(size - first, step) : 0));
    }
};

template <class T>
void WinogradGradient<T>::Call::pack_row(const Line& columns, const T* from, Index channel_stride,
                                         Index column_stride, Index channels, T* cells) const {
    const Index width = op.product_.block, begin = columns.begin(), end = columns.end();
    auto pack = [&](Index i, Index count, Index cell) {
        op.product_.pack({from + cell * column_stride, channel_stride, 0, column_stride * columns.step, 1,
                          count, channels, cells + i * width});
    };
    auto pack_outside = [&](Index i, Index last) {
        for (; i < last; ++i) {
            const Index cell = columns.at(i);
            if (cell != outside) {
                pack(i, 1, cell);
            } else {
                std::memset(cells + i * width, 0, static_cast<std::size_t>(width) * sizeof(T));
            }
        }
    };
    pack_outside(0, begin);
    if (begin < end) pack(begin, end - begin, columns.first + begin * columns.step);
    pack_outside(end, columns.count);
    const Index rest = op.row_pitch() - columns.count * width;
    std::memset(cells + columns.count * width, 0, static_cast<std::size_t>(rest) * sizeof(T));
}

// The cells or outputs of a unit at one far position, of a block of channels; zeros where there are none.
template <class T>
void WinogradGradient<T>::Call::pack_unit(bool is_grad, Index unit, Index far, Index channel, Index channels,
                                          T* cells) const {
    const WinogradGradientForm& form = op.form_;
    const Border border = op.problem_.border;
    const Index piece = unit % form.pieces;
    unit /= form.pieces;
    const Index column_phase = unit % form.columns.phases();
    unit /= form.columns.phases();
    const Index tile_row = unit % form.rows.tiles();
    unit /= form.rows.tiles();
    const Index row_phase = unit % form.rows.phases();
    unit /= form.rows.phases();
    const Index plane = unit % form.planes, sample = unit / form.planes;
    const Array& array = is_grad ? grad : x;
    auto stride = [&](const TiledAxis& axis) {
        return axis.origin < 0 ? 0 : array.stride[static_cast<std::size_t>(outer_axes + axis.origin)];
    };
    const T* from = static_cast<const T*>(array.data) + sample * array.stride[0] + g * array.stride[1] +
                    channel * array.stride[2];
    const Index rows = is_grad ? form.rows.tile() : form.rows.cells();
    const Index output = form.far_taps == 1 ? plane : far;
    if (is_grad) {
        from += form.far_offset(output, false, array.stride);
    } else {
        const Index cell = form.far_taps == 1 ? form.far_cell(border, plane, 0) : far;
        if (cell == outside) {
            std::memset(cells, 0, static_cast<std::size_t>(rows * op.row_pitch()) * sizeof(T));
            return;
        }
        from += form.cell_offset(cell, array.stride);
    }
    const Line down(form.rows, is_grad, border, row_phase, tile_row, 1);
    const Line along(form.columns, is_grad, border, column_phase, piece * form.piece, form.piece);
    for (Index r = 0; r < rows; ++r, cells += op.row_pitch()) {
        const Index row = along.count > 0 ? down.at(r) : outside;
        if (row == outside) {
            std::memset(cells, 0, static_cast<std::size_t>(op.row_pitch()) * sizeof(T));
        } else {
            pack_row(along, from + row * stride(form.rows), array.stride[2], stride(form.columns), channels,
                     cells);
        }
    }
}

template <class T>
void WinogradGradient<T>::Call::transform(Index task, int worker) const {
    const WinogradGradientForm& form = op.form_;
    const Index width = op.product_.block, all_outputs = op.out_blocks() * form.far_outputs;
    const Index each = all_outputs + op.in_blocks() * form.far_cells;
    const Index unit = task / each;
    const bool is_grad = task % each < all_outputs;
    const Index which = is_grad ? task % each : task % each - all_outputs;
    const Index blocks = is_grad ? op.out_blocks() : op.in_blocks();
    const Index block = which % blocks, far = which / blocks;
    const Index all = is_grad ? op.problem_.out_channels : op.problem_.in_channels;
    const Index lanes = min_index(width, all - block * width);
    T* cells = scratch_of(worker);
    pack_unit(is_grad, first_unit + unit, far, block * width, lanes, cells);
    GradientTransform<T> transform;
    transform.cells = cells;
    transform.row_pitch = op.row_pitch();
    transform.tiles = form.piece;
    transform.lanes = lanes;
    transform.points = (is_grad ? grad_points(block) : x_points(block)) + unit * unit_elements(is_grad) +
                       far * form.piece * width;
    transform.point_pitch = most_units * unit_elements(is_grad);
    (is_grad ? op.kernel_.transform_grad : op.kernel_.transform_input)(transform);
}

template <class T>
void WinogradGradient<T>::Call::multiply(Index number, Index first_point, Index last_point, T* to) const {
    const WinogradGradientForm& form = op.form_;
    const Index width = op.product_.block, pair = number / form.far_taps;
    const Index out_block = pair / op.in_blocks(), in_block = pair % op.in_blocks();
    const Index wide_unit = unit_elements(true), scalar_unit = unit_elements(false);
    const Index wide_cell = form.piece * width, size = width * width;
    GradientProduct<T> product;
    product.wide_column = width;
    product.channel_stride = 1;
    product.column_stride = width;
    product.channels = min_index(width, op.problem_.in_channels - in_block * width);
    product.lanes = min_index(width, op.problem_.out_channels - out_block * width);
    product.sums_pitch = width;
    for (Index point = first_point; point < last_point; ++point) {
        const T* wide = grad_points(out_block) + point * most_units * wide_unit;
        const T* scalar = x_points(in_block) + point * most_units * scalar_unit;
        product.sums = to + point * size;
        if (first_unit == 0) std::memset(product.sums, 0, static_cast<std::size_t>(size) * sizeof(T));
        for (const FarRun& run : op.runs_[static_cast<std::size_t>(number % form.far_taps)]) {
            const bool is_joined = run.step == 1;  // neighbours on both sides: one row of tiles
            product.wide_row = is_joined ? wide_unit : wide_cell;
            product.row_stride = is_joined ? scalar_unit : run.step * wide_cell;
            product.rows = is_joined ? units : run.count;
            product.columns = is_joined ? run.count * form.piece : form.piece;
            for (Index unit = 0; unit < (is_joined ? 1 : units); ++unit) {
                product.wide = wide + run.first * wide_cell + unit * wide_unit;
                product.scalar = scalar + run.cell * wide_cell + unit * scalar_unit;
                op.product_.multiply(product);
            }
        }
    }
}

template <class T>
void WinogradGradient<T>::Call::transform_back(Index number, const T* from, T* taps) const {
    const WinogradGradientForm& form = op.form_;
    const Index width = op.product_.block, pair = number / form.far_taps;
    const Index out_block = pair / op.in_blocks(), in_block = pair % op.in_blocks();
    const Index channels = min_index(width, op.problem_.in_channels - in_block * width);
    const Index lanes = min_index(width, op.problem_.out_channels - out_block * width);
    const Index count = form.taps(), columns = form.columns.axis.kernel;
    for (Index channel = 0; channel < channels; ++channel)
        op.kernel_.transform_sums(from + channel * width, width * width, lanes,
                                  taps + channel * count * width);
    auto stride = [&](const TiledAxis& axis) {
        return axis.origin < 0 ? 0 : gw.stride[static_cast<std::size_t>(outer_axes + axis.origin)];
    };
    const Index down = stride(form.rows), along = stride(form.columns);
    T* to = static_cast<T*>(gw.data) + g * gw.stride[0] + out_block * width * gw.stride[1] +
            in_block * width * gw.stride[2] + form.far_offset(number % form.far_taps, true, gw.stride);
    const bool has_adjacent_taps =
        (columns == 1 || along == 1) && (form.rows.axis.kernel == 1 || down == columns);
    if (has_adjacent_taps && gw.stride[2] == count) {
        op.product_.store(taps, channels * count, lanes, to, gw.stride[1], 1);
        return;
    }
    for (Index channel = 0; channel < channels; ++channel)
        for (Index tap = 0; tap < count; ++tap)
            op.product_.store(taps + (channel * count + tap) * width, 1, lanes,
                              to + channel * gw.stride[2] + tap / columns * down + tap % columns * along,
                              gw.stride[1], 1);
}

template struct WinogradGradient<float>::Call;
template struct WinogradGradient<double>::Call;

}  // namespace faltung
