// The transforms of stems: of the input with consecutive tiles of a row in the vector lanes, of weights and
// outputs with output channels there; and their products, transformed back along rows while they are in
// registers.
#include "core/registers.h"
#include "core/strided_copy.h"
#include "kernels/stem/stem_block.h"
#include "kernels/winograd/channels_store.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Vectors of channels that are multiplied together: with two tiles and seven points they fill the registers.
template <class T>
constexpr int stem_vectors = FALTUNG_VECTOR_BYTES == 64 ? 2 : 1;

constexpr int stem_tiles = 2;

// v[i] lane t becomes what lay at C * t + i, the vectors one behind another.
template <class T, int C>
inline void take_apart(Vec<T> (&v)[C]) {
    FALTUNG_UNROLL for (int step = 1; step < C; step *= 2) {
        Vec<T> apart[C];
        FALTUNG_UNROLL for (int i = 0; i < C / 2; ++i) {
            apart[i] = unzip<T, 0>(v[2 * i], v[2 * i + 1]);
            apart[i + C / 2] = unzip<T, 1>(v[2 * i], v[2 * i + 1]);
        }
        FALTUNG_UNROLL for (int i = 0; i < C; ++i) v[i] = apart[i];
    }
}

// Along rows: to[point][column], all phases of the columns as they lie, zeros beyond the input. Rows are
// copied where lanes cannot be masked and where cells lie apart.
template <class T, int K>
inline void transform_rows(const StemInput<T>& b, Index columns, T* to) {
    constexpr int L = lanes<T>, P = stem_points(K);
    if (has_masked_lanes && b.column_step == 1) {
        const T* from[P];
        unsigned present[P];
        FALTUNG_UNROLL for (int i = 0; i < P; ++i) {
            present[i] = b.row[i] != absent_stem_row ? ~0u : 0u;
            from[i] = present[i] ? b.x + b.row[i] : b.x;
        }
        for (Index column = 0; column < columns; column += L) {
            const unsigned mask = lanes_between<L>(b.begin - column, b.end - column);
            Vec<T> d[P];
            FALTUNG_UNROLL for (int i = 0; i < P; ++i) d[i] =
                load_lanes<T, L>(from[i] + column, mask & present[i]);
            to_points<T, P>(d);
            FALTUNG_UNROLL for (int i = 0; i < P; ++i) store(to + i * columns + column, d[i]);
        }
        return;
    }
    for (int i = 0; i < P; ++i) {
        T* const row = to + i * columns;
        std::memset(row, 0, static_cast<std::size_t>(columns) * sizeof(T));
        if (b.row[i] != absent_stem_row && b.begin < b.end)
            strided_copy(b.x + b.row[i] + b.begin * b.column_step, b.column_step, b.end - b.begin,
                         row + b.begin);
    }
    for (Index column = 0; column < columns; column += L) {
        Vec<T> d[P];
        FALTUNG_UNROLL for (int i = 0; i < P; ++i) d[i] = load(to + i * columns + column);
        to_points<T, P>(d);
        FALTUNG_UNROLL for (int i = 0; i < P; ++i) store(to + i * columns + column, d[i]);
    }
}

template <class T, int K, int S>
void transform_input(const StemInput<T>& b) {
    constexpr int L = lanes<T>, P = stem_points(K), C = stem_outputs * S;
    const Index columns = StemKernel<T>::row_elements(L, K, S, b.pieces), point_pitch = b.point_pitch;
    transform_rows<T, K>(b, columns, b.scratch);
    for (int i = 0; i < P; ++i)
        for (Index piece = 0; piece < b.pieces; ++piece) {
            const T* const from = b.scratch + i * columns + piece * K * S;
            Vec<T> cells[C];
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) cells[c] = load(from + c * L);
            take_apart<T, C>(cells);
            T* to = b.v + piece * S * P * L + i * L;
            FALTUNG_UNROLL for (int phase = 0; phase < S; ++phase, to += P * L) {
                Vec<T> d[P];
                FALTUNG_UNROLL for (int c = 0; c < stem_outputs; ++c) d[c] = cells[c * S + phase];
                FALTUNG_UNROLL for (int c = stem_outputs; c < P; ++c) d[c] =
                    followed_by<T, L>(d[c - stem_outputs], from[C * L + (c - stem_outputs) * S + phase]);
                to_points<T, P>(d);
                FALTUNG_UNROLL for (int j = 0; j < P; ++j) store(to + j * point_pitch, d[j]);
            }
        }
}

template <class T, int K>
void transform_weight(const StemWeight<T>& b) {
    constexpr int L = lanes<T>, P = stem_points(K);
    Vec<T> half[P][K];
    FALTUNG_UNROLL for (int j = 0; j < K; ++j) {
        Vec<T> w[K], points[P];
        FALTUNG_UNROLL for (int i = 0; i < K; ++i) w[i] = load(b.taps + (i * K + j) * L);
        weight_to_points<T, K, P>(w, points);
        FALTUNG_UNROLL for (int i = 0; i < P; ++i) half[i][j] = points[i];
    }
    FALTUNG_UNROLL for (int i = 0; i < P; ++i) {
        Vec<T> points[P];
        weight_to_points<T, K, P>(half[i], points);
        FALTUNG_UNROLL for (int j = 0; j < P; ++j)
            store(b.u + j * b.point_pitch + i * b.row_pitch, points[j]);
    }
}

