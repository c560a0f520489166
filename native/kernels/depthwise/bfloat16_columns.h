// What the kernels for depthwise correlations of bfloat16 numbers share: a vector of cells is two of float32,
// those in even and those in odd columns, for one instruction each, and nothing is put in order before sums
// are rounded. Included by sources that are compiled for processors with AVX512_BF16. Internal linkage.
#pragma once

#include <immintrin.h>

#include "core/registers.h"
#include "core/vec.h"
#include "kernels/depthwise/bfloat16_depthwise_tile.h"

namespace faltung::FALTUNG_ISA {

namespace {

using Tile = Bfloat16DepthwiseTile;

// Bits of the cells from `first` up to `last`, counted from the first cell of a vector.
inline std::uint32_t cells_between(Index first, Index last) {
    const Index begin = max_index(0, first), end = min_index(bfloat16_vector_cells, last);
    if (begin >= end) return 0;
    return static_cast<std::uint32_t>(((std::uint64_t(1) << end) - 1) & ~((std::uint64_t(1) << begin) - 1));
}

// Zero in the lanes that the mask leaves out, which are not read.
template <bool IsPair>
inline __m512i load_cells(const Half* from, Index apart, __mmask32 mask) {
    if constexpr (!IsPair) return _mm512_maskz_loadu_epi16(mask, from);
    const __mmask16 half = static_cast<__mmask16>(mask);
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_maskz_loadu_epi16(half, from)),
                              _mm256_maskz_loadu_epi16(half, from + apart), 1);
}

// Few enough that every one has a lane of its own.
template <bool IsPair>
inline __m512i load_apart(const Half* from, Index apart, std::uint32_t mask) {
    if constexpr (!IsPair)
        return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(static_cast<__mmask16>(mask), from));
    const auto half = static_cast<__mmask8>(mask);
    return _mm512_cvtepu16_epi32(
        _mm256_set_m128i(_mm_maskz_loadu_epi16(half, from + apart), _mm_maskz_loadu_epi16(half, from)));
}

inline __m512 even(__m512i cells) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(cells, 16));
}

inline __m512 odd(__m512i cells) {
    return _mm512_castsi512_ps(_mm512_and_si512(cells, _mm512_set1_epi32(int(0xffff0000))));
}

template <bool IsPair>
inline __m512 of_both(const float* first, const float* second) {
    if constexpr (!IsPair) return _mm512_set1_ps(*first);
    return _mm512_insertf32x8(_mm512_set1_ps(*first), _mm256_set1_ps(*second), 1);
}

template <int N, bool IsPair>
inline __attribute__((always_inline)) void load_weights(const Tile& tile, Index at, __m512 (&w)[N]) {
    FALTUNG_UNROLL for (int k = 0; k < N; ++k) {
        w[k] = of_both<IsPair>(tile.weight[0] + at + k, tile.weight[1] + at + k);
        keep_in_register(w[k]);
    }
}

// As core/half.h rounds; the instructions take denormal numbers for zeros.
inline __m512i rounded_exactly(__m512 sum) {
    const __m512i bits = _mm512_castps_si512(sum);
    const __m512i last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i moved = _mm512_add_epi32(bits, _mm512_add_epi32(last, _mm512_set1_epi32(0x7fff)));
    const __mmask16 is_denormal = _mm512_fpclass_ps_mask(sum, 0x20);
    const __m512i wide = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(sum));
    return _mm512_mask_srli_epi32(wide, is_denormal, moved, 16);
}

inline bool is_any_denormal(__m512 sum) {
    return _mm512_fpclass_ps_mask(sum, 0x20) != 0;
}

[[maybe_unused]] __attribute__((noinline)) __m512i rounded_exactly(__m512 evens, __m512 odds) {
    return _mm512_or_si512(rounded_exactly(evens), _mm512_slli_epi32(rounded_exactly(odds), 16));
}

// Numbers in even and in odd columns to all of them in order, right in the lanes of the mask.
inline __m512i rounded(__m512 evens, __m512 odds, __mmask32 mask) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                           7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i cells = _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odds, evens));
    const __mmask32 zeros = _mm512_mask_testn_epi16_mask(mask, cells, _mm512_set1_epi16(0x7fff));
    if (__builtin_expect(zeros == 0, 1) || !(is_any_denormal(evens) || is_any_denormal(odds))) return cells;
    return rounded_exactly(evens, odds);
}

