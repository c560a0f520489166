// What a transposed correlation does with vectors: rows of phases to and from rows of outputs, weights to
// blocks of output channels.
#pragma once

#include "core/index.h"

namespace faltung {

template <class T>
struct PhaseRows {
    // y[i] = rows[i % phases][i / phases] for i < count. Rows lie `pitch` apart and may be read up to the
    // next whole vector.
    void (*interleave)(const T* rows, Index pitch, Index phases, Index count, T* y) = nullptr;
    // The inverse; what lies behind the last output of each row is unspecified.
    void (*separate)(const T* y, Index phases, Index count, T* rows, Index pitch) = nullptr;
    // to[place[k] + c] = from[c*stride + k] for taps k < taps and channels c < channels.
    void (*pack)(const T* from, Index stride, Index channels, Index taps, const Index* place,
                 T* to) = nullptr;
};

}  // namespace faltung
