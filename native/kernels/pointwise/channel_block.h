// Output channels of one block of the weights that `pointwise` and `unfold` pack.
#pragma once

namespace faltung::FALTUNG_ISA {

#if FALTUNG_VECTOR_BYTES == 64
constexpr int channel_block = 8;  // by 3 vectors: 24 sums of 32 registers
#else
constexpr int channel_block = 4;  // by 3 vectors: 12 sums of 16 registers
#endif

}  // namespace faltung::FALTUNG_ISA
