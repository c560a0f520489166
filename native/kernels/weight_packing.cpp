#include "kernels/weight_packing.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/lines.h"
#include "core/square.h"
#include "core/threads.h"

namespace faltung {

namespace {

constexpr Index lines_ahead = 4;

// Terms of the sum that are packed together.
constexpr Index pack_run = 64;

// Fewer weights are packed before a sleeping worker has woken up.
constexpr Index parallel_pack_bytes = 512 << 10;

// Of each term (input channel, then tap), from an output channel's first.
std::vector<Index> term_places(const Problem& problem, const Layout& layout, const Array& weight) {
    const std::vector<Index> spatial = layout.spatial_strides(weight.stride);
    const Index taps = faltung::taps(layout.axes), terms = problem.in_channels * taps;
    std::vector<Index> place(static_cast<std::size_t>(terms));
    for (Index term = 0; term < terms; ++term) {
        Index rest = term % taps, offset = term / taps * weight.stride[2];
        for (std::size_t a = layout.axes.size(); a-- > 0;) {
            offset += rest % layout.axes[a].kernel * spatial[a];
            rest /= layout.axes[a].kernel;
        }
        place[static_cast<std::size_t>(term)] = offset;
    }
    return place;
}

bool are_run(const std::vector<Index>& place) {
    for (std::size_t term = 1; term < place.size(); ++term)
        if (place[term] != place[term - 1] + 1) return false;
    return true;
}

}  // namespace

template <class T>
void pack_weights(const WeightSource<T>& source, Index first, Index end, Index count, Index width, T* to) {
    constexpr Index side = Square<T>::side, line = line_elements<T>;
    const Index* const place = source.place.data();
    Index oc = 0;
    if (source.is_run && width % side == 0) {
        const Index whole = count / side * side, whole_end = first + (end - first) / side * side;
        // Line by line, for channels whose distance is a power of two share their sets of the cache.
        for (Index begin = first; begin < whole_end; begin += line) {
            const Index last = min_index(begin + line, whole_end);
            for (Index group = 0; group < whole; group += side) {
                const T* from = source.weight + group * source.channel_stride;
                for (Index i = 0; i < side; ++i)
                    __builtin_prefetch(from + i * source.channel_stride + place[begin] + lines_ahead * line);
                for (Index t = begin; t < last; t += side)
                    Square<T>::transpose(from + place[t], source.channel_stride, to + t * width + group,
                                         width);
            }
        }
        for (; oc < whole; ++oc)
            for (Index t = whole_end; t < end; ++t)
                to[t * width + oc] = source.weight[oc * source.channel_stride + place[t]];
    } else if (source.channel_stride == 1) {
        for (Index t = first; t < end; ++t)
            std::memcpy(to + t * width, source.weight + place[t],
                        static_cast<std::size_t>(count) * sizeof(T));
        oc = count;
    }
    for (; oc < count; ++oc) {
        const T* from = source.weight + oc * source.channel_stride;
        for (Index t = first; t < end; ++t) to[t * width + oc] = from[place[t]];
    }
    if (count == width) return;
    for (Index t = first; t < end; ++t) std::fill(to + t * width + count, to + (t + 1) * width, T(0));
}

template <class T>
void pack_correlation_weights(const Problem& problem, const Layout& layout, Index channel_block,
                              const Array& weight, T* packed, int threads) {
    const Index block = channel_block;
    const std::vector<Index> place = term_places(problem, layout, weight);
    const Index terms = static_cast<Index>(place.size());
    const bool is_run = are_run(place);
    const Index blocks = ceil_divide(problem.out_channels, block);
    auto pack_block = [&](Index task, int) {
        const Index g = task / blocks, oc = task % blocks * block;
        const T* from = static_cast<const T*>(weight.data) + g * weight.stride[0] + oc * weight.stride[1];
        const WeightSource<T> source{from, weight.stride[1], place, is_run};
        T* const to = packed + task * terms * block;
        // Terms in runs: what is read of a channel and what is written for all of them stay in L1.
        for (Index first = 0; first < terms; first += pack_run)
            pack_weights(source, first, min_index(first + pack_run, terms),
                         min_index(block, problem.out_channels - oc), block, to);
    };
    const Index tasks = problem.groups * blocks;
    const Index bytes = tasks * terms * block * Index(sizeof(T));
    parallel_for(tasks, bytes < parallel_pack_bytes ? 1 : threads, pack_block);
}

std::vector<Index> correlation_weights_layout(const Problem& problem, const Layout& layout,
                                              Index channel_block, Index element_bytes) {
    std::vector<Index> key{element_bytes, channel_block, problem.groups, problem.out_channels,
                           problem.in_channels};
    for (std::size_t a = 0; a < layout.axes.size(); ++a) {
        key.push_back(layout.origin[a]);
        key.push_back(layout.axes[a].kernel);
    }
    return key;
}

void pack_pairs(const Problem& problem, const Layout& layout, Index channel_block, const Array& weight,
                std::uint32_t* packed, int threads) {
    const std::vector<Index> place = term_places(problem, layout, weight);
    const Index terms = static_cast<Index>(place.size()), pairs = ceil_divide(terms, 2),
                width = channel_block;
    const Index blocks = ceil_divide(problem.out_channels, width);
    // Pairs that lie together already are packed as what they are: 32 bits.
    const bool are_pairs = terms % 2 == 0 && weight.stride[0] % 2 == 0 && weight.stride[1] % 2 == 0 &&
                           reinterpret_cast<std::uintptr_t>(weight.data) % sizeof(std::uint32_t) == 0 &&
                           are_run(place);
    std::vector<Index> pair_place;
    for (Index pair = 0; are_pairs && pair < pairs; ++pair) pair_place.push_back(pair);
    auto pack_block = [&](Index task, int) {
        const Index g = task / blocks, oc = task % blocks * width;
        const auto* from =
            static_cast<const std::uint16_t*>(weight.data) + g * weight.stride[0] + oc * weight.stride[1];
        const Index count = min_index(width, problem.out_channels - oc);
        std::uint32_t* to = packed + task * pairs * width;
        if (are_pairs) {
            const WeightSource<std::uint32_t> source{reinterpret_cast<const std::uint32_t*>(from),
                                                     weight.stride[1] / 2, pair_place, true};
            for (Index first = 0; first < pairs; first += pack_run)
                pack_weights(source, first, min_index(first + pack_run, pairs), count, width, to);
            return;
        }
        for (Index term = 0; term < terms; term += 2, to += width) {
            const std::uint16_t* const lower = from + place[static_cast<std::size_t>(term)];
            const std::uint16_t* const upper =
                term + 1 < terms ? from + place[static_cast<std::size_t>(term + 1)] : nullptr;
            for (Index channel = 0; channel < width; ++channel) {
                const Index offset = channel * weight.stride[1];
                to[channel] =
                    channel >= count ? 0u : lower[offset] | std::uint32_t(upper ? upper[offset] : 0) << 16;
            }
        }
    };
    const Index tasks = problem.groups * blocks;
    const Index bytes = tasks * pairs * width * Index(sizeof(std::uint32_t));
    parallel_for(tasks, bytes < parallel_pack_bytes ? 1 : threads, pack_block);
}

template void pack_weights(const WeightSource<float>&, Index, Index, Index, Index, float*);
template void pack_weights(const WeightSource<double>&, Index, Index, Index, Index, double*);
template void pack_weights(const WeightSource<std::uint64_t>&, Index, Index, Index, Index, std::uint64_t*);

template void pack_correlation_weights(const Problem&, const Layout&, Index, const Array&, float*, int);
template void pack_correlation_weights(const Problem&, const Layout&, Index, const Array&, double*, int);
template void pack_correlation_weights(const Problem&, const Layout&, Index, const Array&, std::uint64_t*,
                                       int);

}  // namespace faltung
