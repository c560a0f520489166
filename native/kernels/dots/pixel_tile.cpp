// Compiled for processors with AVX512_BF16 alone: channels in the lanes, and what turns arrays round for
// them.
#include "kernels/dots/dots_block.h"

#if defined(__AVX512BF16__)

#include <cstring>

#include "core/transpose.h"
#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int L = dots_pixel_lanes;
constexpr int square = L;  // of 32 bits

__m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

__mmask32 first(Index count) {
    return count >= 32 ? ~__mmask32(0) : (__mmask32(1) << (count < 0 ? 0 : count)) - 1;
}

// J pixels by V vectors of channels.
template <int V, int J>
void pixel_tile(const DotsPixels& b, Index at, int look) {
    const Index pitch = b.weight_pitch;
    const Half* x[J];
    float* sums[J];
    __m512 sum[J][V];
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
        x[j] = b.cells + b.place[at + j];
        sums[j] = b.sums + b.slot[at + j];
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            sum[j][v] = b.resumes ? _mm512_load_ps(sums[j] + v * L) : _mm512_setzero_ps();
            if (b.bias) sum[j][v] = _mm512_add_ps(sum[j][v], _mm512_loadu_ps(b.bias + v * L));
        }
    }
    const Pair* weight = b.weight;
    const Index ahead = b.ahead + look % V * pitch;
    for (Index r = 0; r < b.run_count; ++r) {
        const Half* cells[J];
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) cells[j] = x[j] + b.runs[r].offset;
        const Index pairs = b.runs[r].pairs;
        for (Index pair = 0; pair < pairs; ++pair, weight += L) {
            __builtin_prefetch(weight + ahead);
            __m512i w[V];
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) w[v] = _mm512_load_si512(weight + v * pitch);
            FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
                int bits;
                std::memcpy(&bits, cells[j] + 2 * pair, sizeof bits);
                const __m512i cell = _mm512_set1_epi32(bits);
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[j][v] = dot(sum[j][v], cell, w[v]);
            }
        }
    }
    if (b.y) {
        const __mmask16 last = static_cast<__mmask16>(first(b.channels - (V - 1) * L));
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
            Half* const to = b.y + b.y_place[at + j];
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) _mm256_mask_storeu_epi16(
                to + v * L, v == V - 1 ? last : __mmask16(-1), (__m256i)_mm512_cvtneps_pbh(sum[j][v]));
        }
        return;
    }
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) FALTUNG_UNROLL for (int v = 0; v < V; ++v)
        _mm512_store_ps(sums[j] + v * L, sum[j][v]);
}

template <int V, int J>
void pixels_of(const DotsPixels& b, Index at, Index count, int look) {
    if constexpr (J > 1) {
        if (count < J) return pixels_of<V, J - 1>(b, at, count, look);
    }
    pixel_tile<V, J>(b, at, look);
}

// Enough sums at once to hide the latency of a product, few enough for the registers.
template <int V>
constexpr int most_pixels = V == 4   ? 6
                            : V == 3 ? 8
                                     : 10;

template <int V>
void pixel_tiles(const DotsPixels& b) {
    const Index tiles = ceil_divide(b.pixels, most_pixels<V>);
    for (Index tile = 0; tile < tiles; ++tile) {
        const Index begin = tile * b.pixels / tiles, end = (tile + 1) * b.pixels / tiles;
        pixels_of<V, most_pixels<V>>(b, begin, end - begin, static_cast<int>(tile));
    }
}

void multiply_pixels(const DotsPixels& b) {
    switch (b.vectors) {
        case 1:
            return pixel_tiles<1>(b);
        case 2:
            return pixel_tiles<2>(b);
        case 3:
            return pixel_tiles<3>(b);
        default:
            return pixel_tiles<4>(b);
    }
}

// a0 b0 a1 b1 ...
__m512i paired(__m256i a, __m256i b) {
    const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39,
                                           7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    return _mm512_permutex2var_epi16(_mm512_castsi256_si512(a), order, _mm512_castsi256_si512(b));
}

