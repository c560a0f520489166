#include "kernels/winograd/winograd_call.h"

#include <cstring>

#include "core/border.h"
#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 4;

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
    at.sample = rest / op.problem_.groups * block.samples;
    at.tiles.samples = min_index(block.samples, batch - at.sample);
    at.tiles.rows = min_index(block.rows, op.tile_rows() - at.first_row);
    at.tiles.columns = min_index(block.columns, op.tile_columns() - at.first_column);
    return at;
}

template <class T>
typename WinogradCorrelation<T>::Call::Source WinogradCorrelation<T>::Call::locate_columns(const Place& at,
                                                                                           char* own) const {
    const Axis& axis = op.layout_.columns();
    const Border border = op.problem_.border;
    const Index step = x_spatial.back();
    Source source;
    source.slots = op.block_slots(at.tiles);
    source.width = op.block_columns(at.tiles);
    source.pitch = source.width + op.kernel_.lanes;
    source.row = reinterpret_cast<Index*>(own + parts.tables);
    source.gathered_row = source.row + source.slots;
    source.column = source.gathered_row + source.slots;
    source.gathered = reinterpret_cast<T*>(own + parts.gathered);
    const Index first = at.first_column * op.form_.columns - axis.before;
    source.first = first * step;
    source.begin = min_index(source.width, max_index(0, -first));
    source.end = max_index(source.begin, min_index(source.width, axis.in - first));
    const bool is_zero_outside = border == Border::zeros || border == Border::absent;
    source.is_in_place = step == 1 && (is_zero_outside || (source.begin == 0 && source.end == source.width));
    if (source.is_in_place) return source;
    for (Index slot = 0; slot < source.slots; ++slot) source.gathered_row[slot] = slot * source.pitch;
    for (Index j = 0; j < source.width; ++j) {
        const Index cell = border_cell(border, first + j, axis.in);
        source.column[j] = cell == outside ? absent_row : cell * step;
    }
    return source;
}

template <class T>
void WinogradCorrelation<T>::Call::locate_rows(const Place& at, Index tap, const Source& source) const {
    const Layout& layout = op.layout_;
    const Border border = op.problem_.border;
    const std::size_t far_axes = layout.far_axes();
    const Axis& rows = layout.rows();
    const Index row_tap = tap % op.row_taps();
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
                                   ? at.first_row * op.form_.rows + slot
                                   : (at.first_row + slot) * rows.stride + row_tap * rows.dilation;
        const Index cell = border_cell(border, position - rows.before, rows.in);
        source.row[slot] = is_absent || cell == outside ? absent_row : base + cell * x_spatial[far_axes];
    }
}

template <class T>
void WinogradCorrelation<T>::Call::gather(const Source& source, const T* from) const {
    const bool is_run = x_spatial.back() == 1;
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
        if (!is_run || source.begin == source.end) {
            take(0, source.width);
            continue;
        }
        take(0, source.begin);
        std::memcpy(to + source.begin, row + source.column[source.begin],
                    static_cast<std::size_t>(source.end - source.begin) * sizeof(T));
        take(source.end, source.width);
    }
}

template <class T>
void WinogradCorrelation<T>::Call::transform(const Place& at, char* own) const {
    const Source source = locate_columns(at, own);
    WinogradInput<T> input;
    input.x = source.gathered;
    input.channel_stride = x.stride[2];
    input.channels = source.is_in_place ? op.problem_.in_channels : 1;
    input.row = source.is_in_place ? source.row : source.gathered_row;
    input.begin = source.is_in_place ? source.begin : 0;
    input.end = source.is_in_place ? source.end : source.pitch;
    input.tile_rows = at.tiles.rows;
    input.tile_columns = at.tiles.columns;
    input.tile_pitch = op.kernel_.tile_pitch(at.tiles.columns);
    input.point_pitch = op.v_pitch(at.tiles);
    input.scratch = reinterpret_cast<T*>(own + parts.scratch);
    const Index term = at.tiles.rows * input.tile_pitch;

    for (Index s = 0; s < at.tiles.samples; ++s) {
        const T* const x_group =
            static_cast<const T*>(x.data) + (at.sample + s) * x.stride[0] + at.group * x.stride[1];
        input.v = reinterpret_cast<T*>(own + parts.v) + s * op.form_.points() * input.point_pitch;
        for (Index tap = 0; tap < op.far_taps_; ++tap) {
            locate_rows(at, tap, source);
            if (source.is_in_place) {
                input.x = x_group;
                op.kernel_.transform_input(input);
                input.v += op.problem_.in_channels * term;
                continue;
            }
            for (Index ic = 0; ic < op.problem_.in_channels; ++ic, input.v += term) {
                gather(source, x_group + ic * x.stride[2]);
                op.kernel_.transform_input(input);
            }
        }
    }
}

