// One call: tiles of the input transformed, multiplied with weights, transformed back, interleaved.
#include <cstring>

#include "core/ahead.h"
#include "core/threads.h"
#include "kernels/winograd_phases/winograd_phases.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 4;

// Weights that are not transformed are so anew for each of so many blocks of tiles; for more, once, to
// memory.
constexpr Index few_tile_blocks = 2;

constexpr Index channels_together = 4;

constexpr std::size_t axes_limit = 64;

}  // namespace

// Taps of some input channels, turned while products of those before keep the processor busy and their memory
// arrives.
template <class T>
class WinogradPhases<T>::TapsAhead {
  public:
    TapsAhead(const WinogradPhases& op, const Weights& weights, Index group, T* even, T* odd)
        : op_(op), weights_(weights), group_(group), next_(even), other_(odd) {}

    void begin(Index channel_block, Index first, Index last) {
        block_ = channel_block;
        first_ = done_ = first;
        last_ = last;
        part_ = 0;
    }

    // One part of as many as there are points.
    void advance() {
        const Index count = last_ - first_, parts = op_.points_;
        if (++part_ > parts) return;
        turn_until(first_ + part_ * count / parts);
        const Index end = first_ + min_index(part_ + 1, parts) * count / parts;
        for (Index channel = done_; channel < end; ++channel)
            op_.prefetch_taps(weights_, group_, block_, channel);
    }

    // All of them; they stay until `finish` is called again.
    const T* finish() {
        turn_until(last_);
        std::swap(next_, other_);
        return other_;
    }

  private:
    void turn_until(Index end) {
        for (; done_ < end; ++done_)
            op_.turn(weights_, group_, block_, done_, next_ + (done_ - first_) * op_.turned_elements(1));
    }

    const WinogradPhases& op_;
    const Weights& weights_;
    const Index group_;
    T *next_, *other_;
    Index block_ = 0, first_ = 0, last_ = 0, done_ = 0, part_ = 0;
};

// One call's arrays and its division into tasks; the division never touches the order of a sum.
template <class T>
struct WinogradPhases<T>::Call {
    const WinogradPhases& op;
    Index batch;
    const Array &x, &y;
    const T* packed;         // transformed weights, or null
    const Weights* weights;  // those that are transformed when they are wanted
    const Epilogue& epilogue;
    bool accumulates;
    std::vector<Index> x_spatial, y_spatial;
    Block block;
    Parts parts;

    char* workspace = nullptr;
    Index far_outputs = 1, unit_blocks = 1, row_blocks = 1, column_blocks = 1, channel_chunks = 1;
    std::vector<Index> transformed_by_worker = {};  // which tiles each worker transformed last

    // The tiles of a task.
    struct Place {
        Index first_unit, group, first_row, first_column;  // rows and columns of tiles
        Index far[axes_limit];
        Block tiles;
    };

    void share_out(int threads);
    Index tile_blocks() const {
        return unit_blocks * op.problem_.groups * far_outputs * row_blocks * column_blocks;
    }
    Index task_count() const { return tile_blocks() * channel_chunks; }
    Place place(Index tiles) const;
    bool has_outputs(const Place& at, const Member& member) const;
    void transform(const Place& at, char* v, char* own) const;
    void transform_member(const Place& at, const Member& member, Index first_channel, Index last_channel,
                          char* v, char* own) const;
    RowsAhead outputs_ahead(const Place& at, Index channel_block) const;
    void multiply(const Place& at, Index channel_block, Index end_block, TapsAhead& taps, const char* v,
                  char* own) const;
    WinogradProduct<T> product_of(const Place& at, const Member& member, Index channel_block, const char* v,
                                  char* own) const;
    void store(const Place& at, Index channel_block, char* own) const;
    void store_rows(const Place& at, Index channel_block, const Member* members, Index unit, Index tile_row,
                    char* own) const;
    void operator()(Index task, int worker);
};

template <class T>
typename WinogradPhases<T>::Call::Place WinogradPhases<T>::Call::place(Index rest) const {
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
    at.tiles.units = min_index(block.units, batch - at.first_unit);
    at.tiles.rows = min_index(block.rows, op.tile_rows() - at.first_row);
    at.tiles.columns = min_index(block.columns, op.tile_columns() - at.first_column);
    return at;
}

template <class T>
bool WinogradPhases<T>::Call::has_outputs(const Place& at, const Member& member) const {
    for (std::size_t a = 0; a < op.layout_.far_axes(); ++a)
        if (at.far[a] >= member.axes[a]->count) return false;
    return true;
}

