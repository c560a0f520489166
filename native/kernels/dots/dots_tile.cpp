// Compiled for processors with AVX512_BF16 alone.
#include "kernels/dots/dots_block.h"

#if defined(__AVX512BF16__)

#include <cstring>

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int channel_block = dots_channel_block;
constexpr Index pairs_ahead = 4;     // of x: so long takes a line from L3
constexpr Index weights_ahead = 32;  // pairs; so long takes a line from memory

__m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

__mmask16 first(Index count) {
    return static_cast<__mmask16>((1u << count) - 1);
}

// a0 b0 a1 b1 ...
__m512i paired(__m256i a, __m256i b) {
    const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39,
                                           7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    return _mm512_permutex2var_epi16(_mm512_castsi256_si512(a), order, _mm512_castsi256_si512(b));
}

__m256i halves(const Half* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// As core/half.h rounds, but for denormals, which products leave none of.
__m256i narrowed(__m512 sum) {
    return (__m256i)_mm512_cvtneps_pbh(sum);
}

// Every second or fourth cell: the columns of one phase of a strided correlation.
void copy_columns(const Half* from, Index step, Index count, Half* to) {
    Index i = 0;
    if (step == 1) {
        std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Half));
        return;
    }
    // A whole vector of cells ends step - 1 behind the last that is wanted, and must not end behind the
    // array.
    if (step == 2) {
        for (; i + 16 < count; i += 16)
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                                _mm512_cvtepi32_epi16(_mm512_loadu_si512(from + 2 * i)));
        const __m512i cells = _mm512_maskz_loadu_epi16((1u << (2 * (count - i - 1) + 1)) - 1, from + 2 * i);
        _mm256_mask_storeu_epi16(to + i, first(count - i), _mm512_cvtepi32_epi16(cells));
    } else if (step == 4) {
        for (; i + 8 < count; i += 8)
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                             _mm512_cvtepi64_epi16(_mm512_loadu_si512(from + 4 * i)));
        const __m512i cells = _mm512_maskz_loadu_epi16((1u << (4 * (count - i - 1) + 1)) - 1, from + 4 * i);
        _mm_mask_storeu_epi16(to + i, static_cast<__mmask8>(first(count - i)), _mm512_cvtepi64_epi16(cells));
    } else {
        for (; i < count; ++i) to[i] = from[step * i];
    }
}

// Of the block's channels those from `channel` on, at most C. Where Reads, x is read where it lies and
// paired.
template <int C, int V, bool Reads>
void product_tile(const DotsBlock& b, Index channel) {
    constexpr Index L = dots_lanes;
    const int channels = static_cast<int>(min_index(b.out_channels - channel, C));
    const Index last = b.positions - (V - 1) * L;  // positions in the last vector
    float* const sums = b.sums + channel * dots_tile;
    __m512 sum[C][V];
    FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
        const __m512 bias = _mm512_set1_ps(c < channels && b.bias ? b.bias[channel + c] : 0.0f);
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            sum[c][v] = bias;
            if (b.resumes && c < channels)
                sum[c][v] = _mm512_add_ps(bias, _mm512_load_ps(sums + c * dots_tile + v * L));
        }
        if (b.y) {  // the lines arrive before the sums are stored
            const Half* row = b.y + (channel + (c < channels ? c : 0)) * b.y_channel_stride;
            __builtin_prefetch(row, 1);
            if (V > 1) __builtin_prefetch(row + b.positions - 1, 1);
        }
    }

    const Pair* weight = b.weight + dots_weight_place(channel / channel_block, b.weight_pitch, b.weight_step);
    Pair* panel = b.panel;
    const Half* x = b.x;
    const __mmask16 read = first(last);
    const Index step = b.weight_step;
    for (Index term = 0; term < b.terms; term += 2, panel += V * L, weight += step) {
        __builtin_prefetch(weight + weights_ahead * step);
        __m512i cells[V];
        if constexpr (Reads) {
            const bool is_pair = term + 1 < b.terms;
            const Half* const next = x + (is_pair ? b.x_pitch : 0);
            const Index further = min_index(2 * pairs_ahead, b.terms - 1 - term) * b.x_pitch;
            __builtin_prefetch(x + further);
            __builtin_prefetch(x + further + b.positions - 1);
            __builtin_prefetch(next + further);
            __builtin_prefetch(next + further + b.positions - 1);
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
                const __mmask16 lanes_read = v == V - 1 ? read : __mmask16(-1);
                const __m256i a = _mm256_maskz_loadu_epi16(lanes_read, x + v * L);
                const __m256i c = _mm256_maskz_loadu_epi16(is_pair ? lanes_read : __mmask16(0), next + v * L);
                cells[v] = paired(a, c);
                _mm512_store_si512(panel + v * L, cells[v]);
            }
            x = next + b.x_pitch;
        } else {
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) cells[v] = _mm512_load_si512(panel + v * L);
        }
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
            const __m512i w = _mm512_set1_epi32(static_cast<int>(weight[c]));
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[c][v] = dot(sum[c][v], cells[v], w);
        }
    }

    FALTUNG_UNROLL for (int c = 0; c < C; ++c) if (c < channels) {
        if (b.y) {
            Half* const row = b.y + (channel + c) * b.y_channel_stride;
            FALTUNG_UNROLL for (int v = 0; v < V; ++v)
                _mm256_mask_storeu_epi16(row + v * L, v == V - 1 ? read : __mmask16(-1), narrowed(sum[c][v]));
        } else {
            FALTUNG_UNROLL for (int v = 0; v < V; ++v)
                _mm512_store_ps(sums + c * dots_tile + v * L, sum[c][v]);
        }
    }
}