inline __m256i rounded(__m512 sum, __mmask16 mask) {
    const auto cells = (__m256i)_mm512_cvtneps_pbh(sum);
    const __mmask16 zeros = _mm256_mask_testn_epi16_mask(mask, cells, _mm256_set1_epi16(0x7fff));
    if (__builtin_expect(zeros == 0, 1) || !is_any_denormal(sum)) return cells;
    return _mm512_cvtepi32_epi16(rounded_exactly(sum));
}

// A vector's columns of a tile's outputs, of one channel or of two: of each row two vectors of sums, for
// those in even columns and those in odd ones, or one for all of them.
template <int Stride, int V, bool IsPair>
struct Columns {
    static constexpr Index most = V * 16 / (IsPair ? 2 : 1);
    using Sums = __m512[V];
    using Held = float[bfloat16_tile_rows][V][16];

    const Tile& tile;
    Index first, count;
    Half *const y = tile.y[0] + first, *const second_y = tile.y[1] + first;
    Index apart = IsPair ? tile.cells[1] - tile.cells[0] : 0;
    __mmask32 mask = static_cast<__mmask32>((std::uint64_t(1) << count) - 1);

    Columns(const Tile& of, Index from) : tile(of), first(from), count(min_index(most, of.columns - from)) {}

    __m512 start() const {
        return tile.bias[0] ? of_both<IsPair>(tile.bias[0], tile.bias[1]) : _mm512_setzero_ps();
    }

    // Of the vector of cells that a column of taps meets, those inside the input.
    std::uint32_t cells_inside(Index column) const {
        const Index at = first * Stride + column;
        return cells_between(tile.cells_left - at, tile.cells_right - at);
    }

    const Half* cells(Index row, Index column) const {
        return tile.cells[0] + row * tile.cells_row_stride + first * Stride + column;
    }

    // Sums of a row, `at` so many elements from the first.
    inline __attribute__((always_inline)) void store(Index at, __m512 evens, __m512 odds) const {
        const __m512i sums = rounded(evens, odds, IsPair ? mask << 16 | mask : mask);
        if constexpr (!IsPair) {
            _mm512_mask_storeu_epi16(y + at, mask, sums);
        } else {
            const auto half = static_cast<__mmask16>(mask);
            _mm256_mask_storeu_epi16(y + at, half, _mm512_castsi512_si256(sums));
            _mm256_mask_storeu_epi16(second_y + at, half, _mm512_extracti64x4_epi64(sums, 1));
        }
    }

    inline __attribute__((always_inline)) void store(Index at, __m512 sum) const {
        const __m256i sums = rounded(sum, static_cast<__mmask16>(IsPair ? mask << 8 | mask : mask));
        if constexpr (!IsPair) {
            _mm256_mask_storeu_epi16(y + at, static_cast<__mmask16>(mask), sums);
        } else {
            const auto half = static_cast<__mmask8>(mask);
            _mm_mask_storeu_epi16(y + at, half, _mm256_castsi256_si128(sums));
            _mm_mask_storeu_epi16(second_y + at, half, _mm256_extracti128_si256(sums, 1));
        }
    }

    // Some rows of sums, from `first_row` on. Lanes beyond the columns take part, and are not stored.
    __attribute__((noinline)) void finish(Held& held, Index first_row, Index rows) const {
        alignas(64) Held added;
        if (tile.residual[0]) {
            const Index residuals_apart = tile.residual[1] - tile.residual[0];
            for (Index r = 0; r < rows; ++r) {
                const Half* const from = tile.residual[0] + (first_row + r) * tile.y_row_stride + first;
                const __m512i own = V == 2 ? load_cells<IsPair>(from, residuals_apart, mask)
                                           : load_apart<IsPair>(from, residuals_apart, mask);
                _mm512_store_ps(added[r][0], even(own));
                if constexpr (V == 2) _mm512_store_ps(added[r][1], odd(own));
            }
        }
        const Index row = V * 16;
        tile.loop({held, tile.residual[0] ? added : nullptr, {1, rows, row}, {0, row, 1}, {0, row, 1}});
        for (Index r = 0; r < rows; ++r) {
            const Index at = (first_row + r) * tile.y_row_stride;
            if constexpr (V == 2) {
                store(at, _mm512_load_ps(held[r][0]), _mm512_load_ps(held[r][1]));
            } else {
                store(at, _mm512_load_ps(held[r][0]));
            }
        }
    }
};

}  // namespace

}  // namespace faltung::FALTUNG_ISA
