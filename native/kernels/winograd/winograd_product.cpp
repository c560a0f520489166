// The products of one point: output channels in the vector lanes, so that neither narrow maps nor a few tiles
// leave lanes empty; and the table of all that a form needs.
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

template <class T>
void (*winograd_input_transform(WinogradForm form))(const WinogradInput<T>&);
template <class T>
void (*winograd_output_transform(WinogradForm form))(const WinogradOutput<T>&);
template <class T>
void (*winograd_few_terms(WinogradForm form))(const WinogradOutput<T>&, const WinogradFewTerms<T>&);
template <class T>
void (*winograd_weight_transform(WinogradForm form))(const WinogradWeight<T>&);

namespace {

constexpr int vectors = 2;
#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_tiles = 8;  // 16 sums of 32 registers
#else
constexpr int most_tiles = 6;  // 12 sums of 16 registers
#endif

template <class T, int S>
inline Vec<T> sum_of(const T* first, const Index* summand, Vec<T> row_factor, Vec<T> column_factor) {
    const Vec<T> tap = load(first);
    if constexpr (S == 1) return tap;
    const Vec<T> row = tap + row_factor * load(first + summand[0]);
    if constexpr (S == 2) return row;
    const Vec<T> other = load(first + summand[1]) + row_factor * load(first + summand[2]);
    return row + column_factor * other;
}

template <class T, int V, int S, int J>
void multiply_tile(const WinogradProduct<T>& b, const T* next, Index next_step, const T* v, const T* next_v,
                   T* m) {
    constexpr int L = lanes<T>;
    const T* u = b.u;
    const Index pitch = b.term_pitch, u_term = b.u_term, u_vector = b.u_vector;
    const Index summand[3] = {b.summand[0], b.summand[1], b.summand[2]};
    const Vec<T> row_factor = broadcast(b.row_factor), column_factor = broadcast(b.column_factor);
    Vec<T> sum[V][J];
    if (b.continues) {
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) FALTUNG_UNROLL for (int i = 0; i < V; ++i) sum[i][j] =
            load(m + j * vectors * L + i * L);
    } else {
        FALTUNG_UNROLL for (int i = 0; i < V; ++i) FALTUNG_UNROLL for (int j = 0; j < J; ++j) sum[i][j] =
            Vec<T>{};
    }
    for (Index term = 0; term < b.terms;
         ++term, u += u_term, next += next_step, v += pitch, next_v += pitch) {
        __builtin_prefetch(next_v, 0, 2);
        FALTUNG_UNROLL for (int i = 0; i < V; ++i) __builtin_prefetch(next + i * L, 0, 2);
        Vec<T> w[V];
        FALTUNG_UNROLL for (int i = 0; i < V; ++i) w[i] =
            sum_of<T, S>(u + i * u_vector, summand, row_factor, column_factor);
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
            const Vec<T> x = broadcast(v[j]);
            FALTUNG_UNROLL for (int i = 0; i < V; ++i) sum[i][j] += w[i] * x;
        }
    }
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) FALTUNG_UNROLL for (int i = 0; i < V; ++i)
        store(m + j * vectors * L + i * L, sum[i][j]);
}

template <class T>
using MultiplyTile = void (*)(const WinogradProduct<T>&, const T*, Index, const T*, const T*, T*);

template <class T, int V, int S, int... J>
MultiplyTile<T> multiply_tile_for(Index tiles, std::integer_sequence<int, J...>) {
    static constexpr MultiplyTile<T> table[] = {multiply_tile<T, V, S, J + 1>...};
    return table[tiles - 1];
}

template <class T, int V>
MultiplyTile<T> multiply_tile_for(Index tiles, int summands) {
    constexpr auto every = std::make_integer_sequence<int, most_tiles>();
    if (summands == 1) return multiply_tile_for<T, V, 1>(tiles, every);
    if (summands == 2) return multiply_tile_for<T, V, 2>(tiles, every);
    return multiply_tile_for<T, V, 4>(tiles, every);
}

template <class T>
void multiply(const WinogradProduct<T>& b) {
    const bool is_wide = b.channels > lanes<T>;
    // Rows without a gap between them are one.
    const bool is_dense = b.tile_pitch == b.tile_columns;
    const Index rows = is_dense ? 1 : b.tile_rows;
    const Index columns = is_dense ? b.tile_rows * b.tile_columns : b.tile_columns;
    const Index groups = ceil_divide(columns, most_tiles), all = rows * groups;
    // Each group of tiles asks for its share of the weights that are wanted next.
    const Index next_step = ceil_divide(b.next_pitch, all);
    T* m = b.m;
    for (Index row = 0; row < rows; ++row)
        for (Index group = 0; group < groups; ++group) {
            const Index first = group * columns / groups, tiles = (group + 1) * columns / groups - first;
            const MultiplyTile<T> compute = is_wide ? multiply_tile_for<T, 2>(tiles, b.summands)
                                                    : multiply_tile_for<T, 1>(tiles, b.summands);
            const Index share = (row * groups + group) * b.next_pitch * b.terms / all;
            const T* const v = b.v + row * b.tile_pitch + first;
            const bool is_last = row + 1 == rows && group + 1 == groups;
            // Of the following tiles the last one lies in a line that none before has asked for.
            const T* const next_v = is_last              ? b.next_v
                                    : group + 1 < groups ? v + 2 * tiles - 1
                                                         : b.v + (row + 1) * b.tile_pitch;
            compute(b, b.next + share, next_step, v, next_v, m);
            m += tiles * vectors * lanes<T>;
        }
}

}  // namespace

template <class T>
WinogradKernel<T> winograd_kernel(WinogradForm form) {
    WinogradKernel<T> kernel;
    kernel.transform_input = winograd_input_transform<T>(form);
    kernel.multiply = multiply<T>;
    kernel.transform_output = winograd_output_transform<T>(form);
    kernel.multiply_few_terms = winograd_few_terms<T>(form);
    kernel.transform_weight = winograd_weight_transform<T>(form);
    kernel.channel_block = vectors * lanes<T>;
    kernel.lanes = lanes<T>;
    return kernel;
}

template WinogradKernel<float> winograd_kernel(WinogradForm);
template WinogradKernel<double> winograd_kernel(WinogradForm);

}  // namespace faltung::FALTUNG_ISA