template <class T>
void WinogradCorrelation<T>::Call::multiply(const Place& at, Index first_block, Index last_block,
                                            char* own) const {
    const Problem& problem = op.problem_;
    const WinogradForm form = op.form_;
    const std::size_t far_axes = op.layout_.far_axes();
    const Index width = op.kernel_.channel_block, points = form.points(), samples = at.tiles.samples;
    const Index v_pitch = op.v_pitch(at.tiles), m_pitch = op.m_pitch(at.tiles);
    const auto channels_of = [&](Index b) { return min_index(width, problem.out_channels - b * width); };

    WinogradOutput<T> output;
    output.m_pitch = m_pitch;
    output.tile_columns = at.tiles.columns;
    output.y_channel_stride = y.stride[2];
    output.y_row_stride = y_spatial[far_axes];
    output.y_column_stride = y_spatial[far_axes + 1];
    const Index first_row = at.first_row * form.rows, first_column = at.first_column * form.columns;
    output.rows = min_index(at.tiles.rows * form.rows, op.layout_.rows().out - first_row);
    output.columns = min_index(at.tiles.columns * form.columns, op.layout_.columns().out - first_column);
    output.accumulates = accumulates;
    T* y_tiles = static_cast<T*>(y.data) + at.sample * y.stride[0] + at.group * y.stride[1] +
                 first_row * output.y_row_stride + first_column * output.y_column_stride;
    for (std::size_t a = 0; a < far_axes; ++a) y_tiles += at.far[a] * y_spatial[a];

    // Channels and rows of the output lie far apart. While products keep the processor busy, their lines
    // arrive.
    const auto prefetch_outputs = [&](Index point, Index b, Index s) {
        if (output.y_column_stride != 1) return;
        const Index rows = channels_of(b) * output.rows;
        const T* const y_block = y_tiles + s * y.stride[0] + b * width * y.stride[2];
        constexpr Index line = workspace_alignment / Index(sizeof(T));
        for (Index i = point * rows / points; i < (point + 1) * rows / points; ++i) {
            const T* row = y_block + i / output.rows * y.stride[2] + i % output.rows * output.y_row_stride;
            for (Index column = 0; column < output.columns; column += line)
                __builtin_prefetch(row + column, 1, 2);
        }
    };

    const T* const v = reinterpret_cast<const T*>(own + parts.v);
    T* const m = reinterpret_cast<T*>(own + parts.m);
    const auto products_of = [&](Index b, Index s) {
        return m + ((b - first_block) * samples + s) * points * m_pitch;
    };
    const auto weights_of = [&](Index point, Index b) {
        return packed + (at.group * op.channel_blocks() + b) * op.packed_block() + point * op.packed_panel();
    };
    WinogradProduct<T> product;
    product.terms = op.terms_;
    product.tile_rows = at.tiles.rows;
    product.tile_columns = at.tiles.columns;
    product.tile_pitch = op.kernel_.tile_pitch(at.tiles.columns);
    for (Index point = 0; point < points; ++point)
        for (Index b = first_block; b < last_block; ++b)
            for (Index s = 0; s < samples; ++s) {
                prefetch_outputs(point, b, s);
                product.u = weights_of(point, b);
                const bool is_last = b + 1 == last_block;
                product.next = s + 1 < samples || (is_last && point + 1 == points)
                                   ? product.u
                                   : weights_of(point + is_last, is_last ? first_block : b + 1);
                product.v = v + (s * points + point) * v_pitch;
                product.m = products_of(b, s) + point * m_pitch;
                product.channels = channels_of(b);
                op.kernel_.multiply(product);
            }

    const T* const bias = static_cast<const T*>(epilogue.bias);
    for (Index b = first_block; b < last_block; ++b)
        for (Index s = 0; s < samples; ++s) {
            output.m = products_of(b, s);
            output.y = y_tiles + s * y.stride[0] + b * width * y.stride[2];
            output.channels = channels_of(b);
            output.bias = bias ? bias + at.group * problem.out_channels + b * width : nullptr;
            op.kernel_.transform_output(output);
            epilogue.finish(output.y, output.channels, output.y_channel_stride, output.rows,
                            output.y_row_stride, output.columns, output.y_column_stride);
        }
}

template <class T>
void WinogradCorrelation<T>::Call::operator()(Index task, int worker) {
    const Index chunk = task % channel_chunks, tiles = task / channel_chunks;
    const Place at = place(tiles);
    char* const own = workspace + worker * parts.end;
    Index& transformed = transformed_by_worker[static_cast<std::size_t>(worker)];
    if (transformed != tiles) transform(at, own);
    transformed = tiles;
    const Index first_block = chunk * block.channel_blocks;
    multiply(at, first_block, min_index(first_block + block.channel_blocks, op.channel_blocks()), own);
}

template <class T>
void WinogradCorrelation<T>::Call::share_out(int threads) {
    block.samples = min_index(block.samples, batch);
    sample_blocks = ceil_divide(batch, block.samples);
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
    parts = op.parts(block);
}

template <class T>
void WinogradCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                 const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    const Index work = saturating_multiply(batch, multiply_adds(problem_));
    threads = work < parallel_multiply_adds ? 1 : most_threads(threads);

    Call call{*this,
              batch,
              x,
              y,
              static_cast<const T*>(packed),
              epilogue,
              accumulate,
              layout_.spatial_strides(x.stride),
              layout_.spatial_strides(y.stride),
              block_,
              {}};
    call.share_out(threads);
    const Index tasks = call.task_count();
    threads = static_cast<int>(min_index(tasks, threads));
    call.transformed_by_worker.assign(static_cast<std::size_t>(threads), -1);
    Workspace workspace(call.parts.end * threads);
    call.workspace = workspace.data();
    parallel_for(tasks, threads, call);
}

template void WinogradCorrelation<float>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                              bool, int) const;
template void WinogradCorrelation<double>::run(Index, const Array&, const void*, const Epilogue&,
                                               const Array&, bool, int) const;

}  // namespace faltung
