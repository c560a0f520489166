// Weights of a transposed correlation, packed phase by phase.
#include <algorithm>

#include "core/threads.h"
#include "kernels/transposed/phased_correlation.h"

namespace faltung {

namespace {

constexpr Index pack_channels = 32;  // input channels of a task of packing
constexpr Index parallel_pack_bytes = 128 << 10;

}  // namespace

template <class T>
void PhasedCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    struct Source {
        Index from, to, step;  // of input channel 0, and how far channels lie apart in the packed weights
    };
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    const Index width = kernel_.channel_block, channels = problem_.in_channels;
    std::vector<Source> sources;
    for (const Member& member : members_)
        for (Index tap = 0; tap < member.taps; ++tap) {
            Index rest = tap, from = 0;
            for (std::size_t a = phases_.size(); a-- > 0;) {
                const Phase& phase = *member.axes[a];
                from += (phase.tap + (phase.taps - 1 - rest % phase.taps) * phase.tap_step) * spatial[a];
                rest /= phase.taps;
            }
            sources.push_back({from, (member.first_tap * channels + tap) * width, member.taps * width});
        }
    // In the order of memory, whatever its direction; a whole kernel then lies in one piece.
    std::sort(sources.begin(), sources.end(),
              [](const Source& a, const Source& b) { return a.from < b.from; });
    const Index count = static_cast<Index>(sources.size());
    const Index base = count > 0 ? sources.front().from : 0;
    bool is_one_piece = true;
    for (Index k = 0; k < count; ++k)
        is_one_piece = is_one_piece && sources[static_cast<std::size_t>(k)].from == base + k;

    const Index blocks = channel_blocks(), chunks = ceil_divide(channels, pack_channels);
    auto pack_some = [&](Index task, int) {
        const Index first = task % chunks * pack_channels, end = min_index(first + pack_channels, channels);
        const Index block = task / chunks, oc0 = block % blocks * width;
        const Index outs = min_index(width, problem_.out_channels - oc0);
        const T* from = static_cast<const T*>(weight.data) + block / blocks * weight.stride[0] +
                        oc0 * weight.stride[1] + first * weight.stride[2] + base;
        T* const to = static_cast<T*>(packed) + block * packed_block();
        constexpr Index most_taps = 64;  // at once
        Index place[most_taps];
        for (Index ic = first; ic < end; ++ic, from += weight.stride[2])
            for (Index k0 = 0; k0 < count; k0 += most_taps) {
                const Source* source = sources.data() + k0;
                const Index taps = min_index(most_taps, count - k0);
                for (Index k = 0; k < taps; ++k) place[k] = source[k].to + ic * source[k].step;
                if (is_one_piece) {
                    rows_.pack(from + k0, weight.stride[1], outs, taps, place, to);
                } else {
                    for (Index k = 0; k < taps; ++k)
                        for (Index oc = 0; oc < outs; ++oc)
                            to[place[k] + oc] = from[source[k].from - base + oc * weight.stride[1]];
                }
                for (Index k = 0; k < taps && outs < width; ++k)
                    std::fill(to + place[k] + outs, to + place[k] + width, T(0));
            }
    };
    parallel_for(problem_.groups * blocks * chunks, packed_bytes() < parallel_pack_bytes ? 1 : threads,
                 pack_some);
}

template void PhasedCorrelation<float>::pack(const Array&, void*, int) const;
template void PhasedCorrelation<double>::pack(const Array&, void*, int) const;
template void PhasedCorrelation<std::uint64_t>::pack(const Array&, void*, int) const;

}  // namespace faltung
