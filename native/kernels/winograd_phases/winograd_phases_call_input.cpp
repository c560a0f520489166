// The input of a call, to the points of its phases.
#include "core/transposed_copy.h"
#include "kernels/winograd_phases/winograd_phases_call.h"

namespace faltung {

namespace {

// Members that add to the same outputs share lines of memory, which then stay in the cache.
constexpr Index channels_together = 4, channels_of_a_line = 16;

}  // namespace

template <class T>
void WinogradPhases<T>::Call::transform(const Place& at, char* v, char* own) const {
    const Index channels = op.problem_.in_channels;
    Index most = channels;
    if (op.sums_members_ && x.stride[2] == 1) {
        most = channels_of_a_line;
    } else if (op.sums_members_ && op.x_step_.back() > 1) {
        most = channels_together;
    }
    for (Index first = 0; first < channels; first += most)
        for (const Member& member : op.members_)
            if (!member.shares_input && has_outputs(at, member))
                transform_member(at, member, first, min_index(channels, first + most), v, own);
}

template <class T>
void WinogradPhases<T>::Call::transform_member(const Place& at, const Member& member, Index first_channel,
                                               Index last_channel, char* v, char* own) const {
    const std::size_t far_axes = op.layout_.far_axes();
    const Phase &rows = *member.axes[far_axes], &columns = *member.axes[far_axes + 1];
    // One past the last cell that an output meets. Tiles reach further, and what no output meets must not
    // take part: a large number there would drown the outputs beside it in its rounding.
    const auto met_end = [&](const Phase& phase, std::size_t axis) {
        const Index cells = op.layout_.axes[axis].in - member.x_first[axis];
        return min_index(cells > 0 ? ceil_divide(cells, op.x_step_[axis]) : 0,
                         phase.count + phase.taps - 1 - phase.before);
    };
    const Index row_end = met_end(rows, far_axes), column_end = met_end(columns, far_axes + 1);
    const Index slots = at.tiles.rows * member.form.rows + member.form.row_taps - 1;
    const Index width = at.tiles.columns * member.form.columns + member.form.column_taps - 1;
    const Index first_row = at.first_row * member.form.rows - rows.before;
    const Index first_column = at.first_column * member.form.columns - columns.before;
    const Index begin = min_index(width, max_index(0, -first_column));
    const Index end = max_index(begin, min_index(width, column_end - first_column));
    const Index row_step = x_spatial[far_axes] * op.x_step_[far_axes];
    const Index column_step = x_spatial[far_axes + 1] * op.x_step_[far_axes + 1];
    const Index first_cell = member.x_first[far_axes] * x_spatial[far_axes] +
                             member.x_first[far_axes + 1] * x_spatial[far_axes + 1];
    const bool is_in_place =
        column_step == 1 || (column_step == 2 && x.stride[2] != 1 && member.kernel.reads_every_second);
    Index* const row = reinterpret_cast<Index*>(own + parts.tables);
    Index* const gathered_row = row + slots;
    T* const gathered = reinterpret_cast<T*>(own + parts.gathered);
    const Index pitch = width + op.products_.lanes, channel_pitch = slots * pitch;
    const Index together = x.stride[2] == 1 ? channels_gathered : 1;

    WinogradInput<T> input;
    input.channel_stride = x.stride[2];
    input.row = row;
    input.column_step = is_in_place ? column_step : 1;
    input.begin = begin;
    input.end = end;
    input.tile_rows = at.tiles.rows;
    input.tile_columns = at.tiles.columns;
    input.tile_pitch = op.products_.tile_pitch(at.tiles.columns);
    const Index term_pitch = op.products_.term_pitch(at.tiles.units * at.tiles.rows, at.tiles.columns);
    input.term_pitch = member.far_taps * term_pitch;
    input.point_pitch = op.v_pitch(at.tiles);
    input.scratch = reinterpret_cast<T*>(own + parts.scratch);
    for (Index unit = 0; unit < at.tiles.units; ++unit) {
        const T* const from = static_cast<const T*>(x.data) + (at.first_unit + unit) * x.stride[0] +
                              at.group * x.stride[1] + first_channel * x.stride[2];
        for (Index far = 0; far < member.far_taps; ++far) {
            Index rest = far, base = first_cell + first_column * column_step;
            bool is_absent = false;
            for (std::size_t a = far_axes; a-- > 0;) {
                const Phase& phase = *member.axes[a];
                const Index cell =
                    at.far[a] * op.x_step_[a] + rest % phase.taps * phase.dilation - phase.before;
                rest /= phase.taps;
                is_absent |= cell < 0 || cell >= op.layout_.axes[a].in;
                base += cell * x_spatial[a];
            }
            for (Index slot = 0; slot < slots; ++slot) {
                const Index cell = first_row + slot;
                const bool is_met = !is_absent && cell >= 0 && cell < row_end;
                row[slot] = is_met ? base + cell * row_step : absent_row;
                gathered_row[slot] = is_met ? slot * pitch : absent_row;
            }
            input.v = reinterpret_cast<T*>(v) + member.v * input.point_pitch +
                      (first_channel * member.far_taps + far) * term_pitch +
                      unit * at.tiles.rows * input.tile_pitch;
            if (is_in_place) {
                input.x = from;
                input.channels = last_channel - first_channel;
                member.kernel.transform_input(input);
                continue;
            }
            input.row = gathered_row;
            input.x = gathered;
            input.channel_stride = channel_pitch;
            for (Index ic = first_channel; ic < last_channel; ic += together) {
                input.channels = min_index(together, last_channel - ic);
                const T* const cells = from + (ic - first_channel) * x.stride[2] + begin * column_step;
                for (Index slot = 0; slot < slots; ++slot) {
                    if (row[slot] == absent_row || begin == end) continue;
                    T* const to = gathered + slot * pitch + begin;
                    if (input.channels > 1) {
                        copy_transposed(cells + row[slot], column_step, end - begin, input.channels, to,
                                        channel_pitch);
                    } else {
                        member.kernel.copy(cells + row[slot], column_step, end - begin, to);
                    }
                }
                member.kernel.transform_input(input);
                input.v += input.channels * input.term_pitch;
            }
        }
    }
}

template void WinogradPhases<float>::Call::transform(const Place&, char*, char*) const;
template void WinogradPhases<double>::Call::transform(const Place&, char*, char*) const;

}  // namespace faltung
