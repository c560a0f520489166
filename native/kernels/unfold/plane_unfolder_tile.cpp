// Cells unfolded from planes where they lie: masked loads at the borders, cells a stride apart taken apart in
// registers.
#include "core/lines.h"
#include "core/narrow.h"
#include "kernels/unfold/plane_unfolder.h"

namespace faltung::FALTUNG_ISA {

#if defined(__AVX512F__)

namespace {

constexpr Index most_gathered_stride = 1 << 20;
constexpr Index channels_ahead = 6;  // planes lie too far apart for the processor to foresee the next one

// S vectors of consecutive cells to one of each phase: out[k * step] holds cells k, k + S, k + 2 S, ...
template <class T, int S, int Step>
inline void take_apart(const Vec<T>* cells, Vec<T>* out) {
    if constexpr (S == 1) {
        out[0] = cells[0];
    } else {
        Vec<T> even[S / 2], odd[S / 2];
        FALTUNG_UNROLL for (int i = 0; i < S / 2; ++i) {
            even[i] = unzip<T, 0>(cells[2 * i], cells[2 * i + 1]);
            odd[i] = unzip<T, 1>(cells[2 * i], cells[2 * i + 1]);
        }
        take_apart<T, S / 2, 2 * Step>(even, out);
        take_apart<T, S / 2, 2 * Step>(odd, out + Step);
    }
}

template <class T>
inline void store_cells(T* to, Vec<T> cells, Index count, bool is_whole) {
    if (is_whole) {
        store(to, cells);
    } else {
        store_some(to, cells, count);
    }
}

// Bits [first, end) of the lanes, both of any size.
template <class T>
std::uint16_t lanes_between(Index first, Index end) {
    const auto below = [](Index count) {
        return (1u << max_index(0, min_index(count, Index(lanes<T>)))) - 1;
    };
    return static_cast<std::uint16_t>(below(end) & ~below(first));
}

// One vector of outputs. Where taps are neighbours, S of them share S vectors of cells. `Taps` are those of a
// row, 0 for any number.
template <class T, int S, bool SharesCells, bool ReadsAll, int Taps>
void unfold_vector(const PlanePatches<T>& b, const PlaneVector& vector) {
    constexpr int L = lanes<T>, shared = SharesCells ? S : 1;
    constexpr Index line = line_elements<T>;
    constexpr Index most_groups = PlaneUnfolder<T>::most_column_taps;
    const Index column_taps = Taps > 0 ? Taps : b.column_taps;
    const Index groups = ceil_divide(column_taps, shared), step = shared * b.dilation, width = b.width;
    std::uint16_t mask[ReadsAll ? 1 : most_groups * S];
    if (!ReadsAll)
        for (Index group = 0; group < groups; ++group)
            for (int i = 0; i < S; ++i) {
                const Index first = vector.column + group * step + i * L;
                mask[group * S + i] = lanes_between<T>(-first, b.columns - first);
            }
    const bool is_whole = vector.place + L <= width;
    const Index read = (vector.count - 1) * S + (column_taps - 1) * b.dilation + 1;
    const Index channels = b.channels, row_taps = b.row_taps, channel_stride = b.channel_stride;
    const Index* const rows = vector.row;
    const Index count = vector.count;
    const T* plane = b.x + vector.column;
    T* to = b.panel + vector.place;
    for (Index channel = 0; channel < channels; ++channel, plane += channel_stride) {
        const T* ahead = plane + min_index(channels_ahead, channels - 1 - channel) * channel_stride;
        for (Index row = 0; row < row_taps; ++row) {
            if (rows[row] == PlaneVector::absent) {
                for (Index tap = 0; tap < column_taps; ++tap, to += width)
                    store_cells(to, Vec<T>{}, count, is_whole);
                continue;
            }
            const T* cells = plane + rows[row];
            for (Index i = 0; i < read; i += line) __builtin_prefetch(ahead + rows[row] + i);
            auto unfold_group = [&](Index group) {
                Vec<T> held[S], out[S];
                FALTUNG_UNROLL for (int i = 0; i < S; ++i) {
                    held[i] = ReadsAll ? load(cells + i * L)
                                       : load_lanes<T, lanes<T>>(cells + i * L, mask[group * S + i]);
                }
                take_apart<T, S, 1>(held, out);
                FALTUNG_UNROLL for (int k = 0; k < shared; ++k) if (group * shared + k < column_taps) {
                    store_cells(to, out[k], count, is_whole);
                    to += width;
                }
                cells += step;
            };
            if constexpr (Taps > 0) {
                FALTUNG_UNROLL for (Index group = 0; group < (Taps + shared - 1) / shared; ++group)
                    unfold_group(group);
            } else {
                for (Index group = 0; group < groups; ++group) unfold_group(group);
            }
        }
    }
}

template <class T, int S, bool SharesCells, int Taps>
void unfold_planes(const PlanePatches<T>& b) {
    constexpr int L = lanes<T>, shared = SharesCells ? S : 1;
    const Index reach = (ceil_divide(b.column_taps, shared) - 1) * shared * b.dilation + S * L;
    for (Index i = 0; i < b.vector_count; ++i) {
        const PlaneVector& vector = b.vectors[i];
        if (vector.column >= 0 && vector.column + reach <= b.columns) {
            unfold_vector<T, S, SharesCells, true, Taps>(b, vector);
        } else {
            unfold_vector<T, S, SharesCells, false, Taps>(b, vector);
        }
    }
}

template <class T, int S>
void unfold_planes_of(const PlanePatches<T>& b) {
    if (S > 1 && b.dilation > 1) return unfold_planes<T, S, false, 0>(b);
    if constexpr (S <= 2) {
        switch (b.column_taps) {
            case 1:
                return unfold_planes<T, S, true, 1>(b);
            case 2:
                return unfold_planes<T, S, true, 2>(b);
            case 3:
                return unfold_planes<T, S, true, 3>(b);
            case 5:
                return unfold_planes<T, S, true, 5>(b);
            case 7:
                return unfold_planes<T, S, true, 7>(b);
        }
    } else if (b.column_taps == S) {
        return unfold_planes<T, S, true, S>(b);
    }
    unfold_planes<T, S, true, 0>(b);
}

// Cells any stride apart, none of which two taps of a row share, one by one.
template <class T>
Vec<T> gather(const T* from, Index stride, std::uint16_t mask) {
    if constexpr (sizeof(T) == 4) {
        const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        const __m512i place = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(stride)));
        return (Vec<T>)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, place, from, 4);
    } else {
        const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
        const __m512i place = _mm512_mullox_epi64(lane, _mm512_set1_epi64(stride));
        return (Vec<T>)_mm512_mask_i64gather_pd(_mm512_setzero_pd(), static_cast<__mmask8>(mask), place, from,
                                                8);
    }
}

