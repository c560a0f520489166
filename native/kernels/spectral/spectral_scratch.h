// Included by the sources of a spectral correlation alone.
#pragma once

#include "core/workspace.h"
#include "kernels/spectral/spectral.h"

namespace faltung {

// What one thread works in: elements, each part a multiple of a cache line.
template <class T>
struct SpectralCorrelation<T>::Scratch {
    static constexpr Index line = line_elements<T>;

    T *z, *x, *y, *lines, *zeros, *bias;
    std::int32_t *first_tap, *last_tap;

    static Index round(Index elements) { return round_up(elements, line); }

    static Index bytes(const SpectralCorrelation& op) {
        const SpectralShape& s = op.shape_;
        const Index spectra =
            s.is_single() && op.problem_.out_channels == 1 ? 0 : s.bins * (s.x_bin + s.y_bin);
        const Index elements = round(2 * s.size * op.kernel_.lanes) + spectra + 4 * line +
                               (2 * op.kernel_.lanes + 1) * op.line_pitch() + line;
        return round_up(elements * Index(sizeof(T)), workspace_alignment) +
               round_up(2 * op.tile_count() * Index(sizeof(std::int32_t)), workspace_alignment) +
               4 * workspace_alignment;
    }

    Scratch(const SpectralCorrelation& op, char* data) {
        const SpectralShape& s = op.shape_;
        const bool holds_spectra = !(s.is_single() && op.problem_.out_channels == 1);
        z = reinterpret_cast<T*>(data);
        x = z + round(2 * s.size * op.kernel_.lanes);
        y = x + (holds_spectra ? round(s.bins * s.x_bin) : 0);
        lines = y + (holds_spectra ? round(s.bins * s.y_bin) : 0);
        zeros = lines + 2 * op.kernel_.lanes * op.line_pitch();
        bias = zeros + round(op.line_pitch());
        first_tap = reinterpret_cast<std::int32_t*>(bias + line);
        last_tap = first_tap + op.tile_count();
    }
};

}  // namespace faltung
