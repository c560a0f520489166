#include "kernels/unfold/unfold.h"

#include <stdexcept>

#include "kernels/run_call.h"
#include "kernels/unfold/plane_call.h"
#include "kernels/unfold/unfold_call.h"
#include "kernels/weight_packing.h"

namespace faltung {

namespace {

constexpr Index rows_budget_bytes = 384 << 10, whole_rows_bytes = 768 << 10;
constexpr Index patches_budget_bytes =
    512 << 10;  // read again for every block of output channels: they stay in L2

}  // namespace

template <class T>
PanelRules UnfoldCorrelation<T>::rules_for(const PointwiseKernel<T>& kernel) {
    const Index tile = kernel.most_vectors * kernel.lanes;
    return {sizeof(T), tile, tile, 1, rows_budget_bytes, 0, 0, whole_rows_bytes};
}

template <class T>
UnfoldCorrelation<T>::UnfoldCorrelation(const Problem& problem, const PointwiseKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      panel_(layout_, problem.border, problem.in_channels, rules_for(kernel)),
      unfold_(layout_.columns().kernel <= PlaneUnfolder<T>::most_column_taps
                  ? kernel.planes.unfold(layout_.columns().stride, layout_.columns().kernel)
                  : nullptr),
      planes_(problem, layout_, unfold_ != nullptr),
      pixels_(problem, layout_, kernel.pixels) {
    const Index block = saturating_multiply(saturating_multiply(problem.in_channels, panel_.tap_count()),
                                            width() * Index(sizeof(T)));
    if (saturating_multiply(saturating_multiply(problem.groups, channel_blocks()), block) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
}

template <class T>
Index UnfoldCorrelation<T>::pass_channels() const {
    const Index channel_bytes = panel_.tap_count() * tile_positions() * Index(sizeof(T));
    return min_index(panel_.shape().channels,
                     max_index(1, patches_budget_bytes / max_index(1, channel_bytes)));
}

template <class T>
Index UnfoldCorrelation<T>::patches_bytes() const {
    const Index columns = max_index(tile_positions(), PointwiseColumns<T>::most);
    return round_up((pass_channels() * panel_.tap_count() * columns + kernel_.lanes) * Index(sizeof(T)), 64);
}

template <class T>
Index UnfoldCorrelation<T>::thread_bytes() const {
    return outputs_place() + held_channels * tile_positions() * Index(sizeof(T));
}

template <class T>
Index UnfoldCorrelation<T>::panel_bytes_for(const Problem& problem, const PointwiseKernel<T>& kernel) {
    const Layout layout(problem);
    const PanelShape shape = Panel::shape_for(layout, problem.in_channels, rules_for(kernel));
    const Index columns = max_index(kernel.most_vectors * kernel.lanes, PointwiseColumns<T>::most);
    const Index patches = saturating_multiply(saturating_multiply(taps(layout.axes), columns), sizeof(T));
    return saturating_add(saturating_multiply(saturating_add(shape.elements, kernel.lanes), sizeof(T)),
                          max_index(patches, patches_budget_bytes));
}

template <class T>
Index UnfoldCorrelation<T>::panel_bytes() const {
    return rows_bytes() + patches_bytes();
}

template <class T>
Index UnfoldCorrelation<T>::workspace_bytes(int threads) const {
    const Index bytes = max_index(thread_bytes(), planes_.serves() ? plane_thread_bytes() : 0);
    return max_index(saturating_multiply(bytes, threads), pixels_.workspace_bytes(threads));
}

template <class T>
Index UnfoldCorrelation<T>::plane_pass_channels() const {
    const Index channel_bytes = panel_.tap_count() * tile_positions() * Index(sizeof(T));
    return max_index(1, patches_budget_bytes / max_index(1, channel_bytes));
}

template <class T>
Index UnfoldCorrelation<T>::patches_bytes_of_planes() const {
    const Index channels = min_index(plane_pass_channels(), problem_.in_channels);
    const Index columns = max_index(tile_positions(), PointwiseColumns<T>::most);
    return round_up(channels * panel_.tap_count() * columns * Index(sizeof(T)), 64);
}

template <class T>
Index UnfoldCorrelation<T>::rest_bytes() const {
    const Index pass_terms = min_index(plane_pass_channels(), problem_.in_channels) * panel_.tap_count();
    return round_up(ProductWeights<T>::rest_elements(problem_, pass_terms, width()) * Index(sizeof(T)), 64);
}

template <class T>
Index UnfoldCorrelation<T>::plane_thread_bytes() const {
    const Index tables = most_plane_vectors() * Index(sizeof(PlaneVector)) +
                         tile_positions() * planes_.row_taps() * Index(sizeof(Index)) +
                         planes_.taps() * Index(sizeof(PointwiseTap<T>)) +
                         tile_positions() * Index(sizeof(T));  // zeros
    return patches_bytes_of_planes() + rest_bytes() + round_up(tables, 64);
}

template <class T>
Index UnfoldCorrelation<T>::packed_bytes() const {
    return head_bytes() + problem_.groups * channel_blocks() * terms() * width() * Index(sizeof(T));
}

template <class T>
std::vector<Index> UnfoldCorrelation<T>::packed_layout() const {
    return correlation_weights_layout(problem_, layout_, width(), sizeof(T));
}

template <class T>
void UnfoldCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    write_packed_head(packed, problem_.axes.size());
    T* const behind_head = reinterpret_cast<T*>(static_cast<char*>(packed) + head_bytes());
    pack_correlation_weights(problem_, layout_, width(), weight, behind_head, threads);
}

template <class T>
void UnfoldCorrelation<T>::borrow(const Array& weight, void* packed) const {
    write_borrowed(weight, packed);
}

template <class T>
void UnfoldCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                               const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || outputs(problem_.axes) == 0)
        return;
    const bool by_pixels = pixels_.serves(x, y);
    const bool reads_planes = !by_pixels && planes_.serves() && planes_.are_in_one_piece(layout_, x, y);
    const std::optional<Array> weight = borrowed_weight(packed, problem_.axes.size());
    if (weight && !(reads_planes && lie_in_rows(*weight, problem_, layout_))) {
        const AlignedBuffer own(packed_bytes());
        pack(*weight, own.data(), threads);
        return run(batch, x, own.data(), epilogue, y, accumulate, threads);
    }
    const T* const behind_head = reinterpret_cast<const T*>(static_cast<const char*>(packed) + head_bytes());
    if (by_pixels) return pixels_.run(batch, x, behind_head, epilogue, y, accumulate, threads);
    const Index products = saturating_multiply(batch, multiply_adds(problem_));
    if (reads_planes) {
        const PositionBlocks tiles(planes_.run_outputs(), kernel_.lanes, kernel_.most_vectors);
        const ProductWeights<T> weights(packed, problem_, terms(), width());
        PlaneCall call{*this, x, y, weights, epilogue, accumulate, tiles};
        if (kernel_.joins && weights.are_packed()) call.tiles.join_rest();
        return run_call(call, batch, products, threads);
    }
    Call call{{{layout_, x, y, epilogue, accumulate}, {problem_, layout_, panel_.shape(), channel_blocks()}},
              *this,
              behind_head};
    run_call(call, batch, products, threads);
}

template class UnfoldCorrelation<float>;
template class UnfoldCorrelation<double>;
template class UnfoldCorrelation<std::uint64_t>;

}  // namespace faltung