template <class T>
void WinogradPhases<T>::Call::transform(const Place& at, char* v, char* own) const {
    // Phases of the input share lines of memory, which then stay in the cache.
    const Index channels = op.problem_.in_channels, most = op.is_strided_ ? channels_together : channels;
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
    const bool is_in_place = column_step == 1;
    Index* const row = reinterpret_cast<Index*>(own + parts.tables);
    Index* const gathered_row = row + slots;
    T* const gathered = reinterpret_cast<T*>(own + parts.gathered);
    const Index pitch = width + op.products_.lanes;

    WinogradInput<T> input;
    input.channel_stride = x.stride[2];
    input.row = row;
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
            input.channels = 1;
            for (Index ic = first_channel; ic < last_channel; ++ic, input.v += input.term_pitch) {
                const T* const channel = from + (ic - first_channel) * x.stride[2];
                for (Index slot = 0; slot < slots; ++slot)
                    if (row[slot] != absent_row && begin < end)
                        member.kernel.copy(channel + row[slot] + begin * column_step, column_step,
                                           end - begin, gathered + slot * pitch + begin);
                member.kernel.transform_input(input);
            }
        }
    }
}

template <class T>
WinogradProduct<T> WinogradPhases<T>::Call::product_of(const Place& at, const Member& member,
                                                       Index channel_block, const char* v, char* own) const {
    WinogradProduct<T> product;
    product.v = reinterpret_cast<const T*>(v) + member.v * op.v_pitch(at.tiles);
    product.next_v = product.v;
    product.m = reinterpret_cast<T*>(own + parts.m) + member.m * op.m_pitch(at.tiles);
    product.terms = op.problem_.in_channels * member.far_taps;
    product.tile_rows = at.tiles.units * at.tiles.rows;
    product.tile_columns = at.tiles.columns;
    product.tile_pitch = op.products_.tile_pitch(at.tiles.columns);
    product.term_pitch = op.products_.term_pitch(product.tile_rows, at.tiles.columns);
    product.channels = min_index(op.products_.channel_block,
                                 op.problem_.out_channels - channel_block * op.products_.channel_block);
    product.continues = false;
    return product;
}

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

// Products of all members with one block of output channels. Weights that are transformed when they are
// wanted stay in L2, some input channels at a time; meanwhile the next ones are turned, of this block or of
// another before `end_block`.
template <class T>
void WinogradPhases<T>::Call::multiply(const Place& at, Index channel_block, Index end_block, TapsAhead& taps,
                                       const char* v, char* own) const {
    const Index in_channels = op.problem_.in_channels;
    const Index v_pitch = op.v_pitch(at.tiles), m_pitch = op.m_pitch(at.tiles);
    const Index block_number = at.group * op.channel_blocks() + channel_block;
    // Where phases add to the same sums, these are taken up in the same order whatever the weights' form.
    const Index most = packed && !op.is_strided_ ? in_channels : op.channels_at_once();
    const Index u_pitch = packed ? op.packed_panel() : op.u_pitch(), turned_channel = op.turned_elements(1);
    T* const own_u = reinterpret_cast<T*>(own + parts.u);
    RowsAhead outputs = outputs_ahead(at, channel_block);
    for (Index first = 0; first < in_channels; first += most) {
        const Index last = min_index(in_channels, first + most);
        const T* turned = nullptr;
        Ahead wanted(nullptr, 0, 1);
        if (!packed && weights->turned) {
            turned = weights->turned + block_number * op.turned_block() + first * turned_channel;
            wanted = Ahead(turned + (last - first) * turned_channel, most * turned_channel * Index(sizeof(T)),
                           op.points_);
        } else if (!packed) {
            turned = taps.finish();
            if (last < in_channels) {
                taps.begin(channel_block, last, min_index(in_channels, last + most));
            } else if (channel_block + 1 < end_block) {
                taps.begin(channel_block + 1, 0, min_index(in_channels, most));
            }
        }
        for (const Member& member : op.members_) {
            if (!has_outputs(at, member)) continue;
            const T* u = own_u;
            if (packed)
                u = packed + block_number * op.packed_block() + member.u * u_pitch +
                    first * member.far_taps * op.products_.channel_block;
            if (!packed) op.transform_taps(*weights, member, turned, last - first, own_u, u_pitch);
            WinogradProduct<T> product = product_of(at, member, channel_block, v, own);
            product.v += first * member.far_taps * product.term_pitch;
            product.terms = (last - first) * member.far_taps;
            product.continues = first > 0 || member.shares_products;
            const int points = member.form.points();
            for (int point = 0; point < points; ++point) {
                if (last == in_channels) outputs.fetch();
                wanted.fetch();
                taps.advance();
                product.u = u + member.form.weight_point(point) * u_pitch;
                product.next =
                    point + 1 < points ? u + member.form.weight_point(point + 1) * u_pitch : product.u;
                product.next_v = point + 1 < points ? product.v + v_pitch : product.v;
                op.products_.multiply(product);
                product.v += v_pitch;
                product.m += m_pitch;
            }
        }
    }
}

