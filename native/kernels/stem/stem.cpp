#include "kernels/stem/stem.h"

#include <algorithm>
#include <stdexcept>

#include "core/threads.h"
#include "kernels/call_arrays.h"
#include "kernels/run_call.h"
#include "kernels/winograd/tile_tasks.h"

namespace faltung {

namespace {

// Tiles whose products, transformed back along rows, stay in L1 with the weights of one point.
constexpr Index tiles_at_once = 16;

// A block's transformed input stays in L2.
constexpr Index most_input_bytes = Index(1) << 20;

constexpr Index parallel_pack_bytes = 128 << 10;

bool is_served(const Axis& axis) {
    return axis.dilation == 1 && axis.kernel > 2 * axis.stride;
}

bool is_small(const Axis& axis) {
    return axis.stride == 1 && axis.kernel <= 5;
}

// Taps of an axis' phases, those of the first one.
Index phase_taps(const Axis& axis) {
    return ceil_divide(axis.kernel, axis.stride);
}

}  // namespace

StemForm stem_form(const Layout& layout) {
    const Index rows = phase_taps(layout.rows()), columns = phase_taps(layout.columns());
    const auto form_of = [&](Index taps) {
        return StemForm{taps, ceil_divide(rows, taps), ceil_divide(columns, taps)};
    };
    const auto products = [](const StemForm& form) {
        const Index points = stem_points(static_cast<int>(form.taps));
        return saturating_multiply(points * points, saturating_multiply(form.row_pieces, form.column_pieces));
    };
    const StemForm by_three = form_of(3), by_four = form_of(4);
    return products(by_four) < products(by_three) ? by_four : by_three;
}

const char* why_not_stem(const Problem& problem, Type type) {
    if (type != Type::float32 && type != Type::float64) return "it rounds, and integers are to be exact";
    if (problem.in_channels < 1 || outputs(problem.axes) < 1) return "there is nothing to multiply";
    if (problem.border != Border::zeros && problem.border != Border::absent)
        return "it needs borders of zeros";
    const Layout layout(problem);
    if (layout.far_axes() > 0) return "it has more than two axes";
    const Axis &rows = layout.rows(), &columns = layout.columns();
    if (!is_served(rows) || !is_served(columns))
        return "it needs more than two taps, not dilated, in each phase of both axes";
    if (is_small(rows) && is_small(columns)) return "'winograd' takes all of its taps at once";
    if (columns.stride > 4 || columns.stride == 3) return "it needs a stride of 1, 2 or 4 along columns";
    const StemForm form = stem_form(layout);
    const Index points = stem_points(static_cast<int>(form.taps));
    const Index members = saturating_multiply(saturating_multiply(form.row_pieces, rows.stride),
                                              saturating_multiply(form.column_pieces, columns.stride));
    constexpr Index bytes = 16 * 4;  // of the tiles of a block
    if (saturating_multiply(saturating_multiply(members, problem.in_channels), points * points * bytes) >
        most_input_bytes)
        return "its transformed input does not stay in the cache";
    return nullptr;
}

template <class T>
StemCorrelation<T>::StemCorrelation(const Problem& problem, const StemKernel<T>& kernel)
    : problem_(problem), layout_(problem), form_(stem_form(layout_)), kernel_(kernel) {
    const Index block = saturating_multiply(packed_block(), Index(sizeof(T)));
    if (saturating_multiply(saturating_multiply(problem.groups, channel_blocks()), block) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
}

template <class T>
typename StemCorrelation<T>::Parts StemCorrelation<T>::parts() const {
    Pieces pieces;
    Parts parts;
    parts.v = pieces.take(points() * v_pitch(), sizeof(T));
    parts.h = pieces.take(tiles_at_once * points() * stem_outputs * kernel_.channel_block, sizeof(T));
    parts.scratch = pieces.take(
        StemKernel<T>::scratch_elements(kernel_.lanes, form_.taps, columns().stride, form_.column_pieces),
        sizeof(T));
    parts.end = pieces.bytes();
    return parts;
}

template <class T>
Index StemCorrelation<T>::panel_bytes() const {
    return parts().end;
}

template <class T>
Index StemCorrelation<T>::workspace_bytes(int threads) const {
    return saturating_multiply(parts().end, min_index(threads, thread_limit));
}

template <class T>
Index StemCorrelation<T>::packed_bytes() const {
    return problem_.groups * channel_blocks() * packed_block() * Index(sizeof(T));
}

template <class T>
std::vector<Index> StemCorrelation<T>::packed_layout() const {
    std::vector<Index> key{Index(sizeof(T)),      kernel_.channel_block, problem_.groups,
                           problem_.out_channels, problem_.in_channels,  form_.taps};
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        key.push_back(layout_.origin[a]);
        key.push_back(layout_.axes[a].kernel);
        key.push_back(layout_.axes[a].stride);
    }
    return key;
}

// For the channels of a vector, `from` that of its first; zero where there is no tap or channel.
template <class T>
void StemCorrelation<T>::turn_taps(const Array& weight, const T* from, Index channels, Index row_term,
                                   Index column_term, T* turned) const {
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    const Index first_row = first_tap(row_term, rows()), first_column = first_tap(column_term, columns());
    for (Index i = 0; i < form_.taps; ++i)
        for (Index j = 0; j < form_.taps; ++j, turned += kernel_.lanes) {
            const Index row = first_row + i * rows().stride, column = first_column + j * columns().stride;
            const bool is_tap = row < rows().kernel && column < columns().kernel;
            const T* const tap = from + row * spatial[0] + column * spatial[1];
            for (Index lane = 0; lane < kernel_.lanes; ++lane)
                turned[lane] = is_tap && lane < channels ? tap[lane * weight.stride[1]] : T(0);
        }
}

template <class T>
void StemCorrelation<T>::pack_block(const Array& weight, Index group, Index channel_block, T* to) const {
    const Index width = kernel_.channel_block, lanes = kernel_.lanes;
    alignas(workspace_alignment) T turned[most_stem_taps * most_stem_taps * line_elements<T>];
    StemWeight<T> part;
    part.taps = turned;
    part.point_pitch = u_pitch();
    part.row_pitch = width;
    for (Index lane = 0; lane < width; lane += lanes) {
        const Index first = channel_block * width + lane, channels = problem_.out_channels - first;
        const T* const from =
            static_cast<const T*>(weight.data) + group * weight.stride[0] + first * weight.stride[1];
        for (Index row_term = 0; row_term < row_terms(); ++row_term)
            for (Index channel = 0; channel < problem_.in_channels; ++channel)
                for (Index column_term = 0; column_term < column_terms(); ++column_term) {
                    turn_taps(weight, from + channel * weight.stride[2], channels, row_term, column_term,
                              turned);
                    part.u = to + (term(row_term, channel) + column_term) * points() * width + lane;
                    kernel_.transform_weight(part);
                }
    }
}

template <class T>
void StemCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    auto pack_one = [&](Index task, int) {
        pack_block(weight, task / channel_blocks(), task % channel_blocks(),
                   static_cast<T*>(packed) + task * packed_block());
    };
    parallel_for(problem_.groups * channel_blocks(), packed_bytes() < parallel_pack_bytes ? 1 : threads,
                 pack_one);
}