template <int V, bool Reads>
void product_tile_for(const DotsBlock& b, Index channel) {
    const Index channels = b.out_channels - channel;
    if (channels > 6) return product_tile<channel_block, V, Reads>(b, channel);
    if (channels > 4) return product_tile<6, V, Reads>(b, channel);
    if (channels > 2) return product_tile<4, V, Reads>(b, channel);
    product_tile<2, V, Reads>(b, channel);
}

template <int V>
void product_block(const DotsBlock& b) {
    Index channel = 0;
    if (b.x) {
        product_tile_for<V, true>(b, 0);
        channel = channel_block;
    }
    for (; channel < b.out_channels; channel += channel_block) product_tile_for<V, false>(b, channel);
}

void multiply(const DotsBlock& b) {
    switch (ceil_divide(b.positions, dots_lanes)) {
        case 1:
            return product_block<1>(b);
        case 2:
            return product_block<2>(b);
        default:
            return product_block<dots_most_vectors>(b);
    }
}

// J columns of B blocks of output channels.
template <int B, int J>
void columns_product(const DotsColumns& b, Index channel) {
    alignas(32) float values[J][B * channel_block] = {};
    const int channels = static_cast<int>(min_index(b.out_channels - channel, B * channel_block));
    for (int c = 0; c < channels; ++c) {
        const float bias = b.bias ? b.bias[channel + c] : 0.0f;
        for (int j = 0; j < J; ++j)
            values[j][c] = b.resumes ? b.sums[(channel + c) * dots_tile + j] + bias : bias;
    }
    __m256 sum[B][J];
    FALTUNG_UNROLL for (int i = 0; i < B; ++i) FALTUNG_UNROLL for (int j = 0; j < J; ++j) sum[i][j] =
        _mm256_load_ps(values[j] + i * channel_block);

    const Pair* weight = b.weight;
    const Pair* panel = b.panel;
    Index place[B];
    for (int i = 0; i < B; ++i)
        place[i] = dots_weight_place(channel / channel_block + i, b.weight_pitch, b.weight_step);
    for (Index pair = 0; pair < b.pairs; ++pair, panel += J, weight += b.weight_step) {
        __m256i w[B];
        FALTUNG_UNROLL for (int i = 0; i < B; ++i) {
            const Pair* const own = weight + place[i];
            __builtin_prefetch(own + weights_ahead * b.weight_step);
            w[i] = _mm256_load_si256(reinterpret_cast<const __m256i*>(own));
        }
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
            const __m256bh cell = (__m256bh)_mm256_set1_epi32(static_cast<int>(panel[j]));
            FALTUNG_UNROLL for (int i = 0; i < B; ++i) sum[i][j] =
                _mm256_dpbf16_ps(sum[i][j], cell, (__m256bh)w[i]);
        }
    }

    FALTUNG_UNROLL for (int i = 0; i < B; ++i) FALTUNG_UNROLL for (int j = 0; j < J; ++j)
        _mm256_store_ps(values[j] + i * channel_block, sum[i][j]);
    for (int c = 0; c < channels; ++c)
        for (int j = 0; j < J; ++j) b.sums[(channel + c) * dots_tile + j] = values[j][c];
}