template <class T>
void WinogradPhases<T>::Call::store(const Place& at, Index channel_block, char* own) const {
    // Members whose outputs share rows: of transposed correlations, phases of the columns; else all.
    const std::size_t together =
        op.is_strided_ ? op.members_.size() : static_cast<std::size_t>(op.y_step_.back());
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
    const Index count = op.is_strided_ ? static_cast<Index>(op.members_.size()) : phases;
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
    output.row_pitch = op.row_pitch(block);
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
            output.adds = op.is_strided_ && p > 0;
            output.bias = output.adds ? nullptr : own_bias;
            output.to = own_rows + (op.is_strided_ ? 0 : p * phase_pitch);
            members[p].kernel.transform_output(output);
        }
        for (Index oc = 0; oc < output.channels; ++oc)
            for (Index row = 0; row < row_count; ++row) {
                const T* const from = own_rows + oc * output.channel_pitch + row * output.row_pitch;
                T* const out = to + (channel + oc) * y.stride[2] + row * row_step;
                if (column_step == 1 && !accumulates) {
                    op.rows_.interleave(from, phase_pitch, phases, outputs, out);
                    continue;
                }
                for (Index i = 0; i < outputs; ++i) {
                    const T sum = from[i % phases * phase_pitch + i / phases];
                    out[i * column_step] = accumulates ? out[i * column_step] + sum : sum;
                }
            }
    }
    epilogue.finish(to, all_channels, y.stride[2], row_count, row_step, outputs, column_step);
}

template <class T>
void WinogradPhases<T>::Call::operator()(Index task, int worker) {
    const Index chunk = task % channel_chunks, tiles = task / channel_chunks;
    const Place at = place(tiles);
    char* const own = workspace + worker * parts.end;
    char* const v = own + parts.v;
    // Each thread transforms for itself: what another one wrote is far away.
    Index& transformed = transformed_by_worker[static_cast<std::size_t>(worker)];
    if (transformed != tiles) transform(at, v, own);
    transformed = tiles;
    const Index first = chunk * block.channel_blocks;
    const Index last = min_index(first + block.channel_blocks, op.channel_blocks());
    T* const turned = reinterpret_cast<T*>(own + parts.turned);
    TapsAhead taps(op, *weights, at.group, turned, turned + op.turned_scratch(op.channels_at_once()));
    if (!packed && !weights->turned)
        taps.begin(first, 0, min_index(op.problem_.in_channels, op.channels_at_once()));
    for (Index b = first; b < last; ++b) {
        multiply(at, b, last, taps, v, own);
        store(at, b, own);
    }
}

template <class T>
void WinogradPhases<T>::Call::share_out(int threads) {
    block.units = min_index(block.units, batch);
    unit_blocks = ceil_divide(batch, block.units);
    for (std::size_t a = 0; a < op.layout_.far_axes(); ++a) far_outputs *= op.layout_.axes[a].out;
    row_blocks = ceil_divide(op.tile_rows(), block.rows);
    column_blocks = ceil_divide(op.tile_columns(), block.columns);
    if (threads > 1 && tile_blocks() < tasks_per_thread * threads) {
        channel_chunks =
            min_index(op.channel_blocks(), ceil_divide(tasks_per_thread * threads, tile_blocks()));
        block.channel_blocks = ceil_divide(op.channel_blocks(), channel_chunks);
        channel_chunks = ceil_divide(op.channel_blocks(), block.channel_blocks);
    }
}

template <class T>
void WinogradPhases<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                            const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    Problem work = problem_;
    if (!is_strided_)  // each tap meets each input cell about once
        for (Axis& axis : work.axes) axis.out = axis.in;
    const Index products = saturating_multiply(batch, multiply_adds(work));
    threads = products < parallel_multiply_adds ? 1 : most_threads(threads);

    Head head;
    std::memcpy(&head, packed, sizeof head);
    const bool has_points = head.form == Form::points;
    const Weights weights = has_points ? Weights{} : weights_of(packed);
    const T* const points = reinterpret_cast<const T*>(static_cast<const char*>(packed) + head_bytes());
    Call call{*this,
              batch,
              x,
              y,
              has_points ? points : nullptr,
              &weights,
              epilogue,
              accumulate,
              layout_.spatial_strides(x.stride),
              layout_.spatial_strides(y.stride),
              block_,
              {}};
    call.share_out(threads);
    const Index blocks = call.tile_blocks();
    const bool transforms_first =
        !has_points && blocks > few_tile_blocks && !keeps_taps() && transformed_bytes() <= workspace_limit();
    const Index tasks = call.task_count();
    const int wanted = threads;
    threads = static_cast<int>(min_index(tasks, threads));
    call.parts = parts(call.block, !has_points);
    call.transformed_by_worker.assign(static_cast<std::size_t>(threads), -1);
    const Index u_begin = call.parts.end * wanted;
    Workspace workspace(u_begin + (transforms_first ? transformed_bytes() : 0));
    call.workspace = workspace.data();
    if (transforms_first) {
        T* const u = reinterpret_cast<T*>(workspace.data() + u_begin);
        transform_weights(weights, u, workspace.data() + call.parts.turned, call.parts.end, wanted);
        call.packed = u;
    }
    parallel_for(tasks, threads, call);
}

template void WinogradPhases<float>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                         bool, int) const;
template void WinogradPhases<double>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                          bool, int) const;

}  // namespace faltung
