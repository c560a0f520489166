// The driver of transposed correlations, and of those of stride 1, with few input channels a group: planes
// are copied with their border in place, and all phases of the stride summed from them, over the ends of
// rows, then interleaved.
#pragma once

#include "core/layout.h"
#include "core/operation.h"
#include "kernels/planes/plane_phases_tile.h"
#include "kernels/transposed/phase_rows.h"

namespace faltung {

// Null if the problem has phases or stride 1, and two axes at most.
const char* why_not_plane_phases(const Problem& problem);

template <class T>
class PlanePhases : public Correlation {
  public:
    PlanePhases(const Problem& problem, const PlaneKernel<T>& kernel, const PhaseRows<T>& rows);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override { return saturating_multiply(panel_bytes(), threads); }
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;

    // Members are one phase of each axis, those of the columns fastest; a few are summed together.
    struct Group {
        Index first, members;  // of the group
        std::vector<PlaneStep> steps;
        std::vector<Index> taps;  // weight's element offset by axis: rows, columns, in turn
        Index weight;             // of an output channel, the first
    };

    void make_groups();
    const Phase& row_phase(Index member) const { return phases_[0][member / column_phases()]; }
    const Phase& column_phase(Index member) const { return phases_[1][member % column_phases()]; }
    std::size_t column_phases() const { return phases_[1].size(); }
    Index members() const { return static_cast<Index>(phases_[0].size() * phases_[1].size()); }
    Index halo(std::size_t axis) const {
        return saturating_multiply(layout_.axes[axis].kernel - 1, layout_.axes[axis].dilation);
    }
    Index pitch() const { return saturating_add(layout_.columns().out, halo(1)); }
    // Of a band of so many rows of outputs of a phase.
    Index positions(Index rows) const;
    Index plane_elements(Index rows) const;
    Index sum_pitch(Index rows) const;  // from the sums of one member to those of the next
    Index elements(Index rows) const;

    Problem problem_;
    Layout layout_;  // of a correlation whose taps cover those of every phase
    PlaneKernel<T> kernel_;
    PhaseRows<T> rows_;
    std::vector<std::vector<Phase>> phases_;  // of rows and columns
    std::vector<Group> groups_;
    Index taps_ = 0;  // of all members
    Index band_rows_ = 1;
};

extern template class PlanePhases<float>;
extern template class PlanePhases<double>;
extern template class PlanePhases<std::uint64_t>;

}  // namespace faltung
