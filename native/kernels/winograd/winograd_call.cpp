#include "kernels/winograd/winograd_call.h"

#include <cstring>

#include "core/border.h"
#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 4;

// Weights that one call alone uses are transformed anew for each of so many blocks of tiles; for more, once,
// to memory, if they are few.
constexpr Index few_tile_blocks = 2, most_tile_blocks = 6;
constexpr Index few_weight_bytes = Index(4) << 20;

// The first j with first + j * step >= position.
Index first_from(Index first, Index step, Index position) {
    if (position <= first) return 0;
    return step == 1 ? position - first : ceil_divide(position - first, step);
}

// One past the last cell that an output meets. Tiles reach further, and what no output meets must not take
// part: a large number there would drown the outputs beside it in its rounding.
Index met_end(const Axis& axis) {
    return (axis.out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1 - axis.before;
}

}  // namespace

template <class T>
typename WinogradCorrelation<T>::Call::Place WinogradCorrelation<T>::Call::place(Index rest) const {
    Place at;
    at.tiles = block;
    at.first_column = rest % column_blocks * block.columns;
    rest /= column_blocks;
    at.first_row = rest % row_blocks * block.rows;
    rest /= row_blocks;
    for (std::size_t a = op.layout_.far_axes(); a-- > 0;) {
        at.far[a] = rest % op.layout_.axes[a].out;
        rest /= op.layout_.axes[a].out;
    }
    at.group = rest % op.problem_.groups;
    at.first_unit = rest / op.problem_.groups * block.units;
    at.tiles.units = min_index(block.units, batch * op.phases() - at.first_unit);
    at.tiles.rows = min_index(block.rows, op.tile_rows() - at.first_row);
    at.tiles.columns = min_index(block.columns, op.tile_columns() - at.first_column);
    return at;
}

template <class T>
typename WinogradCorrelation<T>::Call::Unit WinogradCorrelation<T>::Call::unit(Index number) const {
    if (op.phases() == 1) return {number, 0, 0};
    const Index columns = op.column_phases(), phase = number % op.phases();
    return {number / op.phases(), phase / columns, phase % columns};
}

template <class T>
typename WinogradCorrelation<T>::Call::Source WinogradCorrelation<T>::Call::locate_columns(const Place& at,
                                                                                           const Unit& unit,
                                                                                           char* own) const {
    const Axis& axis = op.layout_.columns();
    const Border border = op.problem_.border;
    const Index apart = op.column_step(), step = x_spatial.back();
    Source source;
    source.slots = op.block_slots(at.tiles);
    source.width = op.block_columns(at.tiles);
    source.pitch = source.width + op.kernel_.lanes;
    source.row = reinterpret_cast<Index*>(own + parts.tables);
    source.gathered_row = source.row + source.slots;
    source.column = source.gathered_row + source.slots;
    source.gathered = reinterpret_cast<T*>(own + parts.gathered);
    const Index first = at.first_column * op.form_.columns * apart + unit.column_phase - axis.before;
    source.first = first * step;
    source.step = apart * step;
    source.begin = min_index(source.width, first_from(first, apart, 0));
    const Index met = met_end(axis), end = min_index(axis.in, met);
    source.end = max_index(source.begin, min_index(source.width, first_from(first, apart, end)));
    const bool is_zero_outside = border == Border::zeros || border == Border::absent;
    source.is_in_place =
        source.step == 1 && (is_zero_outside || (source.begin == 0 && source.end == source.width));
    if (source.is_in_place) return source;
    for (Index slot = 0; slot < source.slots; ++slot) source.gathered_row[slot] = slot * source.pitch;
    for (Index j = 0; j < source.width; ++j) {
        const Index position = first + j * apart;
        const Index cell = position < met ? border_cell(border, position, axis.in) : outside;
        source.column[j] = cell == outside ? absent_row : cell * step;
    }
    return source;
}

