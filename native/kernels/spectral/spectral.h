// Correlation by spectra along the columns, summed over the rows of the kernel: the driver.
#pragma once

#include "core/operation.h"
#include "kernels/spectral/fourier_plan.h"
#include "kernels/spectral/spectral_shape.h"

namespace faltung {

template <class T>
class SpectralCorrelation : public Correlation {
  public:
    SpectralCorrelation(const Problem& problem, const SpectralKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;
    bool keeps_bound(const Array& x, const void* packed, int threads) const override;

    const SpectralShape& shape() const { return shape_; }

  private:
    struct Call;
    struct Scratch;
    struct Guard;

    Index line_pitch() const { return round_up(shape_.size, kernel_.lanes) + kernel_.lanes; }
    Index tile_count() const;
    Index channels() const { return problem_.groups * problem_.out_channels; }
    // Packed weights: spectra, then of each channel its norm, then its taps as they are.
    Index spectra_elements() const {
        return shape_.channel_units * problem_.out_channels * shape_.weight_elements();
    }
    const T* norms(const void* packed) const { return static_cast<const T*>(packed) + spectra_elements(); }
    const T* plain_taps(const void* packed) const { return norms(packed) + channels(); }
    void copy_taps(const T* from, const Array& weight, T* to) const;  // of one channel

    Problem problem_;
    Layout layout_;
    SpectralKernel<T> kernel_;
    SpectralShape shape_;
    FourierTables<T> tables_;
};

extern template class SpectralCorrelation<float>;
extern template class SpectralCorrelation<double>;

}  // namespace faltung
