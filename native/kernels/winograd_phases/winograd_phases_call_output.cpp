// The outputs of a call: from points, to the rows that phases share.
#include "core/transposed_copy.h"
#include "kernels/winograd_phases/winograd_phases_call.h"

namespace faltung {

// Rows of outputs lie far apart; while products keep the processor busy, they arrive.
template <class T>
RowsAhead WinogradPhases<T>::Call::outputs_ahead(const Place& at, Index channel_block) const {
    constexpr Index size = sizeof(T);
    const std::size_t far_axes = op.layout_.far_axes();
    if (y_spatial.back() != 1 || far_axes > 0 || at.tiles.units > 1) return {};
    const Index row_phases = op.y_step_[far_axes], column_phases = op.y_step_.back();
    const Index width = op.products_.channel_block, channel = channel_block * width;
    const Index row = at.first_row * op.form_rows_ * row_phases;
    const Index column = at.first_column * op.form_columns_ * column_phases;
    const auto along = [&](std::size_t axis) {
        Index outputs = 0;
        for (Index p = 0; p < op.y_step_[axis]; ++p)
            outputs += op.phases_[axis][static_cast<std::size_t>(p)].count;
        return outputs;
    };
    const Index rows = min_index(at.tiles.rows * op.form_rows_ * row_phases, along(far_axes) - row);
    const Index columns =
        min_index(at.tiles.columns * op.form_columns_ * column_phases, along(far_axes + 1) - column);
    const T* const to = static_cast<const T*>(y.data) + at.first_unit * y.stride[0] + at.group * y.stride[1] +
                        channel * y.stride[2] + row * y_spatial[far_axes] + column;
    return {to,
            min_index(width, op.problem_.out_channels - channel),
            y.stride[2] * size,
            rows,
            y_spatial[far_axes] * size,
            columns * size,
            op.points_};
}

template <class T>
void WinogradPhases<T>::Call::store(const Place& at, Index channel_block, char* own) const {
    // Members whose outputs share rows: of transposed correlations, phases of the columns; else all.
    const std::size_t together =
        op.sums_members_ ? op.members_.size() : static_cast<std::size_t>(op.y_step_.back());
    for (std::size_t m = 0; m < op.members_.size(); m += together) {
        if (!has_outputs(at, op.members_[m])) continue;
        for (Index unit = 0; unit < at.tiles.units; ++unit)
            for (Index tile_row = 0; tile_row < at.tiles.rows; ++tile_row)
                store_rows(at, channel_block, &op.members_[m], unit, tile_row, own);
    }
}

// One row of tiles of members whose outputs share rows.
template <class T>
void WinogradPhases<T>::Call::store_rows(const Place& at, Index channel_block, const Member* members,
                                         Index unit, Index tile_row, char* own) const {
    const std::size_t far_axes = op.layout_.far_axes();
    const Index phases = op.y_step_.back();
    const Index count = op.sums_members_ ? static_cast<Index>(op.members_.size()) : phases;
    const Phase& rows = *members->axes[far_axes];
    const Index form_rows = op.form_rows_, form_columns = op.form_columns_;
    const Index first_row = (at.first_row + tile_row) * form_rows,
                first_column = at.first_column * form_columns;
    const Index row_count = min_index(form_rows, rows.count - first_row);
    if (row_count <= 0) return;
    Index outputs = 0;  // of a row
    for (Index p = 0; p < phases; ++p)
        outputs += max_index(
            0, min_index(at.tiles.columns * form_columns, members[p].axes.back()->count - first_column));
    const Index lanes = op.products_.lanes, width = op.products_.channel_block;
    const Index first_channel = channel_block * width;
    const Index row_step = op.y_step_[far_axes] * y_spatial[far_axes], column_step = y_spatial[far_axes + 1];
    T* to = static_cast<T*>(y.data) + (at.first_unit + unit) * y.stride[0] + at.group * y.stride[1] +
            first_channel * y.stride[2] + rows.first * y_spatial[far_axes] + first_row * row_step +
            first_column * phases * column_step;
    for (std::size_t a = 0; a < far_axes; ++a)
        to += (members->axes[a]->first + at.far[a] * op.y_step_[a]) * y_spatial[a];

    const T* const bias = static_cast<const T*>(epilogue.bias);
    const Index m_pitch = op.m_pitch(at.tiles);
    PhaseOutput<T> output;
    output.m_pitch = m_pitch;
    output.tile_pitch = width;
    output.tiles = at.tiles.columns;
    output.row_pitch = op.row_pitch(op.block_);
    output.channel_pitch = form_rows * output.row_pitch;
    const Index phase_pitch = lanes * output.channel_pitch;
    T* const own_rows = reinterpret_cast<T*>(own + parts.rows);
    const Index first_tile = (unit * at.tiles.rows + tile_row) * at.tiles.columns * width;
    const Index all_channels = min_index(width, op.problem_.out_channels - first_channel);
    for (Index channel = 0; channel < all_channels; channel += lanes) {
        output.channels = min_index(lanes, all_channels - channel);
        const T* const own_bias =
            bias ? bias + at.group * op.problem_.out_channels + first_channel + channel : nullptr;
        for (Index p = 0; p < count; ++p) {
            if (members[p].shares_products) continue;
            output.m =
                reinterpret_cast<const T*>(own + parts.m) + members[p].m * m_pitch + first_tile + channel;
            output.adds = op.sums_members_ && p > 0;
            output.bias = output.adds ? nullptr : own_bias;
            output.to = own_rows + (op.sums_members_ ? 0 : p * phase_pitch);
            members[p].kernel.transform_output(output);
        }
        if (y.stride[2] == 1 && !accumulates) {
            for (Index row = 0; row < row_count; ++row)
                for (Index p = 0; p < phases; ++p)
                    copy_transposed(own_rows + row * output.row_pitch + p * phase_pitch, output.channel_pitch,
                                    output.channels, (outputs - p + phases - 1) / phases,
                                    to + channel + row * row_step + p * column_step, phases * column_step);
            continue;
        }
        for (Index oc = 0; oc < output.channels; ++oc)
            for (Index row = 0; row < row_count; ++row) {
                const T* const from = own_rows + oc * output.channel_pitch + row * output.row_pitch;
                T* const out = to + (channel + oc) * y.stride[2] + row * row_step;
                if (column_step == 1 && !accumulates) {
                    op.rows_.interleave(from, phase_pitch, phases, outputs, out);
                    continue;
                }
                for (Index p = 0; p < phases; ++p) {
                    const T* sum = from + p * phase_pitch;
                    T* at = out + p * column_step;
                    for (Index i = p; i < outputs; i += phases, ++sum, at += phases * column_step)
                        *at = accumulates ? *at + *sum : *sum;
                }
            }
    }
    epilogue.finish(to, all_channels, y.stride[2], row_count, row_step, outputs, column_step);
}

template RowsAhead WinogradPhases<float>::Call::outputs_ahead(const Place&, Index) const;
template void WinogradPhases<float>::Call::store(const Place&, Index, char*) const;
template RowsAhead WinogradPhases<double>::Call::outputs_ahead(const Place&, Index) const;
template void WinogradPhases<double>::Call::store(const Place&, Index, char*) const;

}  // namespace faltung