// One call's arrays. A task is a part of a row of tiles of one sample and group.
template <class T>
struct StemCorrelation<T>::Call : CallArrays {
    const StemCorrelation& op;
    const T* packed;
    Parts parts = {};
    Index across = 0;  // tiles of a task

    struct Place {
        Index sample, group, tile_row, tile, tiles;
    };

    Place place(Index task) const {
        const Index pieces = ceil_divide(op.tile_columns(), across), rows = op.tile_rows();
        const Index piece = task % pieces, above = task / pieces, plane = above / rows;
        return {plane / op.problem_.groups, plane % op.problem_.groups, above % rows, piece * across,
                min_index(across, op.tile_columns() - piece * across)};
    }

    void transform(const Place& at, char* own) const;
    void multiply(const Place& at, char* own) const;
    void operator()(Index task, int worker) const {
        const Place at = place(task);
        char* const own = workspace + worker * parts.end;
        transform(at, own);
        multiply(at, own);
    }
};

template <class T>
void StemCorrelation<T>::Call::transform(const Place& at, char* own) const {
    const Axis &rows = op.rows(), &columns = op.columns();
    const Index row_stride = x_spatial[0], taps = op.form_.taps;
    const Index left = at.tile * stem_outputs * columns.stride - columns.before;
    StemInput<T> input;
    input.column_step = x_spatial[1];
    input.begin = max_index(0, -left);
    input.end = min_index(
        columns.in - left,
        StemKernel<T>::row_elements(op.kernel_.lanes, taps, columns.stride, op.form_.column_pieces));
    input.pieces = op.form_.column_pieces;
    input.point_pitch = op.v_pitch();
    input.scratch = reinterpret_cast<T*>(own + parts.scratch);
    const T* const first = static_cast<const T*>(x.data) + at.sample * x.stride[0] + at.group * x.stride[1] +
                           left * input.column_step;
    for (Index row_term = 0; row_term < op.row_terms(); ++row_term) {
        const Index piece = row_term / rows.stride, phase = row_term % rows.stride;
        for (Index i = 0; i < op.points(); ++i) {
            const Index row =
                (at.tile_row * stem_outputs + piece * taps + i) * rows.stride + phase - rows.before;
            input.row[i] = row >= 0 && row < rows.in ? row * row_stride : absent_stem_row;
        }
        for (Index channel = 0; channel < op.problem_.in_channels; ++channel) {
            input.x = first + channel * x.stride[2];
            input.v = reinterpret_cast<T*>(own + parts.v) +
                      op.term(row_term, channel) * op.points() * op.kernel_.lanes;
            op.kernel_.transform_input(input);
        }
    }
}