template <class T>
void WinogradCorrelation<T>::Call::locate_rows(const Place& at, const Unit& unit, Index tap,
                                               const Source& source) const {
    const Layout& layout = op.layout_;
    const Border border = op.problem_.border;
    const std::size_t far_axes = layout.far_axes();
    const Axis& rows = layout.rows();
    const Index row_tap = tap % op.row_taps(), apart = op.row_step();
    Index rest = tap / op.row_taps(), base = source.is_in_place ? source.first : 0;
    bool is_absent = false;
    for (std::size_t a = far_axes; a-- > 0;) {
        const Axis& axis = layout.axes[a];
        const Index position = at.far[a] * axis.stride + rest % axis.kernel * axis.dilation - axis.before;
        rest /= axis.kernel;
        const Index cell = border_cell(border, position, axis.in);
        is_absent |= cell == outside;
        base += cell * x_spatial[a];
    }
    for (Index slot = 0; slot < source.slots; ++slot) {
        const Index position = op.form_.rows > 1
                                   ? (at.first_row * op.form_.rows + slot) * apart + unit.row_phase
                                   : (at.first_row + slot) * rows.stride + row_tap * rows.dilation;
        const Index cell = position - rows.before < met_end(rows)
                               ? border_cell(border, position - rows.before, rows.in)
                               : outside;
        source.row[slot] = is_absent || cell == outside ? absent_row : base + cell * x_spatial[far_axes];
    }
}

template <class T>
void WinogradCorrelation<T>::Call::gather(const Source& source, const T* from) const {
    for (Index slot = 0; slot < source.slots; ++slot) {
        T* to = source.gathered + source.gathered_row[slot];
        if (source.row[slot] == absent_row) {
            std::memset(to, 0, static_cast<std::size_t>(source.width) * sizeof(T));
            continue;
        }
        const T* row = from + source.row[slot];
        const auto take = [&](Index first, Index last) {
            for (Index j = first; j < last; ++j)
                to[j] = source.column[j] == absent_row ? T(0) : row[source.column[j]];
        };
        if (source.begin == source.end) {
            take(0, source.width);
            continue;
        }
        take(0, source.begin);
        const Index inside = source.end - source.begin, step = source.step;
        const T* const run = row + source.column[source.begin];
        if (step == 1) {
            std::memcpy(to + source.begin, run, static_cast<std::size_t>(inside) * sizeof(T));
        } else {
            for (Index j = 0; j < inside; ++j) to[source.begin + j] = run[j * step];
        }
        take(source.end, source.width);
    }
}

// Terms `first_term` up to `last_term` of a block of tiles.
template <class T>
void WinogradCorrelation<T>::Call::transform(const Place& at, char* v, char* own) const {
    const Index in_channels = op.problem_.in_channels;
    WinogradInput<T> input;
    input.channel_stride = x.stride[2];
    input.tile_rows = at.tiles.rows;
    input.tile_columns = at.tiles.columns;
    input.tile_pitch = op.kernel_.tile_pitch(at.tiles.columns);
    input.term_pitch = op.kernel_.term_pitch(at.tiles.units * at.tiles.rows, at.tiles.columns);
    input.point_pitch = op.v_pitch(at.tiles);
    input.scratch = reinterpret_cast<T*>(own + parts.scratch);

    for (Index u = 0; u < at.tiles.units; ++u) {
        const Unit here = unit(at.first_unit + u);
        const Source source = locate_columns(at, here, own);
        input.row = source.is_in_place ? source.row : source.gathered_row;
        input.begin = source.is_in_place ? source.begin : 0;
        input.end = source.is_in_place ? source.end : source.pitch;
        const T* const x_group =
            static_cast<const T*>(x.data) + here.sample * x.stride[0] + at.group * x.stride[1];
        T* const v_unit = reinterpret_cast<T*>(v) + u * at.tiles.rows * input.tile_pitch;
        for (Index tap = 0; tap * in_channels < op.terms_; ++tap) {
            locate_rows(at, here, tap, source);
            input.v = v_unit + tap * in_channels * input.term_pitch;
            if (source.is_in_place) {
                input.x = x_group;
                input.channels = in_channels;
                op.kernel_.transform_input(input);
                continue;
            }
            input.x = source.gathered;
            input.channels = 1;
            for (Index ic = 0; ic < in_channels; ++ic, input.v += input.term_pitch) {
                gather(source, x_group + ic * x.stride[2]);
                op.kernel_.transform_input(input);
            }
        }
    }
}