// Enough sums at once to hide the latency of a product, few enough for the registers.
template <int B, int J>
void columns_of(const DotsColumns& b) {
    Index channel = 0;
    for (; channel + (B - 1) * channel_block < b.out_channels; channel += B * channel_block)
        columns_product<B, J>(b, channel);
    for (; channel < b.out_channels; channel += channel_block) columns_product<1, J>(b, channel);
}

void multiply_columns(const DotsColumns& b) {
    switch (b.columns) {
        case 1:
            return columns_of<8, 1>(b);
        case 2:
            return columns_of<6, 2>(b);
        case 3:
            return columns_of<4, 3>(b);
        case 4:
            return columns_of<4, 4>(b);
        case 5:
            return columns_of<4, 5>(b);
        case 6:
            return columns_of<3, 6>(b);
        case 7:
            return columns_of<3, 7>(b);
        default:
            return columns_of<2, dots_most_columns>(b);
    }
}

// A vector of positions of one row of outputs; its last lanes may be wrong.
struct PatchVector {
    const std::int32_t* offset;
    const Half* cells;
    Index place;
};

// N vectors in order, `count` where N is 0: what one writes beyond its positions, the next one writes over.
template <int N>
void unfold_vectors(const DotsPatches& b, const PatchVector* vectors, Index width, int count) {
    const Index terms = b.channels * b.taps;
    Pair* to = b.panel;
    Index tap = 0, skipped = 0;
    const auto step = [&] {
        if (++tap < b.taps) return;
        tap = 0;
        skipped += b.channel_pitch;
    };
    for (Index term = 0; term < terms; term += 2, to += width) {
        const Index tap0 = tap, skipped0 = skipped;
        step();
        const bool is_pair = term + 1 < terms;
        const Index tap1 = is_pair ? tap : tap0, skipped1 = is_pair ? skipped : skipped0;
        step();
        const auto one = [&](const PatchVector& vector) {
            const __m256i a = halves(vector.cells + skipped0 + vector.offset[tap0]);
            const __m256i c =
                is_pair ? halves(vector.cells + skipped1 + vector.offset[tap1]) : _mm256_setzero_si256();
            _mm512_storeu_si512(to + vector.place, paired(a, c));
        };
        if constexpr (N > 0) {
            FALTUNG_UNROLL for (int i = 0; i < N; ++i) one(vectors[i]);
        } else {
            for (int i = 0; i < count; ++i) one(vectors[i]);
        }
    }
}

void unfold(const DotsPatches& b) {
    constexpr Index L = dots_lanes;
    PatchVector vectors[dots_most_vectors * (L + 1)];
    int count = 0;
    for (Index at = 0; at < b.positions;) {
        const Index row = (b.first + at) / b.columns, column = (b.first + at) % b.columns;
        const Index length = min_index(b.columns - column, b.positions - at);
        for (Index i = 0; i < length; i += L)
            vectors[count++] = {b.offset + row * b.taps, b.cells + column + i, at + i};
        at += length;
    }
    const Index width = round_up(b.positions, L);
    switch (count) {
        case 1:
            return unfold_vectors<1>(b, vectors, width, 1);
        case 2:
            return unfold_vectors<2>(b, vectors, width, 2);
        case 3:
            return unfold_vectors<3>(b, vectors, width, 3);
        case 4:
            return unfold_vectors<4>(b, vectors, width, 4);
        case 5:
            return unfold_vectors<5>(b, vectors, width, 5);
        default:
            return unfold_vectors<0>(b, vectors, width, count);
    }
}

double burst(Index rounds, float* sink) {
    constexpr int chains = 24;
    __m512 sum[chains];
    const __m512i factor = _mm512_castps_si512(_mm512_loadu_ps(sink));
    FALTUNG_UNROLL for (int i = 0; i < chains; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
    for (Index round = 0; round < rounds; ++round)
        FALTUNG_UNROLL for (int i = 0; i < chains; ++i) sum[i] = dot(sum[i], factor, factor);
    FALTUNG_UNROLL for (int i = 1; i < chains; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    _mm512_storeu_ps(sink, sum[0]);
    return 4.0 * chains * dots_lanes * static_cast<double>(rounds);
}

}  // namespace

void add_pixel_kernels(DotsKernel& kernel);

DotsKernel dots_kernel() {
    DotsKernel kernel;
    kernel.multiply = multiply;
    kernel.multiply_columns = multiply_columns;
    kernel.unfold = unfold;
    kernel.copy = copy_columns;
    kernel.burst = burst;
    add_pixel_kernels(kernel);
    return kernel;
}

}  // namespace faltung::FALTUNG_ISA

#endif
