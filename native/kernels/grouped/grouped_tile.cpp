// Correlation of few channels a group, read where they lie: positions in the vector lanes, masked loads at
// the border. A register tile is 2, 4 or 8 output channels by up to 6 vectors, 24 sums of 32 registers.
#include "kernels/grouped/grouped_tile.h"

#include "core/narrow.h"

namespace faltung::FALTUNG_ISA {

#if defined(__AVX512F__)

namespace {

template <class T, int S>
inline Vec<T> load_cells(const T* from, const std::uint16_t* mask) {
    constexpr int L = lanes<T>;
    if constexpr (S == 1) {
        return load_lanes<T, lanes<T>>(from, mask[0]);
    } else {
        return unzip<T, 0>(load_lanes<T, lanes<T>>(from, mask[0]),
                           load_lanes<T, lanes<T>>(from + L, mask[1]));
    }
}

template <class T, int W, int B, int V, int S, bool ReadsAll>
void grouped_tile(const GroupedBlock<T>& b) {
    constexpr int L = lanes<T>, C = W * B;
    Vec<T> sum[C][V];
    FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
        const bool is_there = c < b.out_channels;
        const Vec<T> bias = b.bias && is_there ? broadcast(b.bias[c]) : Vec<T>{};
        const T* y = b.y + c * b.y_channel_stride;
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            sum[c][v] = bias;
            if (!is_there) continue;
            if (b.resumes) {
                const Vec<T> held = load_some(y + v * b.y_pitch, v < V - 1 ? b.count : b.last);
                sum[c][v] = b.bias ? held + bias : held;
            }
            // The sums are stored long after; the lines to hold them can arrive meanwhile.
            __builtin_prefetch(y + v * b.y_pitch, 1);
        }
    }

    const T* weight = b.weight;
    const T* x = b.x;
    for (Index ic = 0; ic < b.channels; ++ic, x += b.x_channel_stride) {
        const std::uint16_t* mask = b.mask;
        for (Index tap = 0; tap < b.taps; ++tap, weight += W) {
            const T* cells = x + b.place[tap];
            Vec<T> cell[V];
            if (ReadsAll || (S == 1 && *mask)) {
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) cell[v] = load(cells + v * b.x_pitch);
            } else {
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) cell[v] =
                    load_cells<T, S>(cells + v * b.x_pitch, mask + 1 + v * S);
            }
            if (!ReadsAll) mask += 1 + V * S;
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
                const Vec<T> w = broadcast(weight[c / W * b.weight_block + c % W]);
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[c][v] += w * cell[v];
            }
        }
    }

    FALTUNG_UNROLL for (int c = 0; c < C; ++c) if (c < b.out_channels) {
        T* y = b.y + c * b.y_channel_stride;
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            const Index count = v < V - 1 ? b.count : b.last;
            if (count == L) {
                store(y + v * b.y_pitch, sum[c][v]);
            } else {
                store_some(y + v * b.y_pitch, sum[c][v], count);
            }
        }
    }
}

template <class T, int W, int B, int V>
typename GroupedKernel<T>::Tile tile_of(Index stride, bool reads_all) {
    if (stride == 2) return grouped_tile<T, W, B, V, 2, false>;
    return reads_all ? grouped_tile<T, W, B, V, 1, true> : grouped_tile<T, W, B, V, 1, false>;
}

template <class T, int W, int B>
typename GroupedKernel<T>::Tile tile_with(Index vectors, Index stride, bool reads_all) {
    switch (vectors) {
        case 1:
            return tile_of<T, W, B, 1>(stride, reads_all);
        case 2:
            return tile_of<T, W, B, 2>(stride, reads_all);
        case 3:
            return tile_of<T, W, B, 3>(stride, reads_all);
    }
    if constexpr (B == 1) {
        switch (vectors) {
            case 4:
                return tile_of<T, W, B, 4>(stride, reads_all);
            case 5:
                return tile_of<T, W, B, 5>(stride, reads_all);
            case 6:
                return tile_of<T, W, B, 6>(stride, reads_all);
        }
    }
    return nullptr;
}

template <class T>
typename GroupedKernel<T>::Tile tile(Index width, Index blocks, Index vectors, Index stride, bool reads_all) {
    if (width == 2) return tile_with<T, 2, 1>(vectors, stride, reads_all);
    if (width != 4) return nullptr;
    return blocks == 2 ? tile_with<T, 4, 2>(vectors, stride, reads_all)
                       : tile_with<T, 4, 1>(vectors, stride, reads_all);
}

}  // namespace

template <class T>
GroupedKernel<T> grouped_kernel() {
    return {tile<T>, lanes<T>};
}

#else  // without masked loads rows are packed with their padding: the family `filter`

template <class T>
GroupedKernel<T> grouped_kernel() {
    return {};
}

#endif

template GroupedKernel<float> grouped_kernel();
template GroupedKernel<double> grouped_kernel();
template GroupedKernel<std::uint64_t> grouped_kernel();

}  // namespace faltung::FALTUNG_ISA