template <class T>
Index WinogradCorrelation<T>::Call::channels_of(Index channel_block) const {
    const Index width = op.kernel_.channel_block;
    return min_index(width, op.problem_.out_channels - channel_block * width);
}

template <class T>
WinogradOutput<T> WinogradCorrelation<T>::Call::output_of(const Place& at, Index unit_number,
                                                          Index channel_block) const {
    const std::size_t far_axes = op.layout_.far_axes();
    const WinogradForm form = op.form_;
    const Axis &rows = op.layout_.rows(), &columns = op.layout_.columns();
    const Index row_step = op.row_step(), column_step = op.column_step();
    const Unit here = unit(at.first_unit + unit_number);
    const Index first_row = at.first_row * form.rows, first_column = at.first_column * form.columns;
    const Index first_channel = channel_block * op.kernel_.channel_block;
    WinogradOutput<T> output;
    output.m_pitch = op.m_pitch(at.tiles);
    output.tile_columns = at.tiles.columns;
    output.y_channel_stride = y.stride[2];
    output.y_row_stride = y_spatial[far_axes] * row_step;
    output.y_column_stride = y_spatial[far_axes + 1] * column_step;
    const auto within = [](Index tiles, Index outputs, Index first, Index phase, Index step, Index all) {
        return max_index(0, min_index(tiles * outputs, first_from(phase, step, all) - first));
    };
    output.rows = within(at.tiles.rows, form.rows, first_row, here.row_phase, row_step, rows.out);
    output.columns =
        within(at.tiles.columns, form.columns, first_column, here.column_phase, column_step, columns.out);
    output.channels = channels_of(channel_block);
    output.accumulates = accumulates;
    const T* const bias = static_cast<const T*>(epilogue.bias);
    output.bias = bias ? bias + at.group * op.problem_.out_channels + first_channel : nullptr;
    output.y = static_cast<T*>(y.data) + here.sample * y.stride[0] + at.group * y.stride[1] +
               first_channel * y.stride[2] + (first_row * row_step + here.row_phase) * y_spatial[far_axes] +
               (first_column * column_step + here.column_phase) * y_spatial[far_axes + 1];
    for (std::size_t a = 0; a < far_axes; ++a) output.y += at.far[a] * y_spatial[a];
    return output;
}

template <class T>
WinogradProduct<T> WinogradCorrelation<T>::Call::product_of(const Place& at) const {
    WinogradProduct<T> product;
    product.terms = op.terms_;
    product.tile_rows = at.tiles.units * at.tiles.rows;
    product.tile_columns = at.tiles.columns;
    product.tile_pitch = op.kernel_.tile_pitch(at.tiles.columns);
    product.term_pitch = op.kernel_.term_pitch(product.tile_rows, at.tiles.columns);
    product.continues = false;
    return product;
}

// Channels and rows of the output lie far apart. While products keep the processor busy, their lines arrive:
// from point to point those of the next unit, or of the next rows of the only one.
template <class T>
void WinogradCorrelation<T>::Call::prefetch_outputs(const Place& at, Index channel_block, Index point,
                                                    const WinogradOutput<T>& only) const {
    if (y_spatial.back() * op.column_step() != 1) return;
    constexpr Index line = workspace_alignment / Index(sizeof(T));
    const Index points = op.form_.points(), units = at.tiles.units;
    const auto prefetch = [&](const WinogradOutput<T>& output, const T* first, Index begin, Index end) {
        Index channel = begin / output.rows, row = begin % output.rows;
        for (Index i = begin; i < end; ++i) {
            const T* const from = first + channel * output.y_channel_stride + row * output.y_row_stride;
            for (Index column = 0; column < output.columns; column += line)
                __builtin_prefetch(from + column, 1, 2);
            if (++row == output.rows) row = 0, ++channel;
        }
    };
    if (units == 1) {
        if (only.rows == 0) return;
        const Index rows = channels_of(channel_block) * only.rows;
        prefetch(only, only.y + channel_block * op.kernel_.channel_block * y.stride[2], point * rows / points,
                 (point + 1) * rows / points);
        return;
    }
    for (Index u = point * units / points; u < (point + 1) * units / points; ++u) {
        const WinogradOutput<T> output = output_of(at, u, channel_block);
        if (output.rows > 0) prefetch(output, output.y, 0, output.channels * output.rows);
    }
}

