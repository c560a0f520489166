#include "kernels/winograd_phases/winograd_phases.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/threads.h"
#include "kernels/transposed/covering.h"

namespace faltung {

namespace {

// The transformed input of a block of tiles comes from L2 or L3 for each block of output channels.
constexpr Index v_budget_bytes = Index(1) << 20;
// Each transformed weight that is fetched serves so many products.
constexpr Index fewest_tiles = 16, most_tiles = 48;

// More transformed weights than L3 keeps would come from memory in each call.
constexpr Index many_weight_bytes = Index(8) << 20;
// Of one phase's weights, transformed when they are wanted, and of their taps, which are there twice.
constexpr Index u_budget_bytes = 288 << 10, turned_budget_bytes = 128 << 10;

constexpr Index workspace_floor_bytes = Index(64) << 20;
constexpr Index parallel_pack_bytes = 128 << 10;
constexpr Index most_members = 512;

// Of the input along a strided axis: cells `first`, `first` + stride, ... and the taps that meet them. In
// order of the taps, so that `tap_step` is negative.
struct InputPhases {
    std::vector<Phase> phases;
    std::vector<Index> first;
};

InputPhases input_phases(const Axis& axis) {
    InputPhases all;
    for (Index f = 0; f < min_index(axis.stride, axis.kernel); ++f) {
        const Index taps = ceil_divide(axis.kernel - f, axis.stride), offset = f - axis.before;
        const Index whole = offset >= 0 ? offset / axis.stride : -ceil_divide(-offset, axis.stride);
        all.first.push_back(offset - whole * axis.stride);
        all.phases.push_back({0, axis.out, f + (taps - 1) * axis.stride, -axis.stride, taps, 1, -whole});
    }
    return all;
}

// All taps of an axis that is not transformed.
Phase far_phase(const Axis& axis) {
    return {0, axis.out, axis.kernel - 1, -1, axis.kernel, axis.dilation, axis.before};
}

bool is_served(const Phase& phase) {
    return phase.taps >= 1 && phase.taps <= most_phase_taps && (phase.taps == 1 || phase.dilation == 1);
}

// What one output costs in products of vectors, and a weight that many or few tiles share.
double cost_of(const std::vector<Phase>& rows, const std::vector<Phase>& columns, Index row_outputs,
               Index column_outputs) {
    const auto points = [](const std::vector<Phase>& axis, Index outputs) {
        double sum = 0;
        for (const Phase& phase : axis) sum += double(outputs + phase.taps - 1);
        return sum;
    };
    const double tiles = double(ceil_divide(rows.front().count, row_outputs)) *
                         double(ceil_divide(columns.front().count, column_outputs));
    constexpr double few = 6, transform = 2;  // tiles
    return points(rows, row_outputs) * points(columns, column_outputs) * (std::max(tiles, few) + transform);
}

}  // namespace

const char* why_not_winograd_phases(const Problem& problem, Type type) {
    if (type == Type::uint64) return "it rounds, and integers are to be exact";
    if (problem.in_channels < 1 || outputs(problem.axes) < 1) return "there is nothing to multiply";
    const bool is_strided = problem.phases.empty();
    if (is_strided && problem.border != Border::zeros && problem.border != Border::absent)
        return "it needs borders of zeros";
    const Layout layout(is_strided ? problem : covering(problem));
    std::vector<std::vector<Phase>> phases;
    if (!is_strided) phases = phases_of(problem, layout);
    bool saves = false;
    Index members = 1;
    for (std::size_t a = 0; a < layout.axes.size(); ++a) {
        const bool is_far = a < layout.far_axes();
        const Axis& axis = layout.axes[a];
        if (is_strided) {
            if (!is_far && axis.kernel > 1 && axis.dilation > 1) return "it needs taps that are not dilated";
            if (!is_far && axis.kernel > axis.stride * most_phase_taps)
                return "it needs at most 3 taps for each step of the stride";
            if (is_far) {
                phases.push_back({far_phase(axis)});
            } else {
                phases.push_back(input_phases(axis).phases);
            }
        }
        members = saturating_multiply(members, Index(phases[a].size()));
        for (const Phase& phase : phases[a]) {
            if (is_far) {
                if (phase.taps < 1) return "some phase has no tap";
                continue;
            }
            if (!is_served(phase))
                return "it needs 1 to 3 taps, not dilated, in each phase of the last two axes";
            saves |= phase.taps > 1;
        }
    }
    if (!saves) return "it needs several taps in some phase";
    if (members > most_members) return "there are too many phases";
    return nullptr;
}

template <class T>
WinogradPhases<T>::WinogradPhases(const Problem& problem, const KernelOf& kernel_of,
                                  const WinogradKernel<T>& products, const PhaseRows<T>& rows)
    : problem_(problem),
      layout_(problem.phases.empty() ? problem : covering(problem)),
      products_(products),
      rows_(rows),
      is_strided_(problem.phases.empty()) {
    make_phases();
    const std::vector<Phase>&along_rows = phases_[phases_.size() - 2], &along_columns = phases_.back();
    const bool has_rows = layout_.rows().out > 1 || along_rows.size() > 1 || along_rows.front().taps > 1;
    form_rows_ = has_rows ? 4 : 1;
    form_columns_ = 4;
    if (has_rows && cost_of(along_rows, along_columns, 2, 2) < cost_of(along_rows, along_columns, 4, 4))
        form_rows_ = form_columns_ = 2;
    make_members(kernel_of);
    const Index block = saturating_multiply(
        saturating_multiply(saturating_multiply(problem.in_channels, far_taps_) + 1, u_points_),
        products_.channel_block * Index(sizeof(T)));
    const Index taps = saturating_multiply(saturating_multiply(problem.in_channels, kernel_taps()),
                                           products_.channel_block * Index(sizeof(T)));
    if (saturating_multiply(saturating_multiply(problem.groups, channel_blocks()), max_index(block, taps)) ==
        saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
    choose_block();
}

template <class T>
void WinogradPhases<T>::make_phases() {
    if (!is_strided_) {
        phases_ = phases_of(problem_, layout_);
        for (const auto& phases : phases_) {
            x_step_.push_back(1);
            x_first_.push_back(std::vector<Index>(phases.size(), 0));
            y_step_.push_back(static_cast<Index>(phases.size()));
        }
        return;
    }
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        const Axis& axis = layout_.axes[a];
        const bool is_far = a < layout_.far_axes();
        const InputPhases input = is_far ? InputPhases{{far_phase(axis)}, {0}} : input_phases(axis);
        phases_.push_back(input.phases);
        x_first_.push_back(input.first);
        x_step_.push_back(axis.stride);
        y_step_.push_back(1);
    }
}

template <class T>
void WinogradPhases<T>::make_members(const KernelOf& kernel_of) {
    const std::size_t axes = phases_.size(), far_axes = layout_.far_axes();
    std::vector<Index> step(axes);  // of the kernel's axes, its taps numbered row by row
    for (std::size_t a = 0; a < axes; ++a) {
        step[a] = 1;
        for (std::size_t k = static_cast<std::size_t>(layout_.origin[a] + 1);
             layout_.origin[a] >= 0 && k < problem_.axes.size(); ++k)
            step[a] *= problem_.axes[k].kernel;
    }
    Index count = 1;
    for (const auto& phases : phases_) count *= static_cast<Index>(phases.size());
    for (Index place = 0; place < count; ++place) {
        Member member;
        member.axes.resize(axes);
        Index rest = place, all_taps = 1;
        for (std::size_t a = axes; a-- > 0;) {
            const Index of_axis = static_cast<Index>(phases_[a].size());
            member.axes[a] = &phases_[a][static_cast<std::size_t>(rest % of_axis)];
            member.x_first.insert(member.x_first.begin(),
                                  x_first_[a][static_cast<std::size_t>(rest % of_axis)]);
            rest /= of_axis;
            all_taps *= member.axes[a]->taps;
        }
        const Phase &rows = *member.axes[far_axes], &columns = *member.axes[far_axes + 1];
        member.form = {form_rows_, static_cast<int>(rows.taps), form_columns_,
                       static_cast<int>(columns.taps)};
        member.kernel = kernel_of(member.form);
        member.far_taps = all_taps / member.form.taps();
        for (Index tap = 0; tap < all_taps; ++tap) {
            Index left = tap, number = 0;
            for (std::size_t a = axes; a-- > 0;) {
                const Phase& phase = *member.axes[a];
                number += (phase.tap + (phase.taps - 1 - left % phase.taps) * phase.tap_step) * step[a];
                left /= phase.taps;
            }
            member.number.push_back(number);
        }
        const auto meets_the_same = [&](const Member& other) {
            for (std::size_t a = 0; a < axes; ++a) {
                const Phase &one = *member.axes[a], &two = *other.axes[a];
                if (one.taps != two.taps || one.before != two.before || one.count != two.count ||
                    one.dilation != two.dilation || member.x_first[a] != other.x_first[a])
                    return false;
            }
            return true;
        };
        const auto same = std::find_if(members_.begin(), members_.end(), meets_the_same);
        member.shares_input = same != members_.end();
        member.u = u_points_;
        const auto alike = std::find_if(members_.begin(), members_.end(), [&](const Member& other) {
            return is_strided_ && other.form.row_taps == member.form.row_taps &&
                   other.form.column_taps == member.form.column_taps;
        });
        member.shares_products = alike != members_.end();
        member.m = member.shares_products ? alike->m : m_points_;
        member.v = member.shares_input ? same->v : v_points_;
        u_points_ += member.form.weight_points();
        if (!member.shares_products) m_points_ += member.form.points();
        points_ += member.form.points();
        if (!member.shares_input) v_points_ += member.form.points();
        far_taps_ = max_index(far_taps_, member.far_taps);
        most_u_points_ = max_index(most_u_points_, member.form.weight_points());
        members_.push_back(std::move(member));
    }
}

template <class T>
void WinogradPhases<T>::choose_block() {
    const Index terms = saturating_multiply(problem_.in_channels, far_taps_);
    const Index tile_bytes = saturating_multiply(terms, v_points_ * Index(sizeof(T)));
    const Index wanted =
        max_index(fewest_tiles, min_index(most_tiles, v_budget_bytes / max_index(tile_bytes, 1)));
    // Blocks of about the same size.
    const auto even = [](Index all, Index most) { return ceil_divide(all, ceil_divide(all, most)); };
    block_.columns = even(tile_columns(), wanted);
    block_.rows = even(tile_rows(), max_index(1, wanted / block_.columns));
    if (block_.rows == tile_rows() && block_.columns == tile_columns())
        block_.units = max_index(1, wanted / block_.tiles());
    block_.channel_blocks = channel_blocks();
    if (parts(block_, true).end > workspace_limit())
        throw std::invalid_argument(
            "algorithm 'winograd' does not serve this problem: too many input channels for its workspace");
}

template <class T>
Index WinogradPhases<T>::v_pitch(const Block& block) const {
    constexpr Index line = workspace_alignment / Index(sizeof(T));
    const Index term = products_.term_pitch(saturating_multiply(block.units, block.rows), block.columns);
    const Index elements = saturating_add(saturating_multiply(terms(), term), products_.lanes);
    return elements >= saturated / line ? saturated : (ceil_divide(elements, line) | 1) * line;
}

template <class T>
Index WinogradPhases<T>::v_bytes(const Block& block) const {
    return saturating_multiply(saturating_multiply(v_points_, v_pitch(block)), sizeof(T));
}

// An odd number of cache lines: the way back walks from point to point.
template <class T>
Index WinogradPhases<T>::m_pitch(const Block& block) const {
    constexpr Index line = workspace_alignment / Index(sizeof(T));
    return (ceil_divide(block.units * block.tiles() * products_.channel_block, line) | 1) * line;
}

template <class T>
Index WinogradPhases<T>::channels_at_once() const {
    const Index bytes = far_taps_ * most_u_points_ * products_.channel_block * Index(sizeof(T));
    const Index turned = kernel_taps() * products_.channel_block * Index(sizeof(T));
    const Index most = max_index(1, min_index(u_budget_bytes / bytes, turned_budget_bytes / turned));
    return ceil_divide(problem_.in_channels, ceil_divide(problem_.in_channels, most));
}

template <class T>
Index WinogradPhases<T>::u_pitch() const {
    constexpr Index line = workspace_alignment / Index(sizeof(T));
    return (ceil_divide(channels_at_once() * far_taps_ * products_.channel_block, line) | 1) * line;
}

template <class T>
Index WinogradPhases<T>::row_pitch(const Block& block) const {
    return round_up(block.columns * form_columns_, PhaseKernel<T>::column_block) + products_.lanes;
}

template <class T>
typename WinogradPhases<T>::Parts WinogradPhases<T>::parts(const Block& block, bool transforms) const {
    Index place = 0;
    const auto take = [&](Index count, Index size) {
        const Index begin = place, bytes = saturating_multiply(count, size);
        place = bytes == saturated
                    ? saturated
                    : min_index(saturated, saturating_add(place, round_up(bytes, workspace_alignment)));
        return begin;
    };
    Parts parts;
    constexpr Index size = sizeof(T);
    Index scratch = 0;
    for (const Member& member : members_)
        scratch = max_index(
            scratch, PhaseKernel<T>::scratch_elements(member.form, products_.tile_pitch(block.columns)));
    const Index column_phases = y_step_.back();
    parts.v = take(v_bytes(block), 1);
    parts.m = take(m_points_ * m_pitch(block), size);
    parts.u = take(transforms ? most_u_points_ * u_pitch() : 0, size);
    parts.turned = take(transforms ? 2 * turned_scratch(channels_at_once()) : 0, size);
    parts.scratch = take(scratch, size);
    parts.gathered = take(block_slots(block) * (block_columns(block) + products_.lanes), size);
    parts.tables = take(2 * block_slots(block), sizeof(Index));
    parts.rows = take(column_phases * products_.lanes * form_rows_ * row_pitch(block), size);
    parts.end = place;
    return parts;
}

template <class T>
Index WinogradPhases<T>::workspace_limit() const {
    Index in = 1;
    for (const Axis& axis : problem_.axes) in = saturating_multiply(in, axis.in);
    const Index of_input = saturating_multiply(in, problem_.in_channels);
    const Index of_output = saturating_multiply(outputs(problem_.axes), problem_.out_channels);
    const Index of_weights =
        saturating_multiply(kernel_taps(), saturating_multiply(problem_.in_channels, problem_.out_channels));
    const Index all = saturating_add(saturating_add(of_input, of_output), of_weights);
    return max_index(workspace_floor_bytes,
                     saturating_multiply(saturating_multiply(problem_.groups, all), sizeof(T)) / 4);
}

template <class T>
int WinogradPhases<T>::most_threads(int threads) const {
    return static_cast<int>(
        max_index(1, min_index(min_index(threads, thread_limit), workspace_limit() / panel_bytes())));
}

template <class T>
Index WinogradPhases<T>::panel_bytes() const {
    return parts(block_, true).end;
}

template <class T>
Index WinogradPhases<T>::workspace_bytes(int threads) const {
    return panel_bytes() * most_threads(threads);
}

template <class T>
bool WinogradPhases<T>::keeps_taps() const {
    return transformed_bytes() > many_weight_bytes;
}

template <class T>
Index WinogradPhases<T>::packed_bytes() const {
    return head_bytes() + (keeps_taps() ? turned_bytes() : transformed_bytes());
}

template <class T>
std::vector<Index> WinogradPhases<T>::packed_layout() const {
    std::vector<Index> key{
        Index(sizeof(T)), products_.channel_block, products_.lanes,       form_rows_,
        form_columns_,    problem_.groups,         problem_.out_channels, problem_.in_channels};
    for (const Axis& axis : problem_.axes) key.push_back(axis.kernel);
    key.push_back(is_strided_);
    for (std::size_t a = 0; a < phases_.size(); ++a) {
        key.push_back(layout_.origin[a]);
        for (const Phase& phase : phases_[a])
            for (Index number : {phase.tap, phase.tap_step, phase.taps}) key.push_back(number);
    }
    return key;
}

template <class T>
typename WinogradPhases<T>::Weights WinogradPhases<T>::weights_of(const Array& weight) const {
    Weights weights{weight, nullptr, true, true};
    Index step = 1;
    for (std::size_t a = problem_.axes.size(); a-- > 0; step *= problem_.axes[a].kernel) {
        if (problem_.axes[a].kernel == 1) continue;
        weights.is_run = weights.is_run && weight.stride[outer_axes + a] == step;
        weights.is_reversed = weights.is_reversed && weight.stride[outer_axes + a] == -step;
    }
    weights.is_reversed = weights.is_reversed && !weights.is_run;
    return weights;
}

template <class T>
typename WinogradPhases<T>::Weights WinogradPhases<T>::weights_of(const void* packed) const {
    Head head;
    std::memcpy(&head, packed, sizeof head);
    const char* const data = static_cast<const char*>(packed);
    if (head.form == Form::turned) return {{}, reinterpret_cast<const T*>(data + head_bytes()), false, false};
    Array weight{const_cast<void*>(head.weight), {}};
    weight.stride.resize(outer_axes + problem_.axes.size());
    std::memcpy(weight.stride.data(), data + sizeof head, weight.stride.size() * sizeof(Index));
    return weights_of(weight);
}

template <class T>
void WinogradPhases<T>::prefetch_taps(const Weights& weights, Index group, Index channel_block,
                                      Index channel) const {
    if (channel >= problem_.in_channels || !(weights.is_run || weights.is_reversed)) return;
    constexpr Index line = workspace_alignment / Index(sizeof(T));
    const Array& array = weights.array;
    const Index taps = kernel_taps(), first = channel_block * products_.channel_block;
    const Index channels = min_index(products_.channel_block, problem_.out_channels - first);
    const T* from = static_cast<const T*>(array.data) + group * array.stride[0] + first * array.stride[1] +
                    channel * array.stride[2] - (weights.is_reversed ? taps - 1 : 0);
    if (array.stride[1] == taps) {
        for (Index at = 0; at < channels * taps; at += line) __builtin_prefetch(from + at);
        return;
    }
    for (Index oc = 0; oc < channels; ++oc, from += array.stride[1])
        for (Index at = 0; at < taps; at += line) __builtin_prefetch(from + at);
}

// The taps of one input channel and block of output channels: turned[vector of channels][tap][lane].
template <class T>
void WinogradPhases<T>::turn(const Weights& weights, Index group, Index channel_block, Index channel,
                             T* turned) const {
    const Array& array = weights.array;
    const Index lanes = products_.lanes, taps = kernel_taps(),
                first = channel_block * products_.channel_block;
    const T* from = static_cast<const T*>(array.data) + group * array.stride[0] + first * array.stride[1] +
                    channel * array.stride[2];
    for (Index vector = 0; vector < vectors(); ++vector, turned += taps * lanes) {
        const Index channels = max_index(0, min_index(lanes, problem_.out_channels - first - vector * lanes));
        const T* const channel_0 = from + (channels > 0 ? vector * lanes * array.stride[1] : 0);
        if (weights.is_run || weights.is_reversed) {
            const Index last = weights.is_reversed ? taps - 1 : 0;
            members_.front().kernel.turn(channel_0 - last, array.stride[1], channels, taps, turned);
            continue;
        }
        for (Index tap = 0; tap < taps; ++tap) {
            Index rest = tap, offset = 0;
            for (std::size_t a = problem_.axes.size(); a-- > 0; rest /= problem_.axes[a].kernel)
                offset += rest % problem_.axes[a].kernel * array.stride[outer_axes + a];
            for (Index lane = 0; lane < lanes; ++lane)
                turned[tap * lanes + lane] =
                    lane < channels ? channel_0[offset + lane * array.stride[1]] : T(0);
        }
    }
}

template <class T>
void WinogradPhases<T>::transform_weights(const Weights& weights, T* u, char* scratch, Index scratch_pitch,
                                          int threads) const {
    const Index blocks = channel_blocks();
    auto transform_block = [&](Index task, int worker) {
        T* const turned = reinterpret_cast<T*>(scratch + worker * scratch_pitch);
        T* const to = u + task * packed_block();
        for (Index channel = 0; channel < problem_.in_channels; ++channel) {
            prefetch_taps(weights, task / blocks, task % blocks, channel + 3);
            turn(weights, task / blocks, task % blocks, channel, turned);
            for (const Member& member : members_)
                transform_taps(
                    weights, member, turned, 1,
                    to + member.u * packed_panel() + channel * member.far_taps * products_.channel_block,
                    packed_panel());
        }
    };
    parallel_for(problem_.groups * blocks, threads, transform_block);
}

// To the points of one phase.
template <class T>
void WinogradPhases<T>::transform_taps(const Weights& weights, const Member& member, const T* turned,
                                       Index channels, T* u, Index pitch) const {
    const Index lanes = products_.lanes, taps = kernel_taps(), width = products_.channel_block;
    const bool is_reversed = weights.is_reversed;
    PhaseWeight<T> part;
    part.turned = turned + (is_reversed ? (taps - 1) * lanes : 0);
    part.turned_vector = taps * lanes;
    part.turned_term = turned_elements(1);
    part.step = is_reversed ? -lanes : lanes;
    part.terms = channels;
    part.vectors = vectors();
    part.u_term = member.far_taps * width;
    part.u_pitch = pitch;
    for (Index far = 0; far < member.far_taps; ++far) {
        part.number = member.number.data() + far * member.form.taps();
        part.u = u + far * width;
        member.kernel.transform_weight(part);
    }
}

template <class T>
void WinogradPhases<T>::pack(const Array& weight, void* packed, int threads) const {
    std::memset(packed, 0, static_cast<std::size_t>(head_bytes()));
    const Head head{keeps_taps() ? Form::turned : Form::points, nullptr};
    std::memcpy(packed, &head, sizeof head);
    T* const to = reinterpret_cast<T*>(static_cast<char*>(packed) + head_bytes());
    const Weights weights = weights_of(weight);
    threads = packed_bytes() < parallel_pack_bytes ? 1 : static_cast<int>(min_index(threads, thread_limit));
    const Index elements = turned_elements(1);
    const Index scratch_pitch = round_up(turned_scratch(1) * Index(sizeof(T)), workspace_alignment);
    const AlignedBuffer buffer(threads * scratch_pitch);
    if (head.form == Form::points)
        return transform_weights(weights, to, buffer.data(), scratch_pitch, threads);
    const Index blocks = channel_blocks();
    auto turn_block = [&](Index task, int worker) {
        T* const turned = reinterpret_cast<T*>(buffer.data() + worker * scratch_pitch);
        for (Index channel = 0; channel < problem_.in_channels; ++channel) {
            prefetch_taps(weights, task / blocks, task % blocks, channel + 3);
            turn(weights, task / blocks, task % blocks, channel, turned);
            T* const place = to + task * turned_block() + channel * elements;
            if (!weights.is_reversed) {
                std::memcpy(place, turned, static_cast<std::size_t>(elements) * sizeof(T));
                continue;
            }
            const Index lanes = products_.lanes, taps = kernel_taps();
            for (Index v = 0; v < vectors(); ++v)
                for (Index tap = 0; tap < taps; ++tap)
                    std::memcpy(place + (v * taps + tap) * lanes,
                                turned + (v * taps + taps - 1 - tap) * lanes,
                                static_cast<std::size_t>(lanes) * sizeof(T));
        }
    };
    parallel_for(problem_.groups * blocks, threads, turn_block);
}

template <class T>
void WinogradPhases<T>::borrow(const Array& weight, void* packed) const {
    const Head head{Form::borrowed, weight.data};
    std::memcpy(packed, &head, sizeof head);
    std::memcpy(static_cast<char*>(packed) + sizeof head, weight.stride.data(),
                weight.stride.size() * sizeof(Index));
}

template class WinogradPhases<float>;
template class WinogradPhases<double>;

}  // namespace faltung
