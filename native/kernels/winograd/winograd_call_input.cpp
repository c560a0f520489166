// The input of a call: where its rows and columns lie, and what takes their place beyond the borders.
#include <cstring>

#include "core/border.h"
#include "core/transposed_copy.h"
#include "kernels/winograd/winograd_call.h"

namespace faltung {

namespace {

// One past the last cell that an output meets. Tiles reach further, and what no output meets must not take
// part: a large number there would drown the outputs beside it in its rounding.
Index met_end(const Axis& axis) {
    return (axis.out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1 - axis.before;
}

}  // namespace

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

// Some channels; several only where they lie side by side.
template <class T>
void WinogradCorrelation<T>::Call::gather(const Source& source, const T* from, Index channels) const {
    const Index channel_pitch = source.slots * source.pitch, inside = source.end - source.begin;
    for (Index slot = 0; slot < source.slots; ++slot) {
        T* const to = source.gathered + source.gathered_row[slot];
        if (source.row[slot] == absent_row) {
            for (Index c = 0; c < channels; ++c)
                std::memset(to + c * channel_pitch, 0, static_cast<std::size_t>(source.width) * sizeof(T));
            continue;
        }
        const T* const row = from + source.row[slot];
        const auto take = [&](Index first, Index last) {
            for (Index c = 0; c < channels; ++c)
                for (Index j = first; j < last; ++j)
                    to[c * channel_pitch + j] =
                        source.column[j] == absent_row ? T(0) : row[source.column[j] + c];
        };
        if (inside == 0) {
            take(0, source.width);
            continue;
        }
        take(0, source.begin);
        const T* const run = row + source.column[source.begin];
        if (channels > 1) {
            copy_transposed(run, source.step, inside, channels, to + source.begin, channel_pitch);
        } else if (source.step == 1) {
            std::memcpy(to + source.begin, run, static_cast<std::size_t>(inside) * sizeof(T));
        } else {
            for (Index j = 0; j < inside; ++j) to[source.begin + j] = run[j * source.step];
        }
        take(source.end, source.width);
    }
}

// Terms `first_term` up to `last_term` of a block of tiles.
template <class T>
void WinogradCorrelation<T>::Call::transform(const Place& at, char* v, char* own) const {
    const Index in_channels = op.problem_.in_channels;
    const Index together = x.stride[2] == 1 ? channels_gathered : 1;
    WinogradInput<T> input;
    input.tile_rows = at.tiles.rows;
    input.tile_columns = at.tiles.columns;
    input.tile_pitch = op.kernel_.tile_pitch(at.tiles.columns);
    input.term_pitch = op.v_term(at.tiles);
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
                input.channel_stride = x.stride[2];
                input.channels = in_channels;
                op.kernel_.transform_input(input);
                continue;
            }
            input.x = source.gathered;
            input.channel_stride = source.slots * source.pitch;
            for (Index ic = 0; ic < in_channels; ic += together) {
                input.channels = min_index(together, in_channels - ic);
                gather(source, x_group + ic * x.stride[2], input.channels);
                op.kernel_.transform_input(input);
                input.v += input.channels * input.term_pitch;
            }
        }
    }
}

template void WinogradCorrelation<float>::Call::transform(const Place&, char*, char*) const;
template void WinogradCorrelation<double>::Call::transform(const Place&, char*, char*) const;

}  // namespace faltung
