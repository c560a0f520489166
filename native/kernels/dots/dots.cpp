#include "kernels/dots/dots.h"

#include <optional>
#include <stdexcept>

#include "kernels/dots/dots_plane_call.h"
#include "kernels/dots/dots_rows_call.h"
#include "kernels/flat_stride.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/run_call.h"
#include "kernels/weight_packing.h"

namespace faltung {

#if defined(FALTUNG_BFLOAT16_DOTS)
namespace avx512bf16 {
DotsKernel dots_kernel();
}

DotsKernel dots_kernel() {
    return avx512bf16::dots_kernel();
}
#else
DotsKernel dots_kernel() {
    return {};
}
#endif

namespace {

// Rows are copied once and read once for every tile of positions: they may leave L2, but rather not.
constexpr Index rows_budget_bytes = 256 << 10, whole_rows_bytes = Index(4) << 20;
constexpr Index held_bytes = 512 << 10;

// Up to so many output channels leave half of the lanes empty.
constexpr Index few_out_channels = 8;

bool is_plane(const Problem& problem) {
    return problem.phases.empty() && why_not_pointwise(problem) == nullptr;
}

bool has_channels_in_lanes(const Problem& problem) {
    return !problem.phases.empty() || (!is_plane(problem) && problem.out_channels > few_out_channels);
}

}  // namespace

std::unique_ptr<Correlation> make_dots(const Problem& problem, Isa isa) {
    if (has_channels_in_lanes(problem)) return std::make_unique<PixelDots>(problem, dots_kernel(), isa);
    return std::make_unique<DotsCorrelation>(problem, dots_kernel(), isa);
}

Index dots_panel_bytes(const Problem& problem) {
    if (has_channels_in_lanes(problem)) return PixelDots::panel_bytes_for(problem);
    return DotsCorrelation::panel_bytes_for(problem);
}

const char* why_not_dots(Type type, Isa isa) {
    if (type != Type::bfloat16) return "it multiplies bfloat16 numbers";
    if (!has_bfloat16_dots(isa)) return "this processor has no products of bfloat16 numbers";
    return nullptr;
}

PanelRules DotsCorrelation::rules() {
    return {sizeof(Half), dots_tile, dots_tile, 1, rows_budget_bytes, 0, 0, whole_rows_bytes};
}

DotsCorrelation::DotsCorrelation(const Problem& problem, const DotsKernel& kernel, Isa isa)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      halves_(half_loops(Type::bfloat16, isa)),
      panel_(layout_, problem.border, problem.in_channels, rules()),
      taps_(taps(layout_.axes)),
      is_pointwise_(why_not_pointwise(problem) == nullptr) {
    if (panel_.shape().channels < problem.in_channels)
        throw std::invalid_argument("the rows of all channels would be unreasonably large");
    if (saturating_multiply(saturating_multiply(problem.groups, channel_blocks()),
                            saturating_multiply(pairs(), dots_channel_block * Index(sizeof(Pair)))) ==
        saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
    for (const Axis& axis : problem.axes) sizes_.push_back(axis.out);
    if (is_pointwise_) pixels_ = std::make_unique<PixelDots>(problem, kernel, isa);
}

Index DotsCorrelation::most_held_blocks() const {
    return min_index(channel_blocks(), held_bytes / (dots_channel_block * dots_tile * Index(sizeof(float))));
}

// Even, unless they are all of them.
Index DotsCorrelation::pass_channels() const {
    const Index most = 2 * most_dots_pairs / max_index(taps_, 1) / 2 * 2;
    return max_index(1, min_index(problem_.in_channels, max_index(2, most)));
}

Index DotsCorrelation::patches_bytes() const {
    const Index most =
        min_index(pairs(), max_index(most_dots_pairs, ceil_divide((pass_channels() + 2) * taps_, 2)));
    return round_up((most * dots_tile + dots_lanes) * Index(sizeof(Pair)), 64);
}

Index DotsCorrelation::panel_bytes_for(const Problem& problem) {
    const Layout layout(problem);
    const PanelShape shape = Panel::shape_for(layout, problem.in_channels, rules());
    if (shape.channels < problem.in_channels) return saturated;
    const Index two_channels =
        saturating_multiply(saturating_multiply(taps(layout.axes), 4), dots_tile * Index(sizeof(Pair)));
    return saturating_add(saturating_multiply(saturating_add(shape.elements, dots_lanes), sizeof(Half)),
                          max_index(two_channels, most_dots_pairs * dots_tile * Index(sizeof(Pair))));
}

Index DotsCorrelation::workspace_bytes(int threads) const {
    const Index own = saturating_multiply(thread_bytes(), threads);
    return pixels_ ? max_index(own, pixels_->workspace_bytes(threads)) : own;
}

Index DotsCorrelation::packed_bytes() const {
    if (pixels_) return pixels_->packed_bytes();
    return problem_.groups * channel_blocks() * pairs() * dots_channel_block * Index(sizeof(Pair));
}

std::vector<Index> DotsCorrelation::packed_layout() const {
    if (pixels_) return pixels_->packed_layout();
    std::vector<Index> key{problem_.groups, problem_.out_channels, problem_.in_channels};
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        key.push_back(layout_.origin[a]);
        key.push_back(layout_.axes[a].kernel);
    }
    return key;
}

void DotsCorrelation::pack(const Array& weight, void* packed, int threads) const {
    if (pixels_) return pixels_->pack(weight, packed, threads);
    pack_pairs(problem_, layout_, dots_channel_block, weight, static_cast<std::uint32_t*>(packed), threads);
}

void DotsCorrelation::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                          const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || outputs(problem_.axes) == 0)
        return;
    const Index products = saturating_multiply(batch, multiply_adds(problem_)) / 2;
    const Pair* const weight = static_cast<const Pair*>(packed);
    if (is_pointwise_) {
        const std::optional<Index> x_step = flat_stride(sizes_, x.stride),
                                   y_step = flat_stride(sizes_, y.stride);
        if (x_step == 1 && y_step) {
            const PositionBlocks blocks(outputs(problem_.axes), dots_lanes, dots_most_vectors);
            PlaneCall call{*this, x, y, weight, epilogue, accumulate, *y_step, blocks};
            return run_call(call, batch, products, threads);
        }
        return pixels_->run(batch, x, packed, epilogue, y, accumulate, threads);
    }
    RowsCall call{
        {{layout_, x, y, epilogue, accumulate}, {problem_, layout_, panel_.shape(), channel_blocks()}},
        *this,
        weight};
    run_call(call, batch, products, threads);
}

}  // namespace faltung
