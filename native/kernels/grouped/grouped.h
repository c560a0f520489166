// Correlations of few channels a group on planes as they lie: the driver.
#pragma once

#include "kernels/grouped/grouped_tile.h"
#include "kernels/panel_correlation.h"

namespace faltung {

// Null if `problem` is one that the kernels serve, else why not.
const char* why_not_grouped(const Problem& problem);

template <class T>
class GroupedCorrelation : public Correlation {
  public:
    // Arrays whose planes do not lie in one piece go to `filter`, which has the same packed weights.
    GroupedCorrelation(const Problem& problem, const GroupedKernel<T>& kernel,
                       const CorrelationKernel<T>& filter);

    static Index panel_bytes_for(const Problem& problem, const CorrelationKernel<T>& filter) {
        return PanelCorrelation<T>::panel_bytes_for(problem, filter);
    }

    Index panel_bytes() const override { return filter_.panel_bytes(); }
    Index workspace_bytes(int threads) const override { return filter_.workspace_bytes(threads); }
    Index packed_bytes() const override { return filter_.packed_bytes(); }
    std::vector<Index> packed_layout() const override { return filter_.packed_layout(); }
    void pack(const Array& weight, void* packed, int threads) const override {
        filter_.pack(weight, packed, threads);
    }
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    // Vectors one pitch apart, computed at once.
    struct Tile {
        Index x, y;  // of the first output
        Index vectors, x_pitch, y_pitch, count, last;
        Index mask;  // where its masks begin, or -1 where it reads no cell outside
    };
    struct Call;

    void make_flat_tiles();
    void make_row_tiles();
    void add_tile(const Index* position, Tile tile, std::size_t vector_axis, bool is_flat);
    std::vector<Index> strides(Index Axis::* size) const;  // of a plane in one piece
    bool is_one_piece(const Array& array, Index Axis::* size) const;

    Problem problem_;
    GroupedKernel<T> kernel_;
    Index width_, most_vectors_;
    PanelCorrelation<T> filter_;
    std::vector<Index> place_;                // of each tap
    std::vector<std::vector<Index>> shifts_;  // along each axis
    std::vector<Tile> tiles_;
    std::vector<std::uint16_t> masks_;
};

extern template class GroupedCorrelation<float>;
extern template class GroupedCorrelation<double>;
extern template class GroupedCorrelation<std::uint64_t>;

}  // namespace faltung