template <class T>
void WinogradCorrelation<T>::Call::store(const Place& at, Index channel_block, const T* m) const {
    for (Index u = 0; u < at.tiles.units; ++u, m += at.tiles.tiles() * op.kernel_.channel_block) {
        WinogradOutput<T> output = output_of(at, u, channel_block);
        output.m = m;
        op.kernel_.transform_output(output);
        epilogue.finish(output.y, output.channels, output.y_channel_stride, output.rows, output.y_row_stride,
                        output.columns, output.y_column_stride);
    }
}

template <class T>
void WinogradCorrelation<T>::Call::multiply(const Place& at, Index first_block, Index last_block,
                                            const char* v, char* own) const {
    const Index points = op.form_.points(), v_pitch = op.v_pitch(at.tiles), m_pitch = op.m_pitch(at.tiles);
    const auto products_of = [&](Index b) { return products(own) + (b - first_block) * points * m_pitch; };
    const auto weights_of = [&](Index point, Index b) {
        return packed + (at.group * op.channel_blocks() + b) * op.packed_block() + point * op.packed_panel();
    };
    WinogradProduct<T> product = product_of(at);
    const WinogradOutput<T> first = output_of(at, 0, 0);
    for (Index point = 0; point < points; ++point)
        for (Index b = first_block; b < last_block; ++b) {
            prefetch_outputs(at, b, point, first);
            const bool is_last = b + 1 == last_block;
            product.u = weights_of(point, b);
            product.next = is_last && point + 1 == points
                               ? product.u
                               : weights_of(point + is_last, is_last ? first_block : b + 1);
            product.v = reinterpret_cast<const T*>(v) + point * v_pitch;
            product.next_v = product.v + (is_last && point + 1 < points ? v_pitch : 0);
            product.m = products_of(b) + point * m_pitch;
            product.channels = channels_of(b);
            op.kernel_.multiply(product);
        }
    for (Index b = first_block; b < last_block; ++b) store(at, b, products_of(b));
}

// Some terms' weights at a time, so that they stay in L2.
template <class T>
void WinogradCorrelation<T>::Call::transform_and_multiply(const Place& at, Index channel_block, const char* v,
                                                          char* own) const {
    const Index points = op.form_.points(), v_pitch = op.v_pitch(at.tiles), m_pitch = op.m_pitch(at.tiles);
    const Index most = op.terms_at_once(), u_pitch = op.u_pitch();
    T* const u = reinterpret_cast<T*>(own + parts.u);
    WinogradProduct<T> product = product_of(at);
    product.channels = channels_of(channel_block);
    const WinogradOutput<T> first = output_of(at, 0, 0);
    for (Index term = 0; term < op.terms_; term += most) {
        const Index last = min_index(op.terms_, term + most);
        op.transform_weights(*weight, at.group, channel_block, term, last, u, u_pitch);
        product.terms = last - term;
        product.continues = term > 0;
        for (Index point = 0; point < points; ++point) {
            if (last == op.terms_) prefetch_outputs(at, channel_block, point, first);
            product.u = u + point * u_pitch;
            product.next = point + 1 < points ? product.u + u_pitch : product.u;
            product.v = reinterpret_cast<const T*>(v) + point * v_pitch + term * product.term_pitch;
            product.next_v = product.v + (point + 1 < points ? v_pitch : 0);
            product.m = products(own) + point * m_pitch;
            op.kernel_.multiply(product);
        }
    }
    store(at, channel_block, products(own));
}