template <class T>
void StemCorrelation<T>::Call::multiply(const Place& at, char* own) const {
    const Index block = op.kernel_.channel_block;
    const Index row = at.tile_row * stem_outputs;
    StemProduct<T> product;
    product.v_pitch = op.v_pitch();
    product.u_pitch = op.u_pitch();
    product.terms = op.terms();
    product.h = reinterpret_cast<T*>(own + parts.h);
    StemOutput<T> out;
    out.h = product.h;
    out.rows = min_index(stem_outputs, op.rows().out - row);
    out.channel_stride = y.stride[2];
    out.row_stride = y_spatial[0];
    out.column_stride = y_spatial[1];
    out.accumulates = accumulates;
    const T* const bias = static_cast<const T*>(epilogue.bias);
    for (Index b = 0; b < op.channel_blocks(); ++b) {
        product.u = packed + (at.group * op.channel_blocks() + b) * op.packed_block();
        out.channels = min_index(block, op.problem_.out_channels - b * block);
        out.bias = bias ? bias + at.group * op.problem_.out_channels + b * block : nullptr;
        for (Index tile = 0; tile < at.tiles; tile += tiles_at_once) {
            product.v = reinterpret_cast<const T*>(own + parts.v) + tile;
            product.tiles = out.tiles = min_index(tiles_at_once, at.tiles - tile);
            const Index column = (at.tile + tile) * stem_outputs;
            out.columns = min_index(out.tiles * stem_outputs, op.columns().out - column);
            out.y = static_cast<T*>(y.data) + at.sample * y.stride[0] + at.group * y.stride[1] +
                    b * block * y.stride[2] + row * out.row_stride + column * out.column_stride;
            op.kernel_.multiply(product);
            op.kernel_.transform_output(out);
            epilogue.finish(out.y, out.channels, out.channel_stride, out.rows, out.row_stride, out.columns,
                            out.column_stride);
        }
    }
}

template <class T>
void StemCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                             const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || outputs(problem_.axes) == 0)
        return;
    Call call{{layout_, x, y, epilogue, accumulate}, *this, static_cast<const T*>(packed)};
    call.parts = parts();
    call.across = even_pieces(tile_columns(), kernel_.lanes);
    const Index tasks = batch * problem_.groups * tile_rows() * ceil_divide(tile_columns(), call.across);
    run_tasks_of(call, tasks, threads);
}

template class StemCorrelation<float>;
template class StemCorrelation<double>;

}  // namespace faltung