// As core/half.h rounds; the processor's own conversion takes denormals for zeros.
template <bool HasDenormals>
__m256i narrowed(__m512 sum) {
    const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(sum);
    if constexpr (!HasDenormals) return rounded;
    const __m512i bits = _mm512_castps_si512(sum);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i moved = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 is_denormal = _mm512_fpclass_ps_mask(sum, 0x20);
    return _mm256_mask_mov_epi16(rounded, is_denormal, _mm512_cvtepi32_epi16(_mm512_srli_epi32(moved, 16)));
}

void transpose(__m512i (&v)[square]) {
    Vec<float> f[square];
    FALTUNG_UNROLL for (int i = 0; i < square; ++i) f[i] = (Vec<float>)v[i];
    transpose_square<float>(f);
    FALTUNG_UNROLL for (int i = 0; i < square; ++i) v[i] = (__m512i)f[i];
}

// Lane e of vector k of C channels side by side is that of pixel (32 k + e) / C.
template <int C>
struct Weave {
    std::uint16_t pixel[C][32] = {};
    std::uint32_t is_of[C][C] = {};  // [vector][channel]
    constexpr Weave() {
        for (int k = 0; k < C; ++k)
            for (int e = 0; e < 32; ++e) {
                pixel[k][e] = static_cast<std::uint16_t>((32 * k + e) / C);
                is_of[k][(32 * k + e) % C] |= std::uint32_t(1) << e;
            }
    }
};

template <int C>
void weave(const DotsTurn& t) {
    static constexpr Weave<C> order{};
    for (Index p = 0; p < t.pixels; p += 32) {
        const Index count = min_index(32, t.pixels - p);
        __m512i in[C];
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) in[c] =
            _mm512_maskz_loadu_epi16(first(count), t.planes + c * t.channel_stride + p);
        FALTUNG_UNROLL for (int k = 0; k < C; ++k) {
            const __m512i pixel = _mm512_loadu_si512(order.pixel[k]);
            __m512i out = _mm512_setzero_si512();
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) out =
                _mm512_mask_permutexvar_epi16(out, order.is_of[k][c], pixel, in[c]);
            _mm512_mask_storeu_epi16(t.to + p * C + 32 * k, first(count * C - 32 * k), out);
        }
    }
}

void turn(const DotsTurn& t) {
    if (t.pitch == t.channels && t.step == 1) {
        switch (t.channels) {
            case 1:
                return weave<1>(t);
            case 2:
                return weave<2>(t);
            case 3:
                return weave<3>(t);
            case 4:
                return weave<4>(t);
            default:
                break;
        }
    }
    // 16 pixels of 32 channels at a time.
    Index place[L], group = 0, own = 0;  // of `step` pixels, which, and which of it
    for (Index p = 0; p < t.pixels; p += L) {
        const Index count = min_index(L, t.pixels - p);
        for (Index i = 0; i < count; ++i) {
            place[i] = own < t.kept ? (group * t.kept + own) * t.pitch : -1;
            if (++own == t.step) own = 0, ++group;
        }
        const __mmask16 read = static_cast<__mmask16>(first(count));
        for (Index c = 0; c < t.channels; c += 32) {
            const Index channels = min_index(32, t.channels - c);
            const Half* const from = t.planes + c * t.channel_stride + p;
            __m512i v[square];
            FALTUNG_UNROLL for (int i = 0; i < square; ++i) {
                const Half* const a = from + 2 * i * t.channel_stride;
                const __mmask16 reads_a = 2 * i < channels ? read : __mmask16(0),
                                reads_b = 2 * i + 1 < channels ? read : __mmask16(0);
                v[i] = paired(_mm256_maskz_loadu_epi16(reads_a, a),
                              _mm256_maskz_loadu_epi16(reads_b, a + t.channel_stride));
            }
            transpose(v);
            const __mmask32 written = first(channels);
            FALTUNG_UNROLL for (int i = 0; i < L; ++i) if (i < count && place[i] >= 0)
                _mm512_mask_storeu_epi16(t.to + place[i] + c, written, v[i]);
        }
    }
}

