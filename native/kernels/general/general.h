// The last resort: every problem, cell by cell.
#pragma once

#include "core/operation.h"
#include "kernels/general/general_problem.h"

namespace faltung {

template <class T>
class GeneralCorrelation : public Correlation {
  public:
    GeneralCorrelation(const Problem& problem, const GeneralKernel<T>& kernel);

    Index panel_bytes() const override { return 0; }
    Index workspace_bytes(int) const override { return 0; }
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    std::vector<Index> packed_strides() const;  // of the weights in C order

    Problem problem_;
    GeneralKernel<T> kernel_;
};

template <class T>
class GeneralGradient : public WeightGradient {
  public:
    GeneralGradient(const Problem& problem, const GeneralKernel<T>& kernel)
        : problem_(problem), kernel_(kernel) {}

    Index panel_bytes() const override { return 0; }
    Index workspace_bytes(int) const override { return 0; }
    void run(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const override;

  private:
    Problem problem_;
    GeneralKernel<T> kernel_;
};

extern template class GeneralCorrelation<float>;
extern template class GeneralCorrelation<double>;
extern template class GeneralCorrelation<std::uint64_t>;
extern template class GeneralGradient<float>;
extern template class GeneralGradient<double>;
extern template class GeneralGradient<std::uint64_t>;

}  // namespace faltung
