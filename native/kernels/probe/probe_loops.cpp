// Loops that do nothing but what they measure.
#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr int chains = 24;
#else
constexpr int chains = 12;
#endif

}  // namespace

// Runs `rounds` rounds of independent multiply-adds and returns how many floating-point operations that was.
template <class T>
double multiply_add_burst(Index rounds, T* sink) {
    Vec<T> sum[chains];
    // Hidden from the optimiser, which would otherwise compute the result beforehand.
    const Vec<T> factor = load(sink), term = load(sink + lanes<T>);
    FALTUNG_UNROLL for (int i = 0; i < chains; ++i) sum[i] = term + broadcast(static_cast<T>(i));
    for (Index round = 0; round < rounds; ++round)
        FALTUNG_UNROLL for (int i = 0; i < chains; ++i) sum[i] = sum[i] * factor + term;
    Vec<T> total = sum[0];
    FALTUNG_UNROLL for (int i = 1; i < chains; ++i) total += sum[i];
    store(sink, total);
    return 2.0 * chains * lanes<T> * static_cast<double>(rounds);
}

template double multiply_add_burst(Index, float*);
template double multiply_add_burst(Index, double*);
template double multiply_add_burst(Index, std::uint64_t*);

}  // namespace faltung::FALTUNG_ISA
