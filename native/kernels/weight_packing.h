// Weights of some output channels, [channel][term] anywhere, to [term][channel].
#pragma once

#include <vector>

#include "core/layout.h"

namespace faltung {

template <class T>
struct WeightSource {
    const T* weight;  // of the first channel
    Index channel_stride;
    const std::vector<Index>& place;  // of each term, from a channel's first
    bool is_run;                      // the terms of a channel lie behind one another
};

// `width` channels of which `count` are there, the others zero; terms [first, end).
template <class T>
void pack_weights(const WeightSource<T>& source, Index first, Index end, Index count, Index width, T* to);

extern template void pack_weights(const WeightSource<float>&, Index, Index, Index, Index, float*);
extern template void pack_weights(const WeightSource<double>&, Index, Index, Index, Index, double*);
extern template void pack_weights(const WeightSource<std::uint64_t>&, Index, Index, Index, Index,
                                  std::uint64_t*);

// All weights of a problem to [group][block of channels][input channel][tap][channel of the block].
template <class T>
void pack_correlation_weights(const Problem& problem, const Layout& layout, Index channel_block,
                              const Array& weight, T* packed, int threads);

extern template void pack_correlation_weights(const Problem&, const Layout&, Index, const Array&, float*,
                                              int);
extern template void pack_correlation_weights(const Problem&, const Layout&, Index, const Array&, double*,
                                              int);
extern template void pack_correlation_weights(const Problem&, const Layout&, Index, const Array&,
                                              std::uint64_t*, int);

// The layout key (core/operation.h) of weights so packed.
std::vector<Index> correlation_weights_layout(const Problem& problem, const Layout& layout,
                                              Index channel_block, Index element_bytes);

// All weights of a problem as numbers of 16 bits, two consecutive terms (input channel, then tap) in 32, the
// first one in the lower half: [group][block of channels][pair][channel of the block]. An odd last term is
// paired with zero.
void pack_pairs(const Problem& problem, const Layout& layout, Index channel_block, const Array& weight,
                std::uint32_t* packed, int threads);

}  // namespace faltung
