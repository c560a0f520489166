// Compiled for processors with AVX512_BF16 alone: they round a vector in one instruction, but take denormal
// numbers for zeros. Where one is met the run is rounded again.
#include "core/half.h"

#if defined(__AVX512BF16__)

#include <immintrin.h>

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int denormal = 0x20;

__m256i rounded_exactly(__m512 value) {
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i moved = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 is_denormal = _mm512_fpclass_ps_mask(value, denormal);
    return _mm256_mask_mov_epi16((__m256i)_mm512_cvtneps_pbh(value), is_denormal,
                                 _mm512_cvtepi32_epi16(_mm512_srli_epi32(moved, 16)));
}

template <bool IsExact>
bool narrow_run(const float* from, Half* to, Index count) {
    __mmask16 found = 0;
    const auto round = [&](__m512 value) {
        if constexpr (IsExact) return rounded_exactly(value);
        found = _kor_mask16(found, _mm512_fpclass_ps_mask(value, denormal));
        return (__m256i)_mm512_cvtneps_pbh(value);
    };
    Index i = 0;
    for (; i + 16 <= count; i += 16)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), round(_mm512_loadu_ps(from + i)));
    const __mmask16 rest = static_cast<__mmask16>((1u << (count - i)) - 1);
    _mm256_mask_storeu_epi16(to + i, rest, round(_mm512_maskz_loadu_ps(rest, from + i)));
    return found == 0;
}

}  // namespace

// from and to apart.
void narrow_bfloat16(const float* from, Half* to, Index count) {
    if (!narrow_run<false>(from, to, count)) narrow_run<true>(from, to, count);
}

}  // namespace faltung::FALTUNG_ISA

#endif