template <class T>
void WinogradCorrelation<T>::Call::operator()(Index task, int worker) {
    const Index chunk = task % channel_chunks, tiles = task / channel_chunks;
    const Place at = place(tiles);
    char* const own = workspace + worker * parts.end;
    char* const v = own + parts.v;
    Index& transformed = transformed_by_worker[static_cast<std::size_t>(worker)];
    if (transformed != tiles) transform(at, v, own);
    transformed = tiles;
    const Index first_block = chunk * block.channel_blocks;
    const Index last_block = min_index(first_block + block.channel_blocks, op.channel_blocks());
    if (packed) {
        multiply(at, first_block, last_block, v, own);
    } else {
        for (Index b = first_block; b < last_block; ++b) transform_and_multiply(at, b, v, own);
    }
}

template <class T>
void WinogradCorrelation<T>::Call::share_out(int threads) {
    const Index units = batch * op.phases();
    block.units = min_index(block.units, units);
    unit_blocks = ceil_divide(units, block.units);
    for (std::size_t a = 0; a < op.layout_.far_axes(); ++a) far_outputs *= op.layout_.axes[a].out;
    row_blocks = ceil_divide(op.tile_rows(), block.rows);
    column_blocks = ceil_divide(op.tile_columns(), block.columns);
    channel_chunks = ceil_divide(op.channel_blocks(), block.channel_blocks);
    if (threads > 1 && task_count() < tasks_per_thread * threads) {
        channel_chunks =
            min_index(op.channel_blocks(), ceil_divide(tasks_per_thread * threads, tile_blocks()));
        block.channel_blocks = ceil_divide(op.channel_blocks(), channel_chunks);
        channel_chunks = ceil_divide(op.channel_blocks(), block.channel_blocks);
    }
    if (0 < task_count() && task_count() < threads) {  // few output channels: blocks of tiles are cut
        const Index cuts = row_blocks * ceil_divide(threads, task_count());
        block.rows = max_index(1, ceil_divide(op.tile_rows(), cuts));
        row_blocks = ceil_divide(op.tile_rows(), block.rows);
    }
}

template <class T>
void WinogradCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                 const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    const Index work = saturating_multiply(batch, multiply_adds(problem_));
    threads = work < parallel_multiply_adds ? 1 : most_threads(threads);

    Head head;
    std::memcpy(&head, packed, sizeof head);
    Array weight{const_cast<void*>(head.weight), {}};
    if (head.weight) {
        weight.stride.resize(outer_axes + problem_.axes.size());
        std::memcpy(weight.stride.data(), static_cast<const char*>(packed) + sizeof head,
                    weight.stride.size() * sizeof(Index));
    }
    const T* transformed =
        head.weight ? nullptr : reinterpret_cast<const T*>(static_cast<const char*>(packed) + head_bytes());
    Call call{*this,
              batch,
              x,
              y,
              transformed,
              &weight,
              epilogue,
              accumulate,
              layout_.spatial_strides(x.stride),
              layout_.spatial_strides(y.stride),
              block_,
              {}};
    call.share_out(threads);
    const Index blocks = call.tile_blocks();
    const bool transforms_first = !transformed && blocks > few_tile_blocks &&
                                  transformed_bytes() <= workspace_limit() &&
                                  (blocks > most_tile_blocks || transformed_bytes() < few_weight_bytes);
    const bool transforms = !transformed && !transforms_first;
    const Index tasks = call.task_count();
    const int wanted = threads;
    threads = static_cast<int>(min_index(tasks, threads));
    call.parts = parts(call.block, transforms);
    call.transformed_by_worker.assign(static_cast<std::size_t>(threads), -1);
    const Index u_begin = call.parts.end * threads;
    Workspace workspace(u_begin + (transforms_first ? transformed_bytes() : 0));
    call.workspace = workspace.data();
    if (transforms_first) {
        T* const u = reinterpret_cast<T*>(workspace.data() + u_begin);
        transform_weights(weight, u, wanted);
        call.packed = u;
    }
    parallel_for(tasks, threads, call);
}

template void WinogradCorrelation<float>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                              bool, int) const;
template void WinogradCorrelation<double>::run(Index, const Array&, const void*, const Epilogue&,
                                               const Array&, bool, int) const;

}  // namespace faltung
