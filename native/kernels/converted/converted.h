// A correlation of half precision by kernels of float32: some groups of a sample at a time are widened into a
// scratch array that stays in L2, computed there by one thread, and rounded on their way out.
#pragma once

#include "core/half.h"
#include "core/operation.h"

namespace faltung {

class ConvertedCorrelation : public Correlation {
  public:
    ConvertedCorrelation(const Problem& problem, const CorrelationFamily& family, Type type, Isa isa);

    Index panel_bytes() const override { return whole_->panel_bytes(); }
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    // x, y and the residual are half precision, the bias float32.
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    Index parts() const { return ceil_divide(problem_.groups, part_groups_); }
    // Of the groups of one part, in the order of the arrays.
    std::vector<Index> size_of(Index groups, Index channels, Index Axis::* extent) const;
    const Correlation& part(Index number) const;
    Index part_bytes() const;  // of packed weights
    // Of all groups together, where their channels lie side by side.
    Index all_place() const { return saturating_multiply(parts(), part_bytes()); }
    bool lies_by_pixels(const Array& array) const;
    void run_whole(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
                   bool accumulate, int threads) const;
    Index scratch_cells() const;

    Problem problem_;
    Type type_;
    Isa isa_;
    Index part_groups_;
    std::unique_ptr<Correlation> whole_, rest_;  // of a whole part, and of the last one where it is smaller
    std::unique_ptr<Correlation> all_;           // of all groups with one channel each, null for others
};

}  // namespace faltung
