// The weights of a product of positions: packed for it, or where they lie.
#pragma once

#include <numeric>
#include <vector>

#include "core/borrowed.h"
#include "kernels/pointwise/pointwise_block.h"
#include "kernels/weight_packing.h"

namespace faltung {

// Weights that lie [channel][term] are turned for a few columns, so many at a time, in L2.
constexpr Index turned_channels = 64, turned_terms = 512;

// Whether each output channel's weights lie behind one another in the order of the terms of its sum.
inline bool lie_in_rows(const Array& weight, const Problem& problem, const Layout& layout) {
    if (weight.stride[1] == 0) return false;
    const std::vector<Index> spatial = layout.spatial_strides(weight.stride);
    Index expected = 1;
    for (std::size_t a = layout.axes.size(); a-- > 0;) {
        if (layout.axes[a].kernel > 1 && spatial[a] != expected) return false;
        expected *= layout.axes[a].kernel;
    }
    return problem.in_channels <= 1 || weight.stride[2] == expected;
}

template <class T>
class ProductWeights {
  public:
    // Behind their head: [group][block of channels][term][channel of the block]; or the head says where they
    // lie in rows.
    ProductWeights(const void* packed, const Problem& problem, Index terms, Index width) : width_(width) {
        const std::size_t axes = problem.axes.size();
        if (const std::optional<Array> weight = borrowed_weight(packed, axes)) {
            first_ = static_cast<const T*>(weight->data);
            group_pitch_ = weight->stride[0];
            row_ = weight->stride[1];
            block_pitch_ = width * row_;
            term_pitch_ = 1;
        } else {
            first_ = reinterpret_cast<const T*>(static_cast<const char*>(packed) + packed_head_bytes(axes));
            block_pitch_ = terms * width;
            group_pitch_ = ceil_divide(problem.out_channels, width) * block_pitch_;
            term_pitch_ = width;
        }
    }

    // Elements of scratch for the rest of the positions: weights that are turned, or where they are packed
    // the cells of a position that a tile takes along.
    static Index rest_elements(const Problem& problem, Index terms, Index width) {
        const Index turned = min_index(round_up(problem.out_channels, width), turned_channels) *
                             min_index(terms, turned_terms);
        return max_index(turned, terms);
    }

    // Of a block of channels, from a term on.
    const T* at(Index group, Index block, Index term) const {
        return first_ + group * group_pitch_ + block * block_pitch_ + term * term_pitch_;
    }

    bool are_packed() const { return row_ == 0; }

    void give(PointwiseBlock<T>& product, const T* weight) const {
        product.weight = weight;
        product.weight_pitch = block_pitch_;
        product.weight_row = row_;
    }

    void multiply_columns(const PointwiseKernel<T>& kernel, PointwiseColumns<T>& columns, const T* weight,
                          T* turned) const {
        columns.weight = weight;
        columns.weight_pitch = block_pitch_;
        if (are_packed()) return kernel.multiply_columns(columns);
        for (Index channel = 0; channel < columns.out_channels; channel += turned_channels)
            for (Index term = 0; term == 0 || term < columns.terms; term += turned_terms)
                multiply_turned(kernel, columns, channel, term, turned);
    }

  private:
    // Some channels' and terms' part.
    void multiply_turned(const PointwiseKernel<T>& kernel, const PointwiseColumns<T>& all, Index channel,
                         Index term, T* turned) const {
        PointwiseColumns<T> part = all;
        part.out_channels = min_index(turned_channels, all.out_channels - channel);
        part.terms = min_index(turned_terms, all.terms - term);
        part.weight = turned;
        part.weight_pitch = part.terms * width_;
        part.panel += term * all.columns;
        for (int j = 0; j < all.columns; ++j) part.y[j] += channel * all.y_channel_stride;
        part.bias = all.bias && term == 0 ? all.bias + channel : nullptr;
        part.resumes = all.resumes || term > 0;
        for (Index oc = 0; oc < part.out_channels; oc += width_)
            pack_weights(WeightSource<T>{all.weight + (channel + oc) * row_ + term, row_, places(), true}, 0,
                         part.terms, min_index(width_, part.out_channels - oc), width_,
                         turned + oc / width_ * part.weight_pitch);
        kernel.multiply_columns(part);
    }

    // Of the terms of a row.
    static const std::vector<Index>& places() {
        static const std::vector<Index> behind_one_another = [] {
            std::vector<Index> all(turned_terms);
            std::iota(all.begin(), all.end(), Index(0));
            return all;
        }();
        return behind_one_another;
    }

    const T* first_;
    Index width_, group_pitch_, block_pitch_, term_pitch_;
    Index row_ = 0;  // 0: packed
};

}  // namespace faltung
