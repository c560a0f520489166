#include "kernels/winograd_phases/winograd_phases.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/transposed/covering.h"
#include "kernels/winograd_phases/input_phases.h"

namespace faltung {

namespace {

// The transformed input of a block of tiles comes from L2 or L3 for each block of output channels.
constexpr Index v_budget_bytes = Index(1) << 20;
// Each transformed weight that is fetched serves so many products.
constexpr Index fewest_tiles = 16, most_tiles = 48;

// More transformed weights than L3 keeps would come from memory in each call; those that are sums of a few
// taps come more slowly from L3 than their taps from L2.
constexpr Index many_weight_bytes = Index(8) << 20, many_summed_bytes = Index(4) << 20;
// Of one phase's weights, transformed when they are wanted, and of their taps, which are there twice.
constexpr Index u_budget_bytes = 288 << 10, turned_budget_bytes = 100 << 10;

constexpr Index most_members = 512;

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

bool has_taps(const std::vector<Phase>& axis) {
    return std::any_of(axis.begin(), axis.end(), [](const Phase& phase) { return phase.taps > 1; });
}

bool has_most_taps(const std::vector<Phase>& axis) {
    return std::any_of(axis.begin(), axis.end(),
                       [](const Phase& phase) { return phase.taps == most_phase_taps; });
}

// Outputs of a tile along rows and columns.
struct TileOutputs {
    int rows, columns;
    double cost;
};

TileOutputs best_outputs(const std::vector<Phase>& rows, const std::vector<Phase>& columns) {
    TileOutputs best{has_taps(rows) ? 4 : 1, has_taps(columns) ? 4 : 1, 0};
    best.cost = cost_of(rows, columns, best.rows, best.columns);
    if (best.rows != best.columns || has_most_taps(rows) || has_most_taps(columns)) return best;
    const double by_two = cost_of(rows, columns, 2, 2);
    return by_two < best.cost ? TileOutputs{2, 2, by_two} : best;
}

// Of the pieces that a kernel is taken in.
Index piece_taps(const Layout& layout) {
    const auto cost = [&](Index most) {
        return best_outputs(input_phases(layout.rows(), most).phases,
                            input_phases(layout.columns(), most).phases)
            .cost;
    };
    return cost(most_phase_taps) < cost(most_phase_taps - 1) ? most_phase_taps : most_phase_taps - 1;
}

}  // namespace

const char* why_not_winograd_phases(const Problem& problem, Type type) {
    if (type == Type::uint64) return "it rounds, and integers are to be exact";
    if (problem.in_channels < 1 || outputs(problem.axes) < 1) return "there is nothing to multiply";
    const bool is_summed = problem.phases.empty();
    if (is_summed && problem.border != Border::zeros && problem.border != Border::absent)
        return "it needs borders of zeros";
    const Layout layout(is_summed ? problem : covering(problem));
    std::vector<std::vector<Phase>> phases;
    if (!is_summed) phases = phases_of(problem, layout);
    bool saves = false;
    Index members = 1;
    for (const Axis& axis : layout.axes)
        if (is_summed && axis.kernel > most_members * (most_phase_taps - 1))
            return "there are too many phases";
    for (std::size_t a = 0; a < layout.axes.size(); ++a) {
        const bool is_far = a < layout.far_axes();
        const Axis& axis = layout.axes[a];
        if (is_summed) {
            if (!is_far && axis.kernel > 1 && axis.dilation > 1) return "it needs taps that are not dilated";
            if (is_far) {
                phases.push_back({far_phase(axis)});
            } else {
                phases.push_back(input_phases(axis, piece_taps(layout)).phases);
            }
        }
        members = saturating_multiply(members, Index(phases[a].size()));
        for (const Phase& phase : phases[a]) {
            if (is_far) {
                if (phase.taps < 1) return "some phase has no tap";
                continue;
            }
            if (!is_served(phase))
                return "it needs 1 to 4 taps, not dilated, in each phase of the last two axes";
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
      sums_members_(problem.phases.empty()) {
    make_phases();
    const std::vector<Phase>&along_rows = phases_[phases_.size() - 2], &along_columns = phases_.back();
    const TileOutputs outputs = best_outputs(along_rows, along_columns);
    form_rows_ = outputs.rows;
    form_columns_ = outputs.columns;
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
    if (!sums_members_) {
        phases_ = phases_of(problem_, layout_);
        for (const auto& phases : phases_) {
            x_step_.push_back(1);
            x_first_.push_back(std::vector<Index>(phases.size(), 0));
            y_step_.push_back(static_cast<Index>(phases.size()));
        }
        return;
    }
    const Index most_taps = piece_taps(layout_);
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        const Axis& axis = layout_.axes[a];
        const bool is_far = a < layout_.far_axes();
        const InputPhases input =
            is_far ? InputPhases{{far_phase(axis)}, {0}} : input_phases(axis, most_taps);
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
    for (Index place = 0; place < count_choices(phases_); ++place) {
        Member member;
        member.axes = choice_of_phases(phases_, place);
        Index all_taps = 1;
        for (std::size_t a = 0; a < axes; ++a) {
            member.x_first.push_back(
                x_first_[a][static_cast<std::size_t>(member.axes[a] - phases_[a].data())]);
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
            return sums_members_ && other.form.row_taps == member.form.row_taps &&
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
    block_ = choose_tile_block(tile_rows(), tile_columns(), wanted);
    block_.channel_blocks = channel_blocks();
    if (parts(block_, true).end > workspace_limit())
        throw std::invalid_argument(
            "algorithm 'winograd' does not serve this problem: too many input channels for its workspace");
}

template <class T>
Index WinogradPhases<T>::v_pitch(const TileBlock& block) const {
    const Index term = products_.term_pitch(saturating_multiply(block.units, block.rows), block.columns);
    return odd_lines(saturating_add(saturating_multiply(terms(), term), products_.lanes), sizeof(T));
}

template <class T>
Index WinogradPhases<T>::v_bytes(const TileBlock& block) const {
    return saturating_multiply(saturating_multiply(v_points_, v_pitch(block)), sizeof(T));
}

template <class T>
Index WinogradPhases<T>::m_pitch(const TileBlock& block) const {
    return odd_lines(block.units * block.tiles() * products_.channel_block, sizeof(T));
}

template <class T>
Index WinogradPhases<T>::channels_at_once() const {
    const Index bytes = far_taps_ * most_u_points_ * products_.channel_block * Index(sizeof(T));
    const Index turned = kernel_taps() * products_.channel_block * Index(sizeof(T));
    return even_pieces(problem_.in_channels,
                       max_index(1, min_index(u_budget_bytes / bytes, turned_budget_bytes / turned)));
}

template <class T>
Index WinogradPhases<T>::u_pitch() const {
    return odd_lines(channels_at_once() * far_taps_ * products_.channel_block, sizeof(T));
}

template <class T>
Index WinogradPhases<T>::row_pitch(const TileBlock& block) const {
    return round_up(block.columns * form_columns_, PhaseKernel<T>::column_block) + products_.lanes;
}

template <class T>
typename WinogradPhases<T>::Parts WinogradPhases<T>::parts(const TileBlock& block, bool transforms) const {
    Pieces pieces;
    Parts parts;
    constexpr Index size = sizeof(T);
    Index scratch = 0;
    for (const Member& member : members_)
        scratch = max_index(scratch, products_.scratch_elements(member.form, block.rows, block.columns));
    const Index column_phases = y_step_.back();
    parts.v = pieces.take(v_bytes(block), 1);
    parts.m = pieces.take(m_points_ * m_pitch(block), size);
    parts.u = pieces.take(transforms ? most_u_points_ * u_pitch() : 0, size);
    parts.turned = pieces.take(transforms ? 2 * turned_scratch(channels_at_once()) : 0, size);
    parts.scratch = pieces.take(scratch, size);
    parts.gathered =
        pieces.take(channels_gathered * block_slots(block) * (block_columns(block) + products_.lanes), size);
    parts.tables = pieces.take(2 * block_slots(block), sizeof(Index));
    parts.rows = pieces.take(column_phases * products_.lanes * form_rows_ * row_pitch(block), size);
    parts.end = pieces.bytes();
    return parts;
}

template <class T>
Index WinogradPhases<T>::panel_bytes() const {
    return parts(block_, true).end;
}

template <class T>
Index WinogradPhases<T>::workspace_bytes(int threads) const {
    return panel_bytes() * winograd_threads(threads, workspace_limit(), panel_bytes());
}

template <class T>
bool WinogradPhases<T>::sums_taps(const TileBlock& block) const {
    return std::all_of(members_.begin(), members_.end(),
                       [&](const Member& member) { return member.sums_taps(block); });
}

template <class T>
bool WinogradPhases<T>::keeps_turned() const {
    return transformed_bytes() > (sums_taps(block_) ? many_summed_bytes : many_weight_bytes);
}

template <class T>
Index WinogradPhases<T>::packed_bytes() const {
    return head_bytes() + (keeps_turned() ? turned_bytes() : transformed_bytes());
}

template <class T>
std::vector<Index> WinogradPhases<T>::packed_layout() const {
    std::vector<Index> key{
        Index(sizeof(T)), products_.channel_block, products_.lanes,       form_rows_,
        form_columns_,    problem_.groups,         problem_.out_channels, problem_.in_channels};
    for (const Axis& axis : problem_.axes) key.push_back(axis.kernel);
    key.push_back(sums_members_);
    for (std::size_t a = 0; a < phases_.size(); ++a) {
        key.push_back(layout_.origin[a]);
        for (const Phase& phase : phases_[a])
            for (Index number : {phase.tap, phase.tap_step, phase.taps}) key.push_back(number);
    }
    return key;
}

template class WinogradPhases<float>;
template class WinogradPhases<double>;

}  // namespace faltung
