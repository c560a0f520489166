// The contract between the driver of an unfolding correlation and the kernels that unfold planes where they
// lie.
#pragma once

#include "core/index.h"

namespace faltung {

// Consecutive outputs of one row, at most a vector of them.
struct PlaneVector {
    static constexpr Index absent = -1;
    const Index* row;  // for each row of taps the element of its plane where the input row begins, or absent
    Index column;      // of the input, where the first tap of the first output reads; may lie outside
    Index place;       // in a row of the panel
    Index count;
};

// The cells that some outputs read, of planes in one piece, to a panel of the product. Row by row of taps;
// vectors in the order of their places.
template <class T>
struct PlanePatches {
    const T* x;
    Index channel_stride, channels;
    Index row_taps, column_taps, stride, dilation;
    Index columns;  // of an input row
    const PlaneVector* vectors;
    Index vector_count;
    T* panel;  // [channel][tap][width]; nothing is written outside
    Index width;
};

template <class T>
struct PlaneUnfolder {
    static constexpr Index most_column_taps = 64;
    using Unfold = void (*)(const PlanePatches<T>&);

    // Of a stride and a number of taps along the columns; null where there is none.
    Unfold (*unfold)(Index stride, Index column_taps) = nullptr;
};

}  // namespace faltung
