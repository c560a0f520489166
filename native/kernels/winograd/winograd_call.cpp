// A call: its tiles transformed, multiplied, transformed back.
#include "kernels/winograd/winograd_call.h"

#include "core/threads.h"

namespace faltung {

namespace {

// Weights that one call alone uses are transformed anew for each of so many blocks of tiles; for more, once,
// to memory, if they are few.
constexpr Index few_tile_blocks = 2, most_tile_blocks = 6;
constexpr Index few_weight_bytes = Index(4) << 20;

// What sharing out reckons with: cycles of a row of tiles and of one more, for 36 points of a term; of a
// transformed weight's vector.
constexpr double row_cycles = 90, tile_cycles = 13, weight_vector_cycles = 100, weight_point_cycles = 2;

}  // namespace

template <class T>
Index WinogradCorrelation<T>::Call::channels_of(Index channel_block) const {
    const Index width = op.kernel_.channel_block;
    return min_index(width, op.problem_.out_channels - channel_block * width);
}

template <class T>
const T* WinogradCorrelation<T>::Call::weights_of(const Place& at, Index channel_block, Index point) const {
    return packed + (at.group * op.channel_blocks() + channel_block) * op.packed_block() +
           point * op.packed_panel();
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
    product.u_term = product.next_pitch = op.kernel_.channel_block;
    product.u_vector = op.kernel_.lanes;
    product.terms = op.terms_;
    product.tile_rows = at.tiles.units * at.tiles.rows;
    product.tile_columns = at.tiles.columns;
    product.tile_pitch = op.kernel_.tile_pitch(at.tiles.columns);
    product.term_pitch = op.v_term(at.tiles);
    product.continues = false;
    return product;
}

// Channels and rows of the output lie far apart. While products keep the processor busy, their lines arrive:
// from point to point those of the next unit, or of the next rows of the only one.
template <class T>
void WinogradCorrelation<T>::Call::prefetch_outputs(const Place& at, Index channel_block, Index point,
                                                    const WinogradOutput<T>& only) const {
    if (y_spatial.back() * op.column_step() != 1) return;
    constexpr Index line = line_elements<T>;
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
void WinogradCorrelation<T>::Call::multiply_few_terms(const Place& at, Index first_block, Index last_block,
                                                      const char* v) const {
    const Index tile_pitch = op.kernel_.tile_pitch(at.tiles.columns);
    WinogradFewTerms<T> few;
    few.v = reinterpret_cast<const T*>(v);
    few.tile_pitch = tile_pitch;
    few.terms = op.terms_;
    for (Index unit = 0; unit < at.tiles.units; ++unit, few.v += at.tiles.rows * tile_pitch)
        for (Index b = first_block; b < last_block; ++b) {
            WinogradOutput<T> output = output_of(at, unit, b);
            const bool is_last = b + 1 == last_block;
            output.next_y = is_last ? output_of(at, unit, first_block).y + output.rows * output.y_row_stride
                                    : output_of(at, unit, b + 1).y;
            few.u = weights_of(at, b);
            op.kernel_.multiply_few_terms(output, few);
            epilogue.finish(output.y, output.channels, output.y_channel_stride, output.rows,
                            output.y_row_stride, output.columns, output.y_column_stride);
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
    WinogradProduct<T> product = product_of(at);
    const WinogradOutput<T> first = output_of(at, 0, 0);
    for (Index point = 0; point < points; ++point)
        for (Index b = first_block; b < last_block; ++b) {
            prefetch_outputs(at, b, point, first);
            const bool is_last = b + 1 == last_block;
            product.u = weights_of(at, b, point);
            product.next = is_last && point + 1 == points
                               ? product.u
                               : weights_of(at, is_last ? first_block : b + 1, point + is_last);
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
void WinogradCorrelation<T>::Call::operator()(Index number, int worker) {
    const TileTask& task = tasks.task(number);
    const Place at = tasks.at(task);
    char* const own = workspace + worker * parts.end;
    char* const v = own + parts.v;
    Index& transformed = transformed_by_worker[worker];
    if (transformed != task.block) transform(at, v, own);
    transformed = task.block;
    const Index first_block = task.first_channel_block, last_block = first_block + at.tiles.channel_blocks;
    if (packed && op.has_few_terms()) {
        multiply_few_terms(at, first_block, last_block, v);
    } else if (packed) {
        multiply(at, first_block, last_block, v, own);
    } else {
        for (Index b = first_block; b < last_block; ++b) transform_and_multiply(at, b, v, own);
    }
}

template <class T>
TileWork WinogradCorrelation<T>::tile_work(Index batch, bool transforms) const {
    TileWork work{
        problem_.groups, batch * phases(), tile_rows(), tile_columns(), channel_blocks(), block_, 0, 0, 0};
    work.block.units = min_index(work.block.units, work.units);
    const double points = form_.points(), terms = double(terms_);
    const double vectors = double(kernel_.channel_block / kernel_.lanes);
    work.row_cycles = points / 36 * terms * (row_cycles + tile_cycles * double(work.block.columns));
    work.product_cycles = points * terms * vectors;
    work.weight_cycles = transforms ? vectors * terms * (weight_vector_cycles + weight_point_cycles * points)
                                    : fetching_cycles(packed_block() * Index(sizeof(T)), transformed_bytes());
    return work;
}

template <class T>
void WinogradCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                 const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    const Index products = saturating_multiply(batch, multiply_adds(problem_));
    threads =
        products < parallel_multiply_adds ? 1 : winograd_threads(threads, workspace_limit(), panel_bytes());

    const std::optional<Array> weight = borrowed_weight(packed, problem_.axes.size());
    const T* const behind_head = reinterpret_cast<const T*>(static_cast<const char*>(packed) + head_bytes());
    const Index blocks = tile_blocks(layout_, tile_work(batch, false));
    const bool transforms_first = weight && blocks > few_tile_blocks &&
                                  transformed_bytes() <= workspace_limit() &&
                                  (blocks > most_tile_blocks || transformed_bytes() < few_weight_bytes);
    const TileWork work = tile_work(batch, weight && !transforms_first);
    Call call{{layout_, x, y, epilogue, accumulate},
              *this,
              weight ? nullptr : behind_head,
              weight ? &*weight : nullptr,
              TileTasks(layout_, work, threads)};
    const Index tasks = call.tasks.count();
    const int wanted = threads;
    threads = static_cast<int>(min_index(tasks, threads));
    call.parts = parts(work.block, weight && !transforms_first);
    call.transformed_by_worker.forget(threads);
    const Index u_begin = call.parts.end * threads;
    Workspace workspace(u_begin + (transforms_first ? transformed_bytes() : 0));
    call.workspace = workspace.data();
    if (transforms_first) {
        T* const u = reinterpret_cast<T*>(workspace.data() + u_begin);
        transform_weights(*weight, u, wanted);
        call.packed = u;
    }
    parallel_for(tasks, threads, call, call.tasks.starts(threads));
}

template TileWork WinogradCorrelation<float>::tile_work(Index, bool) const;
template TileWork WinogradCorrelation<double>::tile_work(Index, bool) const;
template void WinogradCorrelation<float>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                              bool, int) const;
template void WinogradCorrelation<double>::run(Index, const Array&, const void*, const Epilogue&,
                                               const Array&, bool, int) const;

}  // namespace faltung