// One column point of two tiles.
template <class T, int K>
inline void multiply_point(const T* v, const T* u, Index terms, T* h) {
    constexpr int L = lanes<T>, P = stem_points(K), W = stem_vectors<T>, N = stem_tiles;
    Vec<T> sum[P][N][W] = {};
    for (Index term = 0; term < terms; ++term, v += P * L, u += P * W * L) {
        FALTUNG_UNROLL for (int i = 0; i < P; ++i) {
            Vec<T> weight[W];
            FALTUNG_UNROLL for (int w = 0; w < W; ++w) {
                weight[w] = load(u + (i * W + w) * L);
                keep_in_register(weight[w]);
            }
            FALTUNG_UNROLL for (int n = 0; n < N; ++n) {
                Vec<T> cell = broadcast(v[i * L + n]);
                FALTUNG_UNROLL for (int w = 0; w < W; ++w) sum[i][n][w] += weight[w] * cell;
            }
        }
    }
    FALTUNG_UNROLL for (int n = 0; n < N; ++n) FALTUNG_UNROLL for (int w = 0; w < W; ++w) {
        Vec<T> m[P], y[stem_outputs];
        FALTUNG_UNROLL for (int i = 0; i < P; ++i) m[i] = sum[i][n][w];
        from_points<T, stem_outputs, P>(m, y);
        FALTUNG_UNROLL for (int i = 0; i < stem_outputs; ++i)
            store(h + (n * P * stem_outputs + i) * W * L + w * L, y[i]);
    }
}

template <class T, int K>
void multiply(const StemProduct<T>& b) {
    constexpr int P = stem_points(K), row = stem_outputs * stem_vectors<T> * lanes<T>;
    for (int j = 0; j < P; ++j)
        for (Index tile = 0; tile < b.tiles; tile += stem_tiles)
            multiply_point<T, K>(b.v + j * b.v_pitch + tile, b.u + j * b.u_pitch, b.terms,
                                 b.h + (tile * P + j) * row);
}

template <class T, int K>
void transform_output(const StemOutput<T>& b) {
    constexpr int L = lanes<T>, P = stem_points(K), width = stem_vectors<T> * L;
    constexpr int together = transposed_columns / stem_outputs;
    for (Index first = 0; first < b.channels; first += L) {
        const Index channels = min_index(L, b.channels - first);
        const Vec<T> bias = b.bias ? load_some(b.bias + first, channels) : Vec<T>{};
        for (Index tile = 0; tile < b.tiles; tile += together)
            for (Index row = 0; row < b.rows; ++row) {
                Vec<T> y[transposed_columns] = {};
                FALTUNG_UNROLL for (int t = 0; t < together; ++t) {
                    if (tile + t >= b.tiles) break;
                    const T* const from = b.h + ((tile + t) * P * stem_outputs + row) * width + first;
                    Vec<T> m[P], out[stem_outputs];
                    FALTUNG_UNROLL for (int j = 0; j < P; ++j) m[j] = load(from + j * stem_outputs * width);
                    from_points<T, stem_outputs, P>(m, out);
                    FALTUNG_UNROLL for (int c = 0; c < stem_outputs; ++c) y[t * stem_outputs + c] =
                        out[c] + bias;
                }
                store_channels<T>(b.y + first * b.channel_stride + row * b.row_stride +
                                      tile * stem_outputs * b.column_stride,
                                  b.channel_stride, b.column_stride, b.accumulates, channels,
                                  min_index(transposed_columns, b.columns - tile * stem_outputs), y);
            }
    }
}

template <class T, int K>
StemKernel<T> kernel_for(Index stride) {
    StemKernel<T> kernel;
    kernel.lanes = lanes<T>;
    kernel.channel_block = stem_vectors<T> * lanes<T>;
    kernel.transform_input = stride == 1   ? transform_input<T, K, 1>
                             : stride == 2 ? transform_input<T, K, 2>
                                           : transform_input<T, K, 4>;
    kernel.transform_weight = transform_weight<T, K>;
    kernel.multiply = multiply<T, K>;
    kernel.transform_output = transform_output<T, K>;
    return kernel;
}

}  // namespace

template <class T>
StemKernel<T> stem_kernel(Index taps, Index stride) {
    return taps == 3 ? kernel_for<T, 3>(stride) : kernel_for<T, 4>(stride);
}

template StemKernel<float> stem_kernel(Index, Index);
template StemKernel<double> stem_kernel(Index, Index);

}  // namespace faltung::FALTUNG_ISA