template <class T>
void gather_planes(const PlanePatches<T>& b) {
    constexpr Index L = lanes<T>;
    for (Index i = 0; i < b.vector_count; ++i) {
        const PlaneVector& vector = b.vectors[i];
        std::uint16_t mask[PlaneUnfolder<T>::most_column_taps];
        for (Index tap = 0; tap < b.column_taps; ++tap) {
            const Index first = vector.column + tap * b.dilation;
            const Index inside = first < 0 ? ceil_divide(-first, b.stride) : 0;
            const Index end = first < b.columns ? ceil_divide(b.columns - first, b.stride) : 0;
            mask[tap] = lanes_between<T>(inside, min_index(end, vector.count));
        }
        const bool is_whole = vector.place + L <= b.width;
        const T* plane = b.x + vector.column;
        T* to = b.panel + vector.place;
        for (Index channel = 0; channel < b.channels; ++channel, plane += b.channel_stride)
            for (Index row = 0; row < b.row_taps; ++row)
                for (Index tap = 0; tap < b.column_taps; ++tap, to += b.width) {
                    const bool is_absent = vector.row[row] == PlaneVector::absent;
                    const T* const cells = plane + tap * b.dilation + (is_absent ? 0 : vector.row[row]);
                    const Vec<T> taken = is_absent ? Vec<T>{} : gather(cells, b.stride, mask[tap]);
                    store_cells(to, taken, vector.count, is_whole);
                }
    }
}

template <class T>
typename PlaneUnfolder<T>::Unfold unfold(Index stride, Index column_taps) {
    switch (stride) {
        case 1:
            return unfold_planes_of<T, 1>;
        case 2:
            return unfold_planes_of<T, 2>;
        case 4:
            return unfold_planes_of<T, 4>;
        case 8:
            return unfold_planes_of<T, 8>;
        case 16:
            return unfold_planes_of<T, 16>;
        default:
            return column_taps <= stride && stride <= most_gathered_stride ? gather_planes<T> : nullptr;
    }
}

}  // namespace

template <class T>
PlaneUnfolder<T> plane_unfolder() {
    return {unfold<T>};
}

#else  // without masked loads rows are packed with their padding first

namespace {

template <class T>
typename PlaneUnfolder<T>::Unfold no_unfold(Index, Index) {
    return nullptr;
}

}  // namespace

template <class T>
PlaneUnfolder<T> plane_unfolder() {
    return {no_unfold<T>};
}

#endif

template PlaneUnfolder<float> plane_unfolder();
template PlaneUnfolder<double> plane_unfolder();
template PlaneUnfolder<std::uint64_t> plane_unfolder();

}  // namespace faltung::FALTUNG_ISA
