// One call: lines of the input transformed, multiplied, transformed back.
#include <cstring>

#include "core/border.h"
#include "core/threads.h"
#include "kernels/spectral/spectral_scratch.h"

namespace faltung {

// One call's arrays and its division into tasks, which the sizes alone make.
template <class T>
struct SpectralCorrelation<T>::Call {
    const SpectralCorrelation& op;
    const Array &x, &y;
    const T* packed;
    const Epilogue& epilogue;
    bool accumulates;
    Index x_row, x_column, y_row, y_column;  // strides
    char* workspace = nullptr;

    struct Place {  // of a task
        Index n, unit, first_row, rows, first_column;
        RowRange inside;
    };

    void operator()(Index task, int worker) const;
    const T* channel(const Place& at, Index group) const {
        return static_cast<const T*>(x.data) + at.n * x.stride[0] + group * x.stride[1];
    }
    void copy_line(const T* from, Index first, Index cells, T* to) const;
    void take_lines(const Place& at, Index vector, int which, const Scratch& scratch,
                    SpectralLines<T>& lines) const;
    void take_outputs(const Place& at, Index oc, Index vector, int which, SpectralOutputs<T>& out) const;
    void clear_rows(const Place& at, const Scratch& scratch) const;
    void finish(const Place& at, Index oc) const;
};

// `cells` cells from `first` of a row on, whatever lies beyond its borders in place.
template <class T>
void SpectralCorrelation<T>::Call::copy_line(const T* from, Index first, Index cells, T* to) const {
    const Axis& axis = op.layout_.columns();
    const Border border = op.problem_.border;
    const Index begin = min_index(cells, max_index(0, -first));
    const Index end = max_index(begin, min_index(cells, axis.in - first));
    auto outside_cell = [&](Index i) {
        const Index cell = border_cell(border, first + i, axis.in);
        return cell == outside ? T(0) : from[cell * x_column];
    };
    for (Index i = 0; i < begin; ++i) to[i] = outside_cell(i);
    if (x_column == 1) {
        std::memcpy(to + begin, from + first + begin, static_cast<std::size_t>(end - begin) * sizeof(T));
    } else {
        for (Index i = begin; i < end; ++i) to[i] = from[(first + i) * x_column];
    }
    for (Index i = end; i < cells; ++i) to[i] = outside_cell(i);
}

// The lines of rows `vector`, or of the lanes from row `vector` on.
template <class T>
void SpectralCorrelation<T>::Call::take_lines(const Place& at, Index vector, int which,
                                              const Scratch& scratch, SpectralLines<T>& lines) const {
    const SpectralShape& s = op.shape_;
    const Axis &rows = op.layout_.rows(), &columns = op.layout_.columns();
    const Border border = op.problem_.border;
    const bool has_zeros = border == Border::zeros || border == Border::absent;
    const Index lanes = op.kernel_.lanes, pitch = op.line_pitch();
    auto first_cell = [&](Index row) {
        return (s.folds ? (at.first_row + row) * s.outputs : at.first_column) - columns.before;
    };
    auto source_row = [&](Index row) {
        return s.folds ? Index(0) : border_cell(border, at.first_row + row - rows.before, rows.in);
    };
    lines.front[which] = 0;
    lines.length[which] = s.cells;
    const bool are_alike = !(s.folds && s.rows_in_lanes);
    const Index first = first_cell(vector);
    const bool is_inside = first >= 0 && first + s.cells <= columns.in;
    const bool copies = x_column != 1 || !(is_inside || has_zeros);
    Index skipped = 0;
    if (are_alike && has_zeros) {  // zeros around the cells inside need not be read
        skipped = min_index(s.cells, max_index(0, -first));
        lines.front[which] = skipped;
        lines.length[which] = max_index(0, min_index(s.cells, columns.in - first) - skipped);
    }
    if (!s.rows_in_lanes && !copies) {
        const Index source = vector < at.inside.end ? source_row(vector) : outside;
        const Index group = at.unit * lanes, groups = min_index(lanes, op.problem_.groups - group);
        const T* from =
            source == outside ? scratch.zeros : channel(at, group) + source * x_row + first + skipped;
        for (Index lane = 0; lane < groups; ++lane)
            lines.line[which][lane] = source == outside ? from : from + lane * x.stride[1];
        for (Index lane = groups; lane < lanes; ++lane) lines.line[which][lane] = scratch.zeros;
        return;
    }
    for (Index lane = 0; lane < lanes; ++lane) {
        const Index group = s.rows_in_lanes ? at.unit : at.unit * lanes + lane;
        const Index row = s.rows_in_lanes ? vector + lane : vector;
        const T*& line = lines.line[which][lane];
        line = scratch.zeros;
        if (group >= op.problem_.groups || row < at.inside.begin || row >= at.inside.end) continue;
        const Index source = source_row(row);
        if (source == outside) continue;
        const T* from = channel(at, group) + source * x_row;
        const Index begin = first_cell(row);
        if (copies || (!are_alike && !(begin >= 0 && begin + s.cells <= columns.in))) {
            T* own = scratch.lines + (which * lanes + lane) * pitch;
            copy_line(from, begin + skipped, lines.length[which], own);
            line = own;
        } else {
            line = from + (begin + skipped);
        }
    }
}

template <class T>
void SpectralCorrelation<T>::Call::take_outputs(const Place& at, Index oc, Index vector, int which,
                                                SpectralOutputs<T>& out) const {
    const SpectralShape& s = op.shape_;
    const Index columns = op.layout_.columns().out, lanes = op.kernel_.lanes;
    if (!s.rows_in_lanes) {
        const Index group = at.unit * lanes, groups = min_index(lanes, op.problem_.groups - group);
        const Index column = s.folds ? (at.first_row + vector) * s.outputs : at.first_column;
        T* first = static_cast<T*>(y.data) + at.n * y.stride[0] + group * y.stride[1] + oc * y.stride[2] +
                   (s.folds ? 0 : (at.first_row + vector) * y_row) + column * y_column;
        for (Index lane = 0; lane < groups; ++lane) {
            out.length[which][lane] = min_index(s.outputs, columns - column);
            out.line[which][lane] = first + lane * y.stride[1];
        }
        for (Index lane = groups; lane < lanes; ++lane) out.length[which][lane] = 0;
        return;
    }
    for (Index lane = 0; lane < lanes; ++lane) {
        const Index row = vector + lane;
        Index& length = out.length[which][lane];
        length = 0;
        if (row >= at.rows) continue;
        T* channel = static_cast<T*>(y.data) + at.n * y.stride[0] + at.unit * y.stride[1] + oc * y.stride[2];
        const Index column = s.folds ? (at.first_row + row) * s.outputs : at.first_column;
        length = min_index(s.outputs, columns - column);
        out.line[which][lane] = channel + (s.folds ? 0 : (at.first_row + row) * y_row) + column * y_column;
    }
}

// Spectra of rows of zeros.
template <class T>
void SpectralCorrelation<T>::Call::clear_rows(const Place& at, const Scratch& scratch) const {
    const SpectralShape& s = op.shape_;
    const Index lanes = op.kernel_.lanes;
    auto clear = [&](T* from, Index elements) {
        std::memset(from, 0, static_cast<std::size_t>(elements) * sizeof(T));
    };
    if (s.rows_in_lanes) {
        const Index begin = at.inside.begin / lanes * lanes;
        const Index end = at.inside.begin < at.inside.end ? round_up(at.inside.end, lanes) : begin;
        for (Index f = 0; f < s.bins; ++f)
            for (Index part = 0; part < 2; ++part) {
                T* row = scratch.x + f * s.x_bin + part * s.x_part;
                clear(row, begin);
                clear(row + end, s.x_rows - end);
            }
        return;
    }
    for (Index f = 0; f < s.bins; ++f) {
        T* row = scratch.x + f * s.x_bin;
        clear(row, at.inside.begin * 2 * lanes);
        clear(row + at.inside.end * 2 * lanes, (s.x_rows - at.inside.end) * 2 * lanes);
    }
}

template <class T>
void SpectralCorrelation<T>::Call::operator()(Index task, int worker) const {
    const SpectralShape& s = op.shape_;
    const Problem& problem = op.problem_;
    const SpectralKernel<T>& kernel = op.kernel_;
    const FourierPlan<T>& plan = op.tables_.plan();
    const Index lanes = kernel.lanes, outs = problem.out_channels;
    Place at;
    Index rest = task;
    at.first_row = rest % s.bands * s.band;
    rest /= s.bands;
    at.first_column = rest % s.column_blocks * s.outputs;
    rest /= s.column_blocks;
    at.unit = rest % s.channel_units;
    at.n = rest / s.channel_units;
    at.rows = min_index(s.band, s.rows - at.first_row);
    at.inside = rows_inside(s, problem, op.layout_, at.first_row, at.rows);

    Scratch scratch(op, workspace + worker * op.panel_bytes());
    std::memset(scratch.zeros, 0, static_cast<std::size_t>(op.line_pitch()) * sizeof(T));
    SpectralOutputs<T> out;
    out.column_stride = y_column;
    out.bias = scratch.bias;
    out.resumes = accumulates;
    const T* bias = static_cast<const T*>(epilogue.bias);
    auto set_bias = [&](Index oc) {
        for (Index lane = 0; lane < lanes; ++lane) {
            const Index group =
                s.rows_in_lanes ? at.unit : min_index(at.unit * lanes + lane, problem.groups - 1);
            scratch.bias[lane] = bias ? bias[group * outs + oc] : T(0);
        }
    };
    const Index step = s.rows_in_lanes ? lanes : 1;
    SpectralLines<T> lines;
    lines.ahead = 2 * step * (s.folds ? s.outputs * x_column : x_row);
    const T* weights = packed + at.unit * outs * s.weight_elements();

    if (s.is_single() && outs == 1) {
        set_bias(0);
        for (Index row = 0; row < at.rows; row += 2 * step) {
            lines.count = out.count = row + step < at.rows ? 2 : 1;
            for (int which = 0; which < lines.count; ++which) {
                take_lines(at, row + which * step, which, scratch, lines);
                take_outputs(at, 0, row + which * step, which, out);
            }
            kernel.filter(plan, lines, scratch.z, weights, s.w_bin, s.w_part, s.rows_in_lanes, out);
        }
        finish(at, 0);
        return;
    }

    clear_rows(at, scratch);
    const Index vector_pitch = s.rows_in_lanes ? 1 : 2 * lanes;  // of a row
    for (Index row = at.inside.begin / step * step; row < at.inside.end; row += 2 * step) {
        lines.count = row + step < at.inside.end ? 2 : 1;
        for (int which = 0; which < lines.count; ++which)
            take_lines(at, row + which * step, which, scratch, lines);
        const Spectra<T> spectra{
            {scratch.x + row * vector_pitch, scratch.x + (row + step) * vector_pitch}, s.x_bin, s.x_part};
        kernel.analyse(plan, lines, scratch.z, spectra, T(1), T(1));
    }

    const Index vectors = ceil_divide(at.rows, step), tile = kernel.row_tile;
    for (Index i = 0; i * tile < vectors; ++i) {
        const TapRange taps = taps_that_meet(i * tile * step, min_index(tile, vectors - i * tile) * step,
                                             at.inside.begin, at.inside.end, s.row_taps, s.row_dilation);
        scratch.first_tap[i] = static_cast<std::int32_t>(taps.first);
        scratch.last_tap[i] = static_cast<std::int32_t>(taps.last);
    }
    SpectralProduct<T> product;
    product.bins = s.bins;
    product.x = scratch.x;
    product.x_bin = s.x_bin;
    product.x_part = s.x_part;
    product.x_vector = step * vector_pitch;
    product.x_tap = s.row_dilation * vector_pitch;
    product.w_bin = s.w_bin;
    product.w_part = s.w_part;
    product.w_tap = vector_pitch;
    product.y = scratch.y;
    product.y_bin = s.y_bin;
    product.y_part = s.y_part;
    product.y_vector = step * vector_pitch;
    product.vectors = vectors;
    product.first_tap = scratch.first_tap;
    product.last_tap = scratch.last_tap;
    for (Index oc = 0; oc < outs; ++oc) {
        product.w = weights + oc * s.weight_elements();
        kernel.multiply(product, s.rows_in_lanes);
        set_bias(oc);
        for (Index row = 0; row < at.rows; row += 2 * step) {
            out.count = row + step < at.rows ? 2 : 1;
            for (int which = 0; which < out.count; ++which)
                take_outputs(at, oc, row + which * step, which, out);
            const Spectra<T> spectra{
                {scratch.y + row * vector_pitch, scratch.y + (row + step) * vector_pitch}, s.y_bin, s.y_part};
            kernel.synthesise(plan, spectra, scratch.z, out);
        }
        finish(at, oc);
    }
}

// What a task has written, as one block of rows, or of columns where rows are folded.
template <class T>
void SpectralCorrelation<T>::Call::finish(const Place& at, Index oc) const {
    const SpectralShape& s = op.shape_;
    const Axis& columns = op.layout_.columns();
    const Index lanes = op.kernel_.lanes;
    const Index first_group = s.rows_in_lanes ? at.unit : at.unit * lanes;
    const Index groups = s.rows_in_lanes ? 1 : min_index(lanes, op.problem_.groups - first_group);
    const Index column = s.folds ? at.first_row * s.outputs : at.first_column;
    const Index count = min_index(columns.out - column, s.folds ? at.rows * s.outputs : s.outputs);
    T* first = static_cast<T*>(y.data) + at.n * y.stride[0] + first_group * y.stride[1] + oc * y.stride[2] +
               column * y_column + (s.folds ? 0 : at.first_row * y_row);
    epilogue.finish(first, groups, y.stride[1], s.folds ? 1 : at.rows, y_row, count, y_column);
}

template <class T>
void SpectralCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                 const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || outputs(problem_.axes) == 0) return;
    const std::vector<Index> x_spatial = layout_.spatial_strides(x.stride),
                             y_spatial = layout_.spatial_strides(y.stride);
    Call call{*this,
              x,
              y,
              static_cast<const T*>(packed),
              epilogue,
              accumulate,
              x_spatial[x_spatial.size() - 2],
              x_spatial.back(),
              y_spatial[y_spatial.size() - 2],
              y_spatial.back()};
    const Index tasks = batch * shape_.channel_units * shape_.column_blocks * shape_.bands;
    const bool is_little = shape_.cycles * double(batch) < double(parallel_multiply_adds);
    threads = is_little ? 1 : static_cast<int>(min_index(min_index(threads, thread_limit), tasks));
    Workspace workspace(workspace_bytes(threads));
    call.workspace = workspace.data();
    parallel_for(tasks, threads, call);
}

template void SpectralCorrelation<float>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                              bool, int) const;
template void SpectralCorrelation<double>::run(Index, const Array&, const void*, const Epilogue&,
                                               const Array&, bool, int) const;

}  // namespace faltung