// a0 b0 a1 b1 ... rounded.
template <bool HasDenormals>
__m512i narrowed_pairs(__m512 a, __m512 b) {
    if constexpr (HasDenormals) return paired(narrowed<true>(a), narrowed<true>(b));
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                           7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}

template <bool HasDenormals>
void planes_of(const DotsStore& s) {
    constexpr Index pitch = dots_pixel_channels;
    for (Index c = 0; c < s.channels; c += L) {
        const Index channels = min_index(L, s.channels - c);
        for (Index p = 0; p < s.pixels; p += 2 * L) {
            const Index pixels = min_index(2 * L, s.pixels - p);
            const float* const from = s.sums + p * pitch + c;
            __m512i v[square];
            // Slots behind the last pixel are read, and not stored.
            FALTUNG_UNROLL for (int i = 0; i < square; ++i) {
                const float* const a = from + min_index(2 * i, pixels - 1) * pitch;
                const float* const b = from + min_index(2 * i + 1, pixels - 1) * pitch;
                v[i] = narrowed_pairs<HasDenormals>(_mm512_load_ps(a), _mm512_load_ps(b));
            }
            transpose(v);
            const __mmask32 written = first(pixels);
            Half* const to = s.y + c * s.stride + p;
            FALTUNG_UNROLL for (int i = 0; i < L; ++i) if (i < channels)
                _mm512_mask_storeu_epi16(to + i * s.stride, written, v[i]);
        }
    }
}

void store_planes(const DotsStore& s) {
    s.has_denormals ? planes_of<true>(s) : planes_of<false>(s);
}

template <bool HasDenormals>
void pixels_stored(const DotsStore& s) {
    for (Index p = 0; p < s.pixels; ++p) {
        const float* const from = s.sums + p * dots_pixel_channels;
        Half* const to = s.y + p * s.stride;
        for (Index c = 0; c < s.channels; c += L)
            _mm256_mask_storeu_epi16(to + c, static_cast<__mmask16>(first(s.channels - c)),
                                     narrowed<HasDenormals>(_mm512_load_ps(from + c)));
    }
}

void store_pixels(const DotsStore& s) {
    s.has_denormals ? pixels_stored<true>(s) : pixels_stored<false>(s);
}

// Terms at places of pairs whose lower and upper halves are those of two of these, all of 16 channels.
__m512i joined(__m512i lower, bool is_lower_odd, __m512i upper, bool is_upper_odd) {
    lower = is_lower_odd ? _mm512_srli_epi32(lower, 16) : lower;
    upper = is_upper_odd ? upper : _mm512_slli_epi32(upper, 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, lower, upper);
}

// Of each output channel the terms lie together.
void pack_rows(const DotsWeights& b) {
    constexpr Index most_terms = 512;
    alignas(64) Pair terms[most_terms / 2][L];
    const Index taps = b.all_taps, together = most_terms / taps / 2 * 2;
    for (Index c = 0; c < b.ins; c += together) {
        const Index channels = min_index(together, b.ins - c), all = channels * taps;
        for (Index term = 0; term < all; term += 2 * square) {
            __m512i v[square];
            FALTUNG_UNROLL for (int i = 0; i < square; ++i) v[i] = _mm512_maskz_loadu_epi16(
                i < b.outs ? first(all - term) : 0, b.from + i * b.out_stride + c * taps + term);
            transpose(v);
            FALTUNG_UNROLL for (int i = 0; i < square; ++i) _mm512_store_si512(terms[term / 2 + i], v[i]);
        }
        for (Index t = 0; t < b.tap_count; ++t) {
            Pair* to = b.to + t * b.tap_pitch + c / 2 * L;
            for (Index own = 0; own < channels; own += 2, to += L) {
                const Index lower = own * taps + b.taps[t], upper = lower + taps;
                _mm512_storeu_si512(to, joined(_mm512_load_si512(terms[lower / 2]), lower % 2 != 0,
                                               _mm512_load_si512(terms[upper / 2]), upper % 2 != 0));
            }
        }
    }
}

