// Compiled for processors with AVX512_BF16 alone. Register tiles: the weights of some taps above one another
// stay in registers while the rows of cells pass. With stride 1 a vector of cells is two vectors of outputs
// for each column of taps, with stride 2 one for each of two columns.
#include "kernels/depthwise/bfloat16_depthwise_tile.h"

#if defined(__AVX512BF16__)

#include "kernels/depthwise/bfloat16_columns.h"

namespace faltung::FALTUNG_ISA {

namespace {

// The rows of cells inside the input that meet a segment.
template <bool HasAll>
struct UsedRows {
    int first = 0, last = 0;

    UsedRows(const Tile& tile, const DepthwiseSegment& segment) {
        if constexpr (HasAll) return;
        const auto step = static_cast<int>(tile.row_stride);
        const auto above = static_cast<int>(max_index(0, tile.cells_above - segment.slot)),
                   below = static_cast<int>(max_index(0, tile.cells_below - segment.slot));
        first = (above + step - 1) / step;
        last = min_index((below + step - 1) / step, tile.rows + segment.taps - 1);
    }
    bool has_none() const { return !HasAll && first >= last; }
    bool has(int row) const { return HasAll || (row >= first && row < last); }
};

template <int Stride, int V, int R, bool IsPair, bool HasAllRows>
struct TileColumns : Columns<Stride, V, IsPair> {
    using Base = Columns<Stride, V, IsPair>;
    using Base::Base;

    template <int K>
    inline __attribute__((always_inline)) void add_columns(const DepthwiseSegment& segment,
                                                           UsedRows<HasAllRows> used,
                                                           __m512 (&sums)[V][R]) const {
        const Index pitch = this->tile.row_stride * this->tile.cells_row_stride;
        for (Index column = 0; column < segment.columns; ++column) {
            const std::uint32_t inside = this->cells_inside(column);
            if (inside == 0) continue;
            __m512 w[K];
            load_weights<K, IsPair>(this->tile, segment.weight + column * K, w);
            const Half* from = this->cells(segment.slot, column);
            FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += pitch) {
                if (!used.has(i)) continue;
                const __m512i cells = V == 2 ? load_cells<IsPair>(from, this->apart, inside)
                                             : load_apart<IsPair>(from, this->apart, inside);
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
                    __m512 x = v == 0 ? even(cells) : odd(cells);
                    keep_in_register(x);
                    FALTUNG_UNROLL for (int k = K - 1; k >= 0; --k) if (i - k >= 0 && i - k < R)
                        sums[v][i - k] = _mm512_fmadd_ps(w[k], x, sums[v][i - k]);
                }
            }
        }
    }

    // C columns of taps at a time.
    template <int K, int C>
    inline __attribute__((always_inline)) void add_neighbours(const DepthwiseSegment& segment,
                                                              UsedRows<HasAllRows> used, Index column,
                                                              __m512 (&sums)[V][R]) const {
        const Index pitch = this->tile.row_stride * this->tile.cells_row_stride;
        const std::uint32_t inside = this->cells_inside(column), last_inside = this->cells_inside(column + 2);
        __m512 w[C * K];
        load_weights<C * K, IsPair>(this->tile, segment.weight + column * K, w);
        const Half* from = this->cells(segment.slot, column);
        FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += pitch) {
            if (!used.has(i)) continue;
            const __m512i cells = load_cells<IsPair>(from, this->apart, inside);
            __m512 x[3];
            x[0] = even(cells);
            if constexpr (C > 1) x[1] = odd(cells);
            if constexpr (C > 2) x[2] = even(load_cells<IsPair>(from + 2, this->apart, last_inside));
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
                keep_in_register(x[c]);
                FALTUNG_UNROLL for (int k = K - 1; k >= 0; --k) if (i - k >= 0 && i - k < R) sums[0][i - k] =
                    _mm512_fmadd_ps(w[c * K + k], x[c], sums[0][i - k]);
            }
        }
    }

    template <int K>
    inline __attribute__((always_inline)) void add_by_two_columns(const DepthwiseSegment& segment,
                                                                  UsedRows<HasAllRows> used,
                                                                  __m512 (&sums)[V][R]) const {
        if constexpr (K <= 2)
            if (this->tile.columns_of_taps == 3) return add_neighbours<K, 3>(segment, used, 0, sums);
        Index column = 0;
        for (; column + 2 <= segment.columns; column += 2) add_neighbours<K, 2>(segment, used, column, sums);
        if (column < segment.columns) add_neighbours<K, 1>(segment, used, column, sums);
    }

    template <int K>
    inline __attribute__((always_inline)) void add_segment(Index which, __m512 (&sums)[V][R]) const {
        const DepthwiseSegment& segment = this->tile.segments[which];
        const UsedRows<HasAllRows> used(this->tile, segment);
        if (used.has_none()) return;
        if constexpr (Stride == 1)
            add_columns<K>(segment, used, sums);
        else
            add_by_two_columns<K>(segment, used, sums);
    }

    // For segments of `First` taps, then, unless they are uniform, of any fewer.
    template <int First, bool IsUniform>
    inline __attribute__((always_inline)) void compute() const {
        const __m512 start = this->start();
        __m512 sums[V][R];
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            FALTUNG_UNROLL for (int r = 0; r < R; ++r) sums[v][r] = start;
        }
        Index which = 0;
