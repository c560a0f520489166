#include "kernels/weight_packing.h"

#include <algorithm>
#include <cstring>

namespace faltung {

namespace {

constexpr Index line_bytes = 64;
constexpr Index lines_ahead = 4;

// Squares of 16 bytes by as many channels, which every processor's vectors can transpose.
template <class T>
struct Square {
    static constexpr int side = 16 / static_cast<int>(sizeof(T));
    typedef T Row __attribute__((vector_size(16)));

    static void transpose(const T* from, Index from_stride, T* to, Index to_stride) {
        Row in[side], out[side];
        for (int i = 0; i < side; ++i) std::memcpy(&in[i], from + i * from_stride, sizeof(Row));
        if constexpr (side == 4) {
            Row low[2], high[2];
            for (int i = 0; i < 2; ++i) {
                low[i] = __builtin_shufflevector(in[2 * i], in[2 * i + 1], 0, 4, 1, 5);
                high[i] = __builtin_shufflevector(in[2 * i], in[2 * i + 1], 2, 6, 3, 7);
            }
            out[0] = __builtin_shufflevector(low[0], low[1], 0, 1, 4, 5);
            out[1] = __builtin_shufflevector(low[0], low[1], 2, 3, 6, 7);
            out[2] = __builtin_shufflevector(high[0], high[1], 0, 1, 4, 5);
            out[3] = __builtin_shufflevector(high[0], high[1], 2, 3, 6, 7);
        } else {
            out[0] = __builtin_shufflevector(in[0], in[1], 0, 2);
            out[1] = __builtin_shufflevector(in[0], in[1], 1, 3);
        }
        for (int i = 0; i < side; ++i) std::memcpy(to + i * to_stride, &out[i], sizeof(Row));
    }
};

}  // namespace

template <class T>
void pack_weights(const WeightSource<T>& source, Index first, Index end, Index count, Index width, T* to) {
    constexpr Index side = Square<T>::side, line = line_bytes / Index(sizeof(T));
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

template void pack_weights(const WeightSource<float>&, Index, Index, Index, Index, float*);
template void pack_weights(const WeightSource<double>&, Index, Index, Index, Index, double*);
template void pack_weights(const WeightSource<std::uint64_t>&, Index, Index, Index, Index, std::uint64_t*);

}  // namespace faltung
