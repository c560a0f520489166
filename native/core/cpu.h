// Which instruction sets were compiled in, and which of them this processor runs.
#pragma once

#include <string>
#include <vector>

namespace faltung {

#if defined(__x86_64__)
#define FALTUNG_EACH_ISA(X) X(baseline) X(avx2) X(avx512)
#elif defined(__aarch64__)
#define FALTUNG_EACH_ISA(X) X(neon)
#else
#define FALTUNG_EACH_ISA(X) X(baseline)
#endif

#define FALTUNG_ISA_ENUMERATOR(isa) isa,
enum class Isa { FALTUNG_EACH_ISA(FALTUNG_ISA_ENUMERATOR) };
#undef FALTUNG_ISA_ENUMERATOR

std::vector<std::string> detected_isas();  // best last
// Whether this processor, using this instruction set, multiplies pairs of bfloat16 numbers, and this build
// knows how.
bool has_bfloat16_dots(Isa isa);
// Products of vectors that this processor, using this instruction set, begins in a cycle: of float32 numbers,
// and of pairs of bfloat16 numbers. As makers state them, by processor family: nothing is measured, so that
// whoever decides by them decides alike at every start.
struct ProductRates {
    double vectors = 1, pairs = 1;
};
ProductRates product_rates(Isa isa);
Isa isa_from_name(const std::string& name);  // throws std::invalid_argument if this processor cannot run it

}  // namespace faltung