// As pack_columns, of at most N taps: their permutations are fewer than a transposition's.
template <int N>
void pack_short_columns(const DotsWeights& b) {
    __m512i order[N];
    __mmask16 is_of[N][N];
    for (int t = 0; t < b.tap_count; ++t) {
        alignas(64) int lanes[L];
        for (int lane = 0; lane < L; ++lane) lanes[lane] = static_cast<int>((lane * N + b.taps[t]) % L);
        order[t] = _mm512_load_si512(lanes);
        for (int k = 0; k < N; ++k) {
            is_of[t][k] = 0;
            for (int lane = 0; lane < b.outs; ++lane)
                if ((lane * N + b.taps[t]) / L == k) is_of[t][k] |= static_cast<__mmask16>(1u << lane);
        }
    }
    const Index cells = b.outs * N;
    for (Index c = 0; c < b.ins; c += 2) {
        const Half* const from = b.from + c * b.in_stride;
        __m512i in[N];
        FALTUNG_UNROLL for (int k = 0; k < N; ++k) {
            const __mmask16 read = static_cast<__mmask16>(first(min_index(cells - k * L, L)));
            in[k] = paired(_mm256_maskz_loadu_epi16(read, from + k * L),
                           _mm256_maskz_loadu_epi16(read, from + b.in_stride + k * L));
        }
        for (Index t = 0; t < b.tap_count; ++t) {
            __m512i out = _mm512_setzero_si512();
            FALTUNG_UNROLL for (int k = 0; k < N; ++k) out =
                _mm512_mask_permutexvar_epi32(out, is_of[t][k], order[t], in[k]);
            _mm512_storeu_si512(b.to + t * b.tap_pitch + c / 2 * L, out);
        }
    }
}

// Of each input channel the output channels lie together.
void pack_columns(const DotsWeights& b) {
    for (Index t = 0; t < b.all_taps; t += square) {
        const Index taps = min_index(square, b.all_taps - t);
        const __mmask16 read = static_cast<__mmask16>(first(taps));
        for (Index c = 0; c < b.ins; c += 2) {
            const Half* const from = b.from + c * b.in_stride + t;
            __m512i v[square];
            FALTUNG_UNROLL for (int i = 0; i < square; ++i) {
                const __mmask16 own = i < b.outs ? read : __mmask16(0);
                v[i] = paired(_mm256_maskz_loadu_epi16(own, from + i * b.out_stride),
                              _mm256_maskz_loadu_epi16(own, from + b.in_stride + i * b.out_stride));
            }
            transpose(v);
            alignas(64) Pair rows[square][L];
            FALTUNG_UNROLL for (int i = 0; i < square; ++i) _mm512_store_si512(rows[i], v[i]);
            for (Index own = 0; own < b.tap_count; ++own) {
                const Index tap = b.taps[own] - t;
                if (tap < 0 || tap >= taps) continue;
                _mm512_storeu_si512(b.to + own * b.tap_pitch + c / 2 * L, _mm512_load_si512(rows[tap]));
            }
        }
    }
}

void pack(const DotsWeights& b) {
    // As many taps as leave room for two channels.
    if (b.in_stride == b.all_taps && b.all_taps <= 256) return pack_rows(b);
    switch (b.all_taps) {
        case 1:
            return pack_short_columns<1>(b);
        case 2:
            return pack_short_columns<2>(b);
        case 3:
            return pack_short_columns<3>(b);
        case 4:
            return pack_short_columns<4>(b);
        case 9:
            return pack_short_columns<9>(b);
        default:
            return pack_columns(b);
    }
}

}  // namespace

void add_pixel_kernels(DotsKernel& kernel) {
    kernel.multiply_pixels = multiply_pixels;
    kernel.turn = turn;
    kernel.store_planes = store_planes;
    kernel.store_pixels = store_pixels;
    kernel.pack = pack;
}

}  // namespace faltung::FALTUNG_ISA

#endif
