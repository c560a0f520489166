// Half precision as it is stored, 16 bits a number, to float32 and back: rounded to the nearest, ties to
// even; NaN stays NaN.
#pragma once

#include <cstdint>

#include "core/cpu.h"
#include "core/problem.h"
#include "core/sweep.h"

namespace faltung {

using Half = std::uint16_t;  // the bits of a float16 or bfloat16

struct HalfLoops {
    // All cells of a piece; what is read is the sweep's first array.
    void (*widen)(const Half* from, float* to, const SweepPiece& piece);
    void (*narrow)(const float* from, Half* to, const SweepPiece& piece);
    // Whether all numbers are finite and of at most the magnitude `largest`; where it `refuses_denormals`,
    // whether none is denormal either.
    bool (*is_within)(float largest, bool refuses_denormals, const Half* cells, const SweepPiece& piece);
};

// Of Type::float16 or Type::bfloat16.
HalfLoops half_loops(Type type, Isa isa);

// Arrays of any strides, in elements.
void widen(Type type, Isa isa, const std::vector<Index>& size, const Array& from, const Array& to,
           int threads);
void narrow(Type type, Isa isa, const std::vector<Index>& size, const Array& from, const Array& to,
            int threads);

// Strides without gaps, of the axes in the order in which `stride` has them; in their own where it is empty.
std::vector<Index> compact_strides(const std::vector<Index>& size, const std::vector<Index>& stride);

}  // namespace faltung
