#include "kernels/dilated/dilated.h"

#include <stdexcept>

#include "core/threads.h"

namespace faltung {

namespace {

// Each transformed weight that is fetched serves so many products; beyond, tiles fall out of L2.
constexpr Index wanted_tiles = 96;

// Transformed input, which stays in the last cache while all output channels pass over it.
constexpr Index input_budget_bytes = Index(8) << 20;
// Of the products of several blocks of channels, which share the transformed input of a point in L2.
constexpr Index product_budget_bytes = Index(1280) << 10;
constexpr Index largest_bytes = Index(24) << 20;

constexpr Index parallel_pack_bytes = 128 << 10;
constexpr Index turned_terms = 16, most_taps = 9;

}  // namespace

template <class T>
DilatedCorrelation<T>::DilatedCorrelation(const Problem& problem, const DilatedKernel<T>& kernel)
    : problem_(problem), layout_(problem), tiling_(dilated_tiling(problem)), kernel_(kernel) {
    for (std::size_t r = 0; r < tiling_.rows.classes.size(); ++r)
        for (std::size_t c = 0; c < tiling_.columns.classes.size(); ++c) {
            const TileClass &rows = tiling_.rows.classes[r], &columns = tiling_.columns.classes[c];
            Part part{r,
                      c,
                      Index(tile_points(rows.form)) * tile_points(columns.form),
                      columns.tiles,
                      rows.tiles,
                      1,
                      points_};
            points_ += part.points;
            const Index most = max_index(1, wanted_tiles / part.across);
            const Index row_bytes = max_index(1, block_bytes(part, 1));
            part.block_units = max_index(1, min_index(most, input_budget_bytes / row_bytes));
            parts_.push_back(part);
            const Index one = product_bytes(part, part.block_units);
            input_bytes_ = max_index(input_bytes_, block_bytes(part, part.block_units));
            product_bytes_ = max_index(product_bytes_, one);
        }
    const Index block = saturating_multiply(points_ * Index(sizeof(T)),
                                            saturating_multiply(terms() + 1, kernel.channel_block));
    if (saturating_multiply(saturating_multiply(problem.groups, channel_blocks()), block) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
    if (input_bytes_ > largest_bytes || product_bytes_ > largest_bytes / 8)
        throw std::invalid_argument(
            "algorithm 'dilated' does not serve this problem: too many input channels for its workspace");
    input_bytes_ = max_index(input_bytes_, input_budget_bytes);
    product_bytes_ = max_index(product_bytes_, product_budget_bytes);
}

template <class T>
Index DilatedCorrelation<T>::v_pitch(Index tiles) const {
    return odd_lines(saturating_multiply(terms(), tiles), sizeof(T));
}

template <class T>
Index DilatedCorrelation<T>::m_pitch(Index tiles) const {
    return odd_lines(tiles * kernel_.channel_block, sizeof(T));
}

template <class T>
Index DilatedCorrelation<T>::block_bytes(const Part& part, Index units) const {
    return saturating_multiply(part.points * Index(sizeof(T)), v_pitch(units * part.across));
}

template <class T>
Index DilatedCorrelation<T>::product_bytes(const Part& part, Index units) const {
    return part.points * m_pitch(units * part.across) * Index(sizeof(T));
}

template <class T>
Index DilatedCorrelation<T>::panel_bytes() const {
    return saturating_add(input_bytes_, product_bytes_);
}

template <class T>
Index DilatedCorrelation<T>::workspace_bytes(int threads) const {
    return saturating_add(input_bytes_,
                          saturating_multiply(product_bytes_, min_index(threads, thread_limit)));
}

template <class T>
Index DilatedCorrelation<T>::packed_bytes() const {
    return problem_.groups * channel_blocks() * packed_block() * Index(sizeof(T));
}

template <class T>
std::vector<Index> DilatedCorrelation<T>::packed_layout() const {
    std::vector<Index> key{Index(sizeof(T)), kernel_.channel_block, problem_.groups, problem_.out_channels,
                           terms()};
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        key.push_back(layout_.origin[a]);
        key.push_back(layout_.axes[a].kernel);
        for (const TileClass& tiles : (a ? tiling_.columns : tiling_.rows).classes) {
            key.push_back(static_cast<Index>(tiles.form));
            key.push_back(tiles.first);
        }
    }
    return key;
}

template <class T>
void DilatedCorrelation<T>::transform_weights(const Array& weight, Index group, Index channel_block,
                                              T* packed) const {
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    const Index block = kernel_.channel_block, lanes = kernel_.lanes, oc = channel_block * block;
    const Index row_taps = layout_.rows().kernel, column_taps = layout_.columns().kernel;
    const Index channels = min_index(block, problem_.out_channels - oc);
    alignas(workspace_alignment) T turned[(turned_terms + 2) * most_taps * line_elements<T>];
    WinogradWeight<T> part;
    part.channel_stride = weight.stride[1];
    part.term_stride = weight.stride[2];
    part.row_stride = spatial[0];
    part.column_stride = spatial[1];
    const T* const first =
        static_cast<const T*>(weight.data) + group * weight.stride[0] + oc * weight.stride[1];
    for (Index lane = 0; lane < block; lane += lanes)
        for (Index term = 0; term < terms(); term += turned_terms) {
            part.weight = first + lane * weight.stride[1] + term * weight.stride[2];
            part.terms = min_index(turned_terms, terms() - term);
            part.channels = max_index(0, min_index(lanes, channels - lane));
            const TurnedTaps<T> taps = kernel_.turn_taps(part, row_taps, column_taps, turned);
            for (const Part& tiles : parts_) {
                DilatedWeight<T> to;
                to.rows = rows_of(tiles).form;
                to.columns = columns_of(tiles).form;
                to.row_step = column_taps * taps.step;
                to.column_step = taps.step;
                // Forms of fewer taps than the axis begin at the tap that meets their first cell.
                const auto skipped = [](const TileClass& one) {
                    return tile_taps(one.form) < 3 ? one.first : Index(0);
                };
                to.taps = taps.first + skipped(rows_of(tiles)) * to.row_step +
                          skipped(columns_of(tiles)) * to.column_step;
                to.term_step = row_taps * column_taps * lanes;
                to.terms = part.terms;
                to.u = packed + tiles.first_point * packed_panel() + term * block + lane;
                to.u_term = block;
                to.u_point = packed_panel();
                kernel_.transform_weight(to);
            }
        }
}

template <class T>
void DilatedCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    auto transform_block = [&](Index task, int) {
        const Index blocks = channel_blocks();
        transform_weights(weight, task / blocks, task % blocks,
                          static_cast<T*>(packed) + task * packed_block());
    };
    parallel_for(problem_.groups * channel_blocks(), packed_bytes() < parallel_pack_bytes ? 1 : threads,
                 transform_block);
}

template class DilatedCorrelation<float>;
template class DilatedCorrelation<double>;

}  // namespace faltung
