#include "kernels/transposed/phase_rows.h"

#include <type_traits>

#include "core/transpose.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Zipping once rotates the bits of an element's place by one: after log2(S) rounds those of its phase stand
// last.
template <class T, int S>
void interleave_rows(const T* rows, Index pitch, Index count, T* y) {
    constexpr int L = lanes<T>;
    for (Index done = 0; done < count; done += S * L, rows += L, y += S * L) {
        Vec<T> v[S];
        FALTUNG_UNROLL for (int p = 0; p < S; ++p) v[p] = load(rows + p * pitch);
        FALTUNG_UNROLL for (int round = S / 2; round > 0; round /= 2) {
            Vec<T> zipped[S];
            FALTUNG_UNROLL for (int p = 0; p < S / 2; ++p) {
                zipped[2 * p] = zip<T, 0>(v[p], v[p + S / 2]);
                zipped[2 * p + 1] = zip<T, 1>(v[p], v[p + S / 2]);
            }
            FALTUNG_UNROLL for (int p = 0; p < S; ++p) v[p] = zipped[p];
        }
        const Index rest = count - done;
        if (rest >= S * L) {
            FALTUNG_UNROLL for (int p = 0; p < S; ++p) store(y + p * L, v[p]);
        } else {
            FALTUNG_UNROLL for (int p = 0; p < S; ++p) if (rest > p * L)
                store_some(y + p * L, v[p], min_index(rest - p * L, L));
        }
    }
}

template <class T, int S>
void separate_rows(const T* y, Index count, T* rows, Index pitch) {
    constexpr int L = lanes<T>;
    for (Index done = 0; done < count; done += S * L, rows += L, y += S * L) {
        Vec<T> v[S];
        FALTUNG_UNROLL for (int p = 0; p < S; ++p) v[p] =
            load_some(y + p * L, max_index(0, min_index(count - done - p * L, L)));
        FALTUNG_UNROLL for (int round = S / 2; round > 0; round /= 2) {
            Vec<T> unzipped[S];
            FALTUNG_UNROLL for (int p = 0; p < S / 2; ++p) {
                unzipped[p] = unzip<T, 0>(v[2 * p], v[2 * p + 1]);
                unzipped[p + S / 2] = unzip<T, 1>(v[2 * p], v[2 * p + 1]);
            }
            FALTUNG_UNROLL for (int p = 0; p < S; ++p) v[p] = unzipped[p];
        }
        FALTUNG_UNROLL for (int p = 0; p < S; ++p) store(rows + p * pitch, v[p]);
    }
}

// `by_vectors` of 1, 2, 4, 8 or 16 phases, or else `one_by_one`.
template <class ByVectors, class OneByOne>
__attribute__((always_inline)) inline void for_phases(Index phases, ByVectors by_vectors,
                                                      OneByOne one_by_one) {
    switch (phases) {
        case 1:
            return by_vectors(std::integral_constant<int, 1>());
        case 2:
            return by_vectors(std::integral_constant<int, 2>());
        case 4:
            return by_vectors(std::integral_constant<int, 4>());
        case 8:
            return by_vectors(std::integral_constant<int, 8>());
        case 16:
            return by_vectors(std::integral_constant<int, 16>());
        default:
            for (Index p = 0; p < phases; ++p) one_by_one(p);
    }
}

template <class T>
void interleave(const T* rows, Index pitch, Index phases, Index count, T* y) {
    for_phases(
        phases, [=](auto of) { interleave_rows<T, decltype(of)::value>(rows, pitch, count, y); },
        [=](Index p) {
            for (Index i = 0, at = p; at < count; ++i, at += phases) y[at] = rows[p * pitch + i];
        });
}

template <class T>
void separate(const T* y, Index phases, Index count, T* rows, Index pitch) {
    for_phases(
        phases, [=](auto of) { separate_rows<T, decltype(of)::value>(y, count, rows, pitch); },
        [=](Index p) {
            for (Index i = 0, at = p; at < count; ++i, at += phases) rows[p * pitch + i] = y[at];
        });
}

// A vector of channels by at most 8 taps.
template <class T, int Taps>
__attribute__((always_inline)) inline void pack_square(const T* from, Index stride, const Index* place,
                                                       T* to) {
    constexpr int L = lanes<T>;
    alignas(64) T cells[L * transposed_columns];
    if constexpr (Taps < transposed_columns) __builtin_memset(cells, 0, sizeof cells);
    FALTUNG_UNROLL for (int c = 0; c < L; ++c)
        __builtin_memcpy(cells + c * transposed_columns, from + c * stride, Taps * sizeof(T));
    Vec<T> columns[transposed_columns];
    FALTUNG_UNROLL for (int k = 0; k < transposed_columns; ++k) columns[k] = load(cells + k * L);
    transpose_to_columns<T>(columns);
    FALTUNG_UNROLL for (int k = 0; k < Taps; ++k) store(to + place[k], columns[k]);
}

template <class T>
void pack_vector(const T* from, Index stride, Index taps, const Index* place, T* to) {
    constexpr Index most = transposed_columns;
    if (taps >= most) {
        for (Index k = 0; k < taps; k += most) {
            const Index first = min_index(k, taps - most);  // the last ones once more rather than alone
            pack_square<T, most>(from + first, stride, place + first, to);
        }
        return;
    }
    switch (taps) {
        case 2:
            return pack_square<T, 2>(from, stride, place, to);
        case 3:
            return pack_square<T, 3>(from, stride, place, to);
        case 4:
            return pack_square<T, 4>(from, stride, place, to);
        case 5:
            return pack_square<T, 5>(from, stride, place, to);
        case 6:
            return pack_square<T, 6>(from, stride, place, to);
        case 7:
            return pack_square<T, 7>(from, stride, place, to);
        default:
            for (Index c = 0; c < lanes<T>; ++c) to[place[0] + c] = from[c * stride];
    }
}

template <class T>
void pack(const T* from, Index stride, Index channels, Index taps, const Index* place, T* to) {
    constexpr Index L = lanes<T>;
    for (; channels >= L && taps > 0; channels -= L, from += L * stride, to += L)
        pack_vector(from, stride, taps, place, to);
    for (Index c = 0; c < channels; ++c)
        for (Index k = 0; k < taps; ++k) to[place[k] + c] = from[c * stride + k];
}

}  // namespace

template <class T>
PhaseRows<T> phase_rows() {
    return {interleave<T>, separate<T>, pack<T>};
}

template PhaseRows<float> phase_rows();
template PhaseRows<double> phase_rows();
template PhaseRows<std::uint64_t> phase_rows();

}  // namespace faltung::FALTUNG_ISA