#define FALTUNG_SEGMENTS(K)                                                                   \
    for (; which < this->tile.segment_count && this->tile.segments[which].taps == K; ++which) \
        add_segment<K>(which, sums);
        if constexpr (IsUniform) {
            for (; which < this->tile.segment_count; ++which) add_segment<First>(which, sums);
        } else {
            FALTUNG_SEGMENTS(4)
            FALTUNG_SEGMENTS(3)
            FALTUNG_SEGMENTS(2)
            FALTUNG_SEGMENTS(1)
        }
#undef FALTUNG_SEGMENTS
        if (this->tile.loop) {
            alignas(64) typename Base::Held held;
            FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) _mm512_store_ps(held[r][v], sums[v][r]);
            }
            return this->finish(held, 0, this->tile.rows);
        }
        FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
            if (!HasAllRows && r >= this->tile.rows) break;
            const Index at = r * this->tile.y_row_stride;
            if constexpr (V == 2) {
                this->store(at, sums[0][r], sums[1][r]);
            } else {
                this->store(at, sums[0][r]);
            }
        }
    }
};

template <int Stride, int V, int R, bool IsPair, bool HasAllRows, int First, bool IsUniform>
void compute(const Tile& tile) {
    using Of = TileColumns<Stride, V, R, IsPair, HasAllRows>;
    for (Index first = 0; first < tile.columns; first += Of::most)
        Of(tile, first).template compute<First, IsUniform>();
}

template <int Stride, int V, int R, bool IsPair, bool HasAllRows>
Bfloat16DepthwiseKernel::Compute tile_of_taps(int of_taps) {
    if constexpr (Stride == 1) {
        if (of_taps == 7) return compute<Stride, V, R, IsPair, HasAllRows, 7, true>;
        if (of_taps == 5) return compute<Stride, V, R, IsPair, HasAllRows, 5, true>;
    }
    return compute<Stride, V, R, IsPair, HasAllRows, 4, false>;
}

template <int Stride, int V, bool IsPair>
Bfloat16DepthwiseKernel::Compute tile_insides(Index rows, int of_taps, bool has_all_rows) {
    if (rows <= 4) return tile_of_taps<Stride, V, 4, IsPair, false>(of_taps);
    if (rows < 7 || !has_all_rows) {
        if (rows <= 7) return tile_of_taps<Stride, V, 7, IsPair, false>(of_taps);
        return tile_of_taps<Stride, V, 8, IsPair, false>(of_taps);
    }
    if (rows == 7) return tile_of_taps<Stride, V, 7, IsPair, true>(of_taps);
    return tile_of_taps<Stride, V, 8, IsPair, true>(of_taps);
}

Bfloat16DepthwiseKernel::Compute find_tile(Index rows, int of_taps, bool has_all_rows, Index stride,
                                           Index columns, bool is_pair) {
    auto* find = tile_insides<2, 1, false>;
    if (stride == 2) {
        if (is_pair) find = tile_insides<2, 1, true>;
    } else if (is_pair) {
        find = columns <= 8 ? tile_insides<1, 1, true> : tile_insides<1, 2, true>;
    } else {
        find = columns <= 16 ? tile_insides<1, 1, false> : tile_insides<1, 2, false>;
    }
    return find(rows, of_taps, has_all_rows);
}

}  // namespace

Bfloat16DepthwiseKernel::Compute bfloat16_strip(Index stride, Index columns, bool is_pair);

Bfloat16DepthwiseKernel bfloat16_depthwise_kernel() {
    return {find_tile, bfloat16_strip};
}

}  // namespace faltung::FALTUNG_ISA

#endif
