// One call: tiles of the input transformed, multiplied with weights, transformed back, interleaved.
#include "kernels/winograd_phases/winograd_phases_call.h"

#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

namespace {

// Weights that are not transformed are so anew for each of so many blocks of tiles, or their taps are turned
// anew and summed; for more, once, to memory.
constexpr Index few_tile_blocks = 2, few_summed_tile_blocks = 8;

// What sharing out reckons with: cycles of a row of tiles and of one more, for 25 points of a term; of a row
// of a strided input, copied; of a vector of transformed weights and of a point of it; and bytes a cycle of
// weights that no cache of the core's own keeps.
constexpr double row_cycles = 100, tile_cycles = 6.5, copied_row_cycles = 30;
constexpr double weight_vector_cycles = 12, weight_point_cycles = 2.5;

}  // namespace

template <class T>
WinogradProduct<T> WinogradPhases<T>::Call::product_of(const Place& at, const Member& member,
                                                       Index channel_block, const char* v, char* own) const {
    WinogradProduct<T> product;
    product.u_term = product.next_pitch = op.products_.channel_block;
    product.u_vector = op.products_.lanes;
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
    const Index most = packed && !op.sums_members_ ? in_channels : op.channels_at_once();
    const Index u_pitch = packed ? op.packed_panel() : op.u_pitch(), turned_channel = op.turned_elements(1);
    T* const own_u = reinterpret_cast<T*>(own + parts.u);
    RowsAhead outputs = outputs_ahead(at, channel_block);
    for (Index first = 0; first < in_channels; first += most) {
        const Index last = min_index(in_channels, first + most);
        const T* turned = nullptr;
        const T *wanted = nullptr, *wanted_end = nullptr;
        if (!packed && weights->turned) {
            turned = weights->turned + block_number * op.turned_block() + first * turned_channel;
            wanted = turned + (last - first) * turned_channel;
            wanted_end = wanted + most * turned_channel;
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
            const bool sums_taps = !packed && member.sums_taps(at.tiles);
            if (!packed && !sums_taps)
                op.transform_taps(*weights, member, turned, last - first, own_u, u_pitch);
            WinogradProduct<T> product = product_of(at, member, channel_block, v, own);
            product.v += first * member.far_taps * product.term_pitch;
            product.terms = (last - first) * member.far_taps;
            product.continues = first > 0 || member.shares_products;
            const int points = member.form.points();
            for (int point = 0; point < points; ++point) {
                if (last == in_channels) outputs.fetch();
                taps.advance();
                if (sums_taps) {
                    op.sum_taps(*weights, member, turned, point, product);
                    product.next = product.u;
                } else {
                    product.u = u + member.form.weight_point(point) * u_pitch;
                    product.next =
                        point + 1 < points ? u + member.form.weight_point(point + 1) * u_pitch : product.u;
                }
                if (wanted) {
                    product.next = wanted;
                    product.next_pitch = ceil_divide(most * turned_channel, op.points_ * product.terms);
                    wanted = std::min(wanted_end, wanted + product.next_pitch * product.terms);
                }
                product.next_v = point + 1 < points ? product.v + v_pitch : product.v;
                op.products_.multiply(product);
                product.v += v_pitch;
                product.m += m_pitch;
            }
        }
    }
}

template <class T>
void WinogradPhases<T>::Call::operator()(Index number, int worker) {
    const TileTask& task = tasks.task(number);
    const Place at = tasks.at(task);
    char* const own = workspace + worker * parts.end;
    char* const v = own + parts.v;
    // Each thread transforms for itself: what another one wrote is far away.
    Index& transformed = transformed_by_worker[worker];
    if (transformed != task.block) transform(at, v, own);
    transformed = task.block;
    const Index first = task.first_channel_block, last = first + at.tiles.channel_blocks;
    T* const turned = reinterpret_cast<T*>(own + parts.turned);
    TapsAhead taps(op, weights, at.group, turned, turned + op.turned_scratch(op.channels_at_once()));
    if (!packed && !weights->turned)
        taps.begin(first, 0, min_index(op.problem_.in_channels, op.channels_at_once()));
    for (Index b = first; b < last; ++b) {
        multiply(at, b, last, taps, v, own);
        store(at, b, own);
    }
}

template <class T>
TileWork WinogradPhases<T>::tile_work(Index batch, bool transforms) const {
    TileWork work{problem_.groups, batch, tile_rows(), tile_columns(), channel_blocks(), block_, 0, 0, 0};
    work.block.units = min_index(work.block.units, batch);
    const double channels = double(problem_.in_channels), columns = double(work.block.columns);
    double there = 0, products = 0, made = 0;
    for (const Member& member : members_) {
        const double far = double(member.far_taps), points = double(member.form.points());
        if (!member.shares_input) {
            there += far * points / 25 * (row_cycles + tile_cycles * columns);
            if (x_step_.back() > 1) there += far * form_rows_ * copied_row_cycles;
        }
        products += far * points;
        if (!member.sums_taps(work.block))
            made += far * (weight_vector_cycles + weight_point_cycles * double(member.form.weight_points()));
    }
    work.row_cycles = channels * there;
    work.product_cycles = channels * double(vectors()) * products;
    if (transforms) {
        work.weight_cycles = channels * double(vectors()) * made +
                             fetching_cycles(turned_block() * Index(sizeof(T)), turned_bytes());
    } else {
        work.weight_cycles = fetching_cycles(packed_block() * Index(sizeof(T)), transformed_bytes());
    }
    return work;
}

template <class T>
void WinogradPhases<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                            const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    const Index products = saturating_multiply(
        batch, sums_members_ ? multiply_adds(problem_) : scattered_multiply_adds(problem_));
    threads =
        products < parallel_multiply_adds ? 1 : winograd_threads(threads, workspace_limit(), panel_bytes());

    const std::optional<Weights> weights = weights_of(packed);
    const T* const behind_head = reinterpret_cast<const T*>(static_cast<const char*>(packed) + head_bytes());
    const Index few_blocks = sums_taps(block_) ? few_summed_tile_blocks : few_tile_blocks;
    const bool transforms_first = weights && tile_blocks(layout_, tile_work(batch, false)) > few_blocks &&
                                  !keeps_turned() && transformed_bytes() <= workspace_limit();
    const TileWork work = tile_work(batch, weights && !transforms_first);
    Call call{{layout_, x, y, epilogue, accumulate},
              *this,
              weights ? nullptr : behind_head,
              weights ? &*weights : nullptr,
              TileTasks(layout_, work, threads)};
    const Index tasks = call.tasks.count();
    const int wanted = threads;
    threads = static_cast<int>(min_index(tasks, threads));
    call.parts = parts(work.block, weights.has_value());
    call.transformed_by_worker.forget(threads);
    const Index u_begin = call.parts.end * wanted;
    Workspace workspace(u_begin + (transforms_first ? transformed_bytes() : 0));
    call.workspace = workspace.data();
    if (transforms_first) {
        T* const u = reinterpret_cast<T*>(workspace.data() + u_begin);
        transform_weights(*weights, u, workspace.data() + call.parts.turned, call.parts.end, wanted);
        call.packed = u;
    }
    parallel_for(tasks, threads, call, call.tasks.starts(threads));
}

template TileWork WinogradPhases<float>::tile_work(Index, bool) const;
template TileWork WinogradPhases<double>::tile_work(Index, bool) const;
template void WinogradPhases<float>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                         bool, int) const;
template void WinogradPhases<double>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                          bool, int) const;

}  // namespace faltung
