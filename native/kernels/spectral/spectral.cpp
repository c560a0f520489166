#include <stdexcept>

#include "kernels/spectral/spectral_scratch.h"

namespace faltung {

namespace {

SpectralShape shape_or_throw(const Problem& problem, const Layout& layout, Index lanes, Index element_bytes,
                             Index row_tile) {
    const SpectralShape shape = best_spectral_shape(problem, layout, lanes, element_bytes, row_tile);
    if (shape.size == 0) throw std::invalid_argument("no transform of reasonable size serves this problem");
    return shape;
}

}  // namespace

template <class T>
SpectralCorrelation<T>::SpectralCorrelation(const Problem& problem, const SpectralKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      shape_(shape_or_throw(problem, layout_, kernel.lanes, sizeof(T), kernel.row_tile)),
      tables_(shape_.size) {}

template <class T>
Index SpectralCorrelation<T>::tile_count() const {
    const Index vectors = shape_.rows_in_lanes ? shape_.y_rows / kernel_.lanes : shape_.y_rows;
    return ceil_divide(vectors, kernel_.row_tile);
}

template <class T>
Index SpectralCorrelation<T>::panel_bytes() const {
    return Scratch::bytes(*this);
}

template <class T>
Index SpectralCorrelation<T>::workspace_bytes(int threads) const {
    return saturating_multiply(panel_bytes(), threads);
}

template <class T>
Index SpectralCorrelation<T>::packed_bytes() const {
    return (spectra_elements() + channels() * (1 + taps(layout_.axes))) * Index(sizeof(T));
}

template <class T>
std::vector<Index> SpectralCorrelation<T>::packed_layout() const {
    const SpectralShape& s = shape_;
    std::vector<Index> key{Index(sizeof(T)), problem_.groups, problem_.out_channels,
                           s.rows_in_lanes,  s.folds,         s.size,
                           s.taps,           s.row_taps,      s.w_bin,
                           s.w_part,         kernel_.lanes};
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        key.push_back(layout_.origin[a]);
        key.push_back(layout_.axes[a].kernel);
        key.push_back(layout_.axes[a].dilation);
    }
    return key;
}

template class SpectralCorrelation<float>;
template class SpectralCorrelation<double>;

}  // namespace faltung
