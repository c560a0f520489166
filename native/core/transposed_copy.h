// Rows copied to columns. Internal linkage.
#pragma once

#include "core/lines.h"
#include "core/square.h"

namespace faltung {

namespace {

// Columns `step` apart, whose channels lie side by side, into rows `to_pitch` apart.
template <class T>
void copy_transposed(const T* from, Index step, Index count, Index channels, T* to, Index to_pitch) {
    constexpr Index side = Square<T>::side, line = line_elements<T>;
    const Index whole = count / side * side, whole_channels = channels / side * side;
    for (Index begin = 0; begin < channels; begin += line) {  // a line of each column at a time
        const Index end = min_index(begin + line, channels), squares_end = min_index(end, whole_channels);
        for (Index i = 0; i < whole; i += side) {
            for (Index channel = begin; channel < squares_end; channel += side)
                Square<T>::transpose(from + i * step + channel, step, to + channel * to_pitch + i, to_pitch);
            for (Index channel = max_index(begin, squares_end); channel < end; ++channel)
                for (Index j = i; j < i + side; ++j) to[channel * to_pitch + j] = from[j * step + channel];
        }
        for (Index i = whole; i < count; ++i)
            for (Index channel = begin; channel < end; ++channel)
                to[channel * to_pitch + i] = from[i * step + channel];
    }
}

}  // namespace

}  // namespace faltung
