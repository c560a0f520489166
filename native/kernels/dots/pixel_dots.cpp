#include "kernels/dots/pixel_dots.h"

#include <stdexcept>
#include <utility>

#include "core/threads.h"
#include "kernels/dots/pixel_call.h"
#include "kernels/run_call.h"
#include "kernels/transposed/covering.h"

namespace faltung {

namespace {

constexpr Index most_members = 4096;
constexpr Index most_padded_taps = 32;  // of kernels whose taps in the padding are left out
constexpr Index most_short_columns = 32;
constexpr Index pass_pairs = 256;  // 64 KB of weights
constexpr Index packed_input_channels = 16;
constexpr Index parallel_pack_bytes = 256 << 10;

Layout layout_of(const Problem& problem) {
    return Layout(problem.phases.empty() ? problem : covering(problem));
}

struct TapRange {
    Index begin, end;
};

// Which taps of a phase lie inside for its outputs, whose kinds are numbered: all of them is the first.
std::vector<TapRange> kinds_of(const PixelAxis& axis, const Phase& phase, bool leaves_out,
                               std::vector<int>& kind_of) {
    std::vector<TapRange> kinds{{0, phase.taps}};
    for (Index output = 0; output < phase.count; ++output) {
        const auto inside = [&](Index tap) {
            const Index at = output * axis.stride + PixelAxis::position(phase, tap);
            return at >= 0 && at < axis.in;
        };
        TapRange taps{0, phase.taps};
        if (leaves_out) {
            while (taps.begin + 1 < taps.end && !inside(taps.begin)) ++taps.begin;
            while (taps.end - 1 > taps.begin && !inside(taps.end - 1)) --taps.end;
        }
        std::size_t kind = 0;
        while (kind < kinds.size() && (kinds[kind].begin != taps.begin || kinds[kind].end != taps.end))
            ++kind;
        if (kind == kinds.size()) kinds.push_back(taps);
        kind_of.push_back(static_cast<int>(kind));
    }
    return kinds;
}

}  // namespace

std::vector<PixelAxis> PixelDots::axes_of(const Problem& problem, const Layout& layout) {
    std::vector<PixelAxis> axes;
    const auto phases = problem.phases.empty() ? std::vector<std::vector<Phase>>(layout.axes.size())
                                               : phases_of(problem, layout);
    for (std::size_t a = 0; a < layout.axes.size(); ++a) {
        const int own = layout.origin[a];
        axes.emplace_back(own < 0 ? Axis{1, 1, 1, 1, 1, 0} : problem.axes[static_cast<std::size_t>(own)],
                          phases[a]);
    }
    return axes;
}

void PixelDots::Runs::add(Index offset, Index pairs, Index pair) {
    while (pairs > 0) {
        if (passes.empty() || passes.back().pairs == pass_pairs ||
            passes.back().pair + passes.back().pairs != pair)
            passes.push_back({static_cast<Index>(runs.size()), 0, pair, 0});
        Pass& pass = passes.back();
        const Index own = min_index(pairs, pass_pairs - pass.pairs);
        runs.push_back({offset, own});
        ++pass.runs;
        pass.pairs += own;
        offset += 2 * own;
        pair += own;
        pairs -= own;
    }
}

// Outputs at the ends of a row are few, and products of few pixels wait for one another: it pays where rows
// are short and several vectors of channels are computed at once.
bool PixelDots::leaves_out_columns(const Phase& phase) const {
    const bool has_whole_pairs = problem_.in_channels % 2 == 0 || !merges();
    return phase.count <= most_short_columns && has_whole_pairs && vectors() >= dots_most_channel_vectors;
}

void PixelDots::make_runs(Member& member) const {
    const std::size_t rows = layout_.far_axes(), columns = rows + 1;
    const Phase &row_phase = *member.phases[rows], &column_phase = *member.phases[columns];
    const Index channels = problem_.in_channels, merged = merges() ? column_phase.taps : 1;
    const Index pairs = ceil_divide(merged * channels, 2);
    const bool has_zeros = problem_.border == Border::zeros || problem_.border == Border::absent;
    const std::vector<TapRange> row_kinds =
        kinds_of(axes_[rows], row_phase, has_zeros && row_phase.taps <= most_padded_taps, member.kind_of_row);
    const std::vector<TapRange> column_kinds =
        kinds_of(axes_[columns], column_phase,
                 has_zeros && column_phase.taps <= most_padded_taps && leaves_out_columns(column_phase),
                 member.kind_of_column);
    member.column_kinds = static_cast<int>(column_kinds.size());
    for (const TapRange& own_rows : row_kinds)
        for (const TapRange& own_columns : column_kinds) {
            Runs runs;
            Index pair = 0;
            each_tap(member, [&](const Index* tap, Index far) {
                if (tap[columns] % merged != 0) return;
                const Index first = max_index(tap[columns], own_columns.begin),
                            last = min_index(tap[columns] + merged, own_columns.end);
                if (tap[rows] >= own_rows.begin && tap[rows] < own_rows.end && first < last) {
                    const Index row = axes_[rows].cell(row_phase, tap[rows]),
                                column = axes_[columns].cell(column_phase, first);
                    const bool is_whole = last - first == merged;
                    runs.add(far * panel_.plane_pitch + row * panel_.row_pitch + column * panel_.pixel_pitch,
                             is_whole ? pairs : (last - first) * channels / 2,
                             pair + (first - tap[columns]) * channels / 2);
                }
                pair += pairs;
            });
            member.pairs = pair;
            member.runs.push_back(std::move(runs));
        }
}

PixelDots::PixelDots(const Problem& problem, const DotsKernel& kernel, Isa isa)
    : problem_(problem),
      layout_(layout_of(problem)),
      kernel_(kernel),
      halves_(half_loops(Type::bfloat16, isa)),
      axes_(axes_of(problem, layout_)),
      panel_(axes_, problem.border, problem.in_channels) {
    if (panel_.elements >= saturated / 64)
        throw std::invalid_argument("the panel would be unreasonably large");
    Index count = 1;
    can_stay_ = problem.in_channels % 2 == 0;
    for (std::size_t a = 0; a < axes_.size(); ++a) {
        const PixelAxis& axis = axes_[a];
        if (axis.phase_count() > dots_most_pixels)
            throw std::invalid_argument("there would be unreasonably many phases");
        count = saturating_multiply(count, axis.phase_count());
        can_stay_ = can_stay_ && axis.stays_inside();
        if (a >= layout_.far_axes())
            layout_.axes[a].out = axis.most;
        else
            layout_.axes[a].out = axis.out;
    }
    if (count > most_members) throw std::invalid_argument("there would be unreasonably many phases");
    column_members_ = axes_.back().phase_count();
    row_members_ = axes_[axes_.size() - 2].phase_count();
    for (Index number = 0; number < count; ++number) {
        Member member{std::vector<const Phase*>(axes_.size()), 1, 0, pairs_};
        Index rest = number;
        for (std::size_t a = axes_.size(); a-- > 0;) {
            member.phases[a] = &axes_[a].phases[static_cast<std::size_t>(rest % axes_[a].phase_count())];
            rest /= axes_[a].phase_count();
            member.taps = saturating_multiply(member.taps, member.phases[a]->taps);
        }
        if (saturating_multiply(member.taps, problem.in_channels + 1) >= Index(1) << 40)
            throw std::invalid_argument("the packed weights would be unreasonably large");
        make_runs(member);
        pairs_ += member.pairs;
        members_.push_back(std::move(member));
    }
    if (saturating_multiply(
            saturating_multiply(problem.groups, vectors()),
            saturating_multiply(max_index(pairs_, 1), dots_pixel_lanes * Index(sizeof(Pair)))) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
}

bool PixelDots::merges() const {
    if (!panel_.has_runs() || problem_.in_channels == 0) return false;
    for (const Phase& phase : axes_.back().phases)
        if (phase.taps > 1 && phase.dilation != 1 && axes_.back().stored_taps == 0) return false;
    return true;
}

// visit(tap along each axis, number of the far tap) in the order of the sum.
template <class Visit>
void PixelDots::each_tap(const Member& member, Visit visit) const {
    std::vector<Index> tap(member.phases.size());
    const Index near = member.phases[tap.size() - 1]->taps * member.phases[tap.size() - 2]->taps;
    for (Index number = 0; number < member.taps; ++number) {
        Index rest = number;
        for (std::size_t a = tap.size(); a-- > 0;) {
            tap[a] = rest % member.phases[a]->taps;
            rest /= member.phases[a]->taps;
        }
        visit(tap.data(), number / near);
    }
}

PixelDots::Runs PixelDots::runs_in_place(const Member& member, const std::vector<Index>& stride) const {
    Runs runs;
    Index pair = 0;
    each_tap(member, [&](const Index* tap, Index) {
        Index offset = 0;
        for (std::size_t a = 0; a < axes_.size(); ++a)
            offset += PixelAxis::position(*member.phases[a], tap[a]) * stride[a];
        runs.add(offset, problem_.in_channels / 2, pair);
        pair += problem_.in_channels / 2;
    });
    return runs;
}

Index PixelDots::cells_bytes() const {
    return round_up((panel_.elements + 2 * dots_lanes) * Index(sizeof(Half)), 64);
}

Index PixelDots::panel_bytes_for(const Problem& problem) {
    const PixelPanel panel(axes_of(problem, layout_of(problem)), problem.border, problem.in_channels);
    return saturating_multiply(panel.elements, sizeof(Half));
}

Index PixelDots::workspace_bytes(int threads) const {
    return saturating_multiply(thread_bytes(), threads);
}

Index PixelDots::packed_bytes() const {
    return problem_.groups * vectors() * pairs_ * dots_pixel_lanes * Index(sizeof(Pair));
}

std::vector<Index> PixelDots::packed_layout() const {
    std::vector<Index> key{dots_pixel_lanes, problem_.groups, problem_.out_channels, problem_.in_channels,
                           Index(merges())};
    for (const Member& member : members_) {
        for (const Phase* phase : member.phases) {
            key.push_back(phase->tap);
            key.push_back(phase->tap_step);
            key.push_back(phase->taps);
        }
    }
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        key.push_back(layout_.origin[a]);
        key.push_back(layout_.axes[a].kernel);
    }
    return key;
}

void PixelDots::pack(const Array& weight, void* packed, int threads) const {
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    const Index channels = problem_.in_channels, out_stride = weight.stride[1], in_stride = weight.stride[2];
    Index all_taps = 1;
    for (const Axis& axis : problem_.axes) all_taps = saturating_multiply(all_taps, axis.kernel);
    // Taps are counted from the one that lies first. By vectors are packed those that lie together, of
    // channels on one side or the other behind one another.
    Index first_place = 0, reach = 0;
    for (std::size_t a = 0; a < axes_.size(); ++a) {
        if (layout_.origin[a] < 0) continue;
        const Index far = problem_.axes[static_cast<std::size_t>(layout_.origin[a])].kernel - 1;
        first_place += min_index(0, far * spatial[a]);
        reach += far * max_index(spatial[a], -spatial[a]);
    }
    const bool is_plain = channels % 2 == 0 && kernel_.pack && reach == all_taps - 1 &&
                          (in_stride == all_taps || out_stride == all_taps);
    std::vector<std::vector<Index>> taps;  // of each member
    for (const Member& member : members_) {
        taps.emplace_back();
        each_tap(member, [&](const Index* tap, Index) {
            Index place = -first_place;
            for (std::size_t a = 0; a < axes_.size(); ++a)
                place += PixelAxis::weight_tap(*member.phases[a], tap[a]) * spatial[a];
            taps.back().push_back(place);
        });
    }
    const Index columns_merged = merges() ? 1 : 0;
    const Index blocks = vectors(), block_pairs = dots_pixel_lanes;
    // Weights whose output channels lie together are read in the order in which they lie.
    const bool by_inputs = is_plain && out_stride == all_taps && in_stride != all_taps;
    const Index some = by_inputs ? packed_input_channels : max_index(channels, 1),
                parts = ceil_divide(channels, some);
    auto pack_block = [&](Index task, int) {
        const Index in_first = task / blocks % parts * some, ins = min_index(some, channels - in_first);
        const Index g = task / (blocks * parts), block = task % blocks, oc = block * dots_pixel_lanes;
        const Half* const from =
            static_cast<const Half*>(weight.data) + g * weight.stride[0] + oc * out_stride + first_place;
        const Index outs = min_index(dots_pixel_lanes, problem_.out_channels - oc);
        for (std::size_t m = 0; m < members_.size(); ++m) {
            const Member& member = members_[m];
            Pair* to = static_cast<Pair*>(packed) +
                       ((g * pairs_ + member.first_pair) * blocks + block * member.pairs) * block_pairs;
            if (is_plain) {
                kernel_.pack({from + in_first * in_stride, out_stride, in_stride, outs, ins, all_taps,
                              taps[m].data(), member.taps, to + in_first / 2 * block_pairs,
                              channels / 2 * block_pairs});
                continue;
            }
            // Runs of taps along a row, or of one tap: an odd number of terms leaves half a pair.
            const Index merged = columns_merged ? member.phases.back()->taps : 1;
            for (Index first = 0; first < member.taps; first += max_index(merged, 1)) {
                const auto cell = [&](Index term, Index lane) -> Pair {
                    if (term >= merged * channels || lane >= outs) return 0;
                    return from[taps[m][static_cast<std::size_t>(first + term / channels)] +
                                term % channels * in_stride + lane * out_stride];
                };
                for (Index term = 0; term < merged * channels; term += 2, to += block_pairs)
                    for (Index lane = 0; lane < block_pairs; ++lane)
                        to[lane] = cell(term, lane) | cell(term + 1, lane) << 16;
            }
        }
    };
    parallel_for(problem_.groups * parts * blocks, packed_bytes() < parallel_pack_bytes ? 1 : threads,
                 pack_block);
}

void PixelDots::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
                    bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || outputs(problem_.axes) == 0)
        return;
    Index met = 0;
    for (const Member& member : members_) {
        Index outputs = 1;
        for (const Phase* phase : member.phases) outputs *= phase->count;
        met += outputs * member.pairs;
    }
    const Index products = saturating_multiply(
        batch, saturating_multiply(saturating_multiply(problem_.groups, problem_.out_channels), met));
    Call call(*this, x, y, static_cast<const Pair*>(packed), epilogue, accumulate);
    run_call(call, batch, products, threads);
}

}  // namespace faltung
