// Compiled for processors with AVX512_BF16 alone. Kernels of 3x3 taps go down their columns: all weights stay
// in registers, and so do the cells of the rows that the next outputs meet again.
#include "kernels/depthwise/bfloat16_depthwise_tile.h"

#if defined(__AVX512BF16__)

#include "kernels/depthwise/bfloat16_columns.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int taps = 3;  // of a row and of a column

// What the taps of a row meet: of two vectors of sums, of even and odd columns, those of one column of taps
// are those of the column before in the other.
template <int V>
using RowCells = __m512[taps + V - 1];

template <int Stride, int V, bool IsPair, bool HasLoop>
class Strip : Columns<Stride, V, IsPair> {
    using Base = Columns<Stride, V, IsPair>;
    using Row = RowCells<V>;

  public:
    using Base::most;

    Strip(const Tile& tile, Index first) : Base(tile, first) {}

    void compute() {
        if constexpr (Stride == 1) {
            go_down();
        } else {
            go_down_by_two();
        }
    }

  private:
    // The next row of cells; zeros for one outside the input.
    inline __attribute__((always_inline)) void load_row(Row& x) {
        if (__builtin_expect(static_cast<std::uint64_t>(row_) < inside_rows_, 1)) {
            if constexpr (Stride == 1 && V == 1) {
                FALTUNG_UNROLL for (int c = 0; c < taps; ++c) x[c] =
                    even(load_apart<IsPair>(from_ + c, this->apart, inside_[c]));
            } else {
                const __m512i low = load_cells<IsPair>(from_, this->apart, inside_[0]);
                const __m512i high = load_cells<IsPair>(from_ + 2, this->apart, inside_[2]);
                x[0] = even(low);
                x[1] = odd(low);
                x[2] = even(high);
                if constexpr (V == 2) x[3] = odd(high);
            }
        } else {
            FALTUNG_UNROLL for (int c = 0; c < taps + V - 1; ++c) x[c] = _mm512_setzero_ps();
        }
        FALTUNG_UNROLL for (int c = 0; c < taps + V - 1; ++c) keep_in_register(x[c]);
        ++row_;
        from_ += cells_stride_;
    }

    // Stores the next row of outputs, or holds it until there are enough to finish.
    inline __attribute__((always_inline)) void leave(const __m512 (&sum)[V]) {
        if constexpr (HasLoop) {
            const Index place = out_row_ % bfloat16_tile_rows;
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) _mm512_store_ps(held_[place][v], sum[v]);
            if (place == bfloat16_tile_rows - 1 || out_row_ == rows_ - 1)
                this->finish(held_, out_row_ - place, place + 1);
        } else if constexpr (V == 2) {
            this->store(at_, sum[0], sum[1]);
        } else {
            this->store(at_, sum[0]);
        }
        ++out_row_;
        at_ += y_stride_;
    }

    // Stride 1: column by column of taps.
    inline __attribute__((always_inline)) void go_down() {
        __m512 w[taps * taps];  // [column][row]
        load_weights<taps * taps, IsPair>(this->tile, this->tile.segments[0].weight, w);
        const auto add = [&](const Row& top, const Row& middle, Row& bottom) __attribute__((always_inline)) {
            load_row(bottom);
            __m512 sum[V];
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] = first_sum_;
            FALTUNG_UNROLL for (int c = 0; c < taps; ++c) {
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] =
                    _mm512_fmadd_ps(w[taps * c], top[c + v], sum[v]);
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] =
                    _mm512_fmadd_ps(w[taps * c + 1], middle[c + v], sum[v]);
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] =
                    _mm512_fmadd_ps(w[taps * c + 2], bottom[c + v], sum[v]);
            }
            leave(sum);
        };
        Row a, b, c;
        load_row(a);
        load_row(b);
        while (out_row_ < rows_) {
            add(a, b, c);
            if (out_row_ == rows_) break;
            add(b, c, a);
            if (out_row_ == rows_) break;
            add(c, a, b);
        }
    }

    // Stride 2: the outer rows of taps, which outputs above one another share, then the one between. Each sum
    // is one chain, so there are two rows of them at a time.
    inline __attribute__((always_inline)) void go_down_by_two() {
        __m512 outer[2 * taps], inner[taps];  // [column][row]
        load_weights<2 * taps, IsPair>(this->tile, this->tile.segments[0].weight, outer);
        load_weights<taps, IsPair>(this->tile, this->tile.segments[1].weight, inner);
        const auto add = [&](const Row& first, Row& last) __attribute__((always_inline)) {
            Row x[taps];
            FALTUNG_UNROLL for (int i = 0; i < taps; ++i) load_row(x[i]);
            load_row(last);
            __m512 upper[1] = {first_sum_}, lower[1] = {first_sum_};
            FALTUNG_UNROLL for (int c = 0; c < taps; ++c) {
                upper[0] = _mm512_fmadd_ps(outer[2 * c], first[c], upper[0]);
                lower[0] = _mm512_fmadd_ps(outer[2 * c], x[1][c], lower[0]);
            }
            FALTUNG_UNROLL for (int c = 0; c < taps; ++c) {
                upper[0] = _mm512_fmadd_ps(outer[2 * c + 1], x[1][c], upper[0]);
                lower[0] = _mm512_fmadd_ps(outer[2 * c + 1], last[c], lower[0]);
            }
            FALTUNG_UNROLL for (int c = 0; c < taps; ++c) {
                upper[0] = _mm512_fmadd_ps(inner[c], x[0][c], upper[0]);
                lower[0] = _mm512_fmadd_ps(inner[c], x[2][c], lower[0]);
            }
            keep_in_register(lower[0]);  // else it would be computed after the branch
            leave(upper);
            if (out_row_ < rows_) leave(lower);
        };
        Row a, b;
        load_row(a);
        while (out_row_ < rows_) {
            add(a, b);
            if (out_row_ < rows_) add(b, a);
        }
    }

    const std::uint32_t inside_[taps] = {this->cells_inside(0), this->cells_inside(1), this->cells_inside(2)};
    const Index cells_stride_ = this->tile.cells_row_stride, y_stride_ = this->tile.y_row_stride,
                rows_ = this->tile.rows;
    const std::uint64_t inside_rows_ =
        static_cast<std::uint64_t>(max_index(0, this->tile.cells_below - this->tile.cells_above));
    const __m512 first_sum_ = this->start();
    const Half* from_ = this->cells(0, 0);
    Index row_ = -this->tile.cells_above;  // of the input
    Index out_row_ = 0, at_ = 0;
    alignas(64) typename Base::Held held_;
};

template <int Stride, int V, bool IsPair, bool HasLoop>
void compute(const Tile& tile) {
    using Of = Strip<Stride, V, IsPair, HasLoop>;
    for (Index first = 0; first < tile.columns; first += Of::most) Of(tile, first).compute();
}

template <int Stride, int V, bool IsPair>
void compute(const Tile& tile) {
    if (tile.loop) {
        compute<Stride, V, IsPair, true>(tile);
    } else {
        compute<Stride, V, IsPair, false>(tile);
    }
}

}  // namespace

Bfloat16DepthwiseKernel::Compute bfloat16_strip(Index stride, Index columns, bool is_pair) {
    if (stride == 2) return is_pair ? compute<2, 1, true> : compute<2, 1, false>;
    if (is_pair) return columns <= 8 ? compute<1, 1, true> : compute<1, 2, true>;
    return columns <= 16 ? compute<1, 1, false> : compute<1, 2, false>;
}

}  // namespace faltung::FALTUNG_ISA

#endif
