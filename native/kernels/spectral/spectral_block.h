// The contract between the driver of a spectral correlation and its kernels: real lines are transformed,
// multiplied by the weights' spectra, summed over the rows of the kernel, and transformed back.
//
// A vector holds the same position of as many lines as it has lanes. Two vectors are transformed as the real
// and imaginary parts of one complex sequence, in place, at the cost of one; a spectrum holds the frequencies
// 0 to size / 2, all that a real line has:
//
//   z[place][re, im][lane]     a sequence while it is transformed, its spectrum in the order `place` gives
//   x, y, w[frequency][...]    spectra, where `Spectra` says
#pragma once

#include "core/index.h"

namespace faltung {

// A complex transform in steps of small radices, from the natural order to the order of its digits reversed.
template <class T>
struct FourierPlan {
    static constexpr int most_levels = 12;
    Index size = 0, bins = 0;
    int levels = 0;
    int radix[most_levels] = {};
    Index rest[most_levels] = {};          // size of what a level leaves: size / (its radix and all before)
    const T* twiddle[most_levels] = {};    // [position < rest][1 <= digit < radix][re, im]
    const std::int32_t* place = nullptr;   // of each frequency below bins
    const std::int32_t* mirror = nullptr;  // of the frequency size - f
};

// Two vectors of lines to transform. All cells of a vector's lines lie at the same places.
template <class T>
struct SpectralLines {
    static constexpr int most_lanes = 16;
    int count;                     // of vectors, 1 or 2
    const T* line[2][most_lanes];  // the first cell, the others behind it
    Index front[2], length[2];     // zeros before the first cell, and cells; zeros up to the size follow
    Index ahead;                   // elements to the cells that will be needed next
};

// Where spectra lie: two vectors, their real and imaginary parts `part` apart, one frequency after the other.
template <class T>
struct Spectra {
    T* vector[2];
    Index bin_pitch, part;
};

// Two vectors of lines of outputs.
template <class T>
struct SpectralOutputs {
    static constexpr int most_lanes = SpectralLines<T>::most_lanes;
    int count;
    T* line[2][most_lanes];       // unused where length is 0
    Index length[2][most_lanes];  // outputs
    Index column_stride;
    const T* bias;  // of each lane
    bool resumes;   // adds to what is there
};

// Rows of output spectra from rows of input spectra: y[row] = sum over taps of x[row + tap * dilation] *
// w[tap].
template <class T>
struct SpectralProduct {
    Index bins;
    const T* x;  // row 0; [frequency][re, im] as for the others
    Index x_bin, x_part, x_vector,
        x_tap;  // pitches: of frequencies, parts, vectors of rows, taps of the kernel
    const T* w;
    Index w_bin, w_part, w_tap;
    T* y;
    Index y_bin, y_part, y_vector;
    Index vectors;  // of rows
    // For each tile of `row_tile` vectors the taps that meet rows that are not zero: [first, last).
    const std::int32_t* first_tap;
    const std::int32_t* last_tap;
};

template <class T>
struct SpectralKernel {
    Index lanes = 1;
    Index row_tile = 1;  // vectors of rows multiplied at once
    // Transforms lines and splits the spectra of the two; `scale` of the parts.
    void (*analyse)(const FourierPlan<T>&, const SpectralLines<T>&, T* z, const Spectra<T>&, T scale_re,
                    T scale_im) = nullptr;
    // `is_shared`: a weight is one number for all lanes, not one a lane.
    void (*multiply)(const SpectralProduct<T>&, bool is_shared) = nullptr;
    void (*synthesise)(const FourierPlan<T>&, const Spectra<T>&, T* z, const SpectralOutputs<T>&) = nullptr;
    // Of each run of `run` cells the sum of squares and the largest magnitude.
    void (*measure)(const T* row, Index cells, Index run, T* energy, T* peak) = nullptr;
    // All at once, of kernels of one row.
    void (*filter)(const FourierPlan<T>&, const SpectralLines<T>&, T* z, const T* w, Index w_bin,
                   Index w_part, bool is_shared, const SpectralOutputs<T>&) = nullptr;
};

}  // namespace faltung
