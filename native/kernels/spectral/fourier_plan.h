// The tables of a complex transform: its steps, their factors, and where its frequencies come to lie.
#pragma once

#include <vector>

#include "kernels/spectral/spectral_block.h"

namespace faltung {

template <class T>
class FourierTables {
  public:
    FourierTables() = default;
    explicit FourierTables(Index size);  // a product of 2, 3 and 5

    FourierTables(const FourierTables&) = delete;
    FourierTables& operator=(const FourierTables&) = delete;

    const FourierPlan<T>& plan() const { return plan_; }

  private:
    std::vector<T> twiddles_;
    std::vector<std::int32_t> places_;
    FourierPlan<T> plan_;
};

extern template class FourierTables<float>;
extern template class FourierTables<double>;

}  // namespace faltung
