// The kernels of a dilated correlation. Along the columns consecutive phases lie side by side: the input's
// transform has them in the vector lanes, and the way back stores them together.
#include "kernels/dilated/dilated_block.h"
#include "kernels/dilated/dilated_transforms.h"
#include "kernels/winograd/channels_store.h"
#include "kernels/winograd/turned_taps.h"

namespace faltung::FALTUNG_ISA {

template <class T>
WinogradKernel<T> winograd_kernel(WinogradForm form);

namespace {

// Lines of vectors along one axis: from vector to vector of a line, and from line to line.
template <class T>
struct Lines {
    const T* in;
    Index in_step, in_line;
    T* out;
    Index out_step, out_line;
    int count;
};

template <class T>
using Pass = void (*)(const Lines<T>&);

template <class T, int N, int M, class Transform>
inline void pass(const Lines<T>& b, Transform transform) {
    const T* in = b.in;
    T* out = b.out;
    for (int line = 0; line < b.count; ++line, in += b.in_line, out += b.out_line) {
        Vec<T> from[N], to[M];
        FALTUNG_UNROLL for (int i = 0; i < N; ++i) from[i] = load(in + i * b.in_step);
        transform(from, to);
        FALTUNG_UNROLL for (int i = 0; i < M; ++i) store(out + i * b.out_step, to[i]);
    }
}

template <class T, int F>
void pass_cells(const Lines<T>& b) {
    constexpr TileForm form = static_cast<TileForm>(F);
    pass<T, tile_cells(form), tile_points(form)>(
        b, [](const auto& from, auto& to) { cells_to_points<T, form>(from, to); });
}

template <class T, int F>
void pass_taps(const Lines<T>& b) {
    constexpr TileForm form = static_cast<TileForm>(F);
    pass<T, tile_taps(form), tile_points(form)>(
        b, [](const auto& from, auto& to) { taps_to_points<T, form>(from, to); });
}

template <class T, int F>
void pass_points(const Lines<T>& b) {
    constexpr TileForm form = static_cast<TileForm>(F);
    pass<T, tile_points(form), tile_outputs(form)>(
        b, [](const auto& from, auto& to) { points_to_outputs<T, form>(from, to); });
}

template <class T, int... F>
Pass<T> cells_pass(TileForm form, std::integer_sequence<int, F...>) {
    static constexpr Pass<T> table[] = {pass_cells<T, F>...};
    return table[static_cast<int>(form)];
}

template <class T, int... F>
Pass<T> taps_pass(TileForm form, std::integer_sequence<int, F...>) {
    static constexpr Pass<T> table[] = {pass_taps<T, F>...};
    return table[static_cast<int>(form)];
}

template <class T, int... F>
Pass<T> points_pass(TileForm form, std::integer_sequence<int, F...>) {
    static constexpr Pass<T> table[] = {pass_points<T, F>...};
    return table[static_cast<int>(form)];
}

constexpr auto every_form = std::make_integer_sequence<int, tile_forms>();
constexpr int side = most_tile_points;  // of a tile's cells, points or outputs

template <class T>
inline Vec<T> load_lanes(const T* from, Index stride, Index count) {
    if (stride == 1) return count >= lanes<T> ? load(from) : load_some(from, count);
    Vec<T> v{};
    for (Index lane = 0; lane < min_index(lanes<T>, count); ++lane) v[lane] = from[lane * stride];
    return v;
}

template <class T>
void transform_input(const DilatedInput<T>& b) {
    constexpr int L = lanes<T>;
    constexpr Index channels_ahead = 4;
    const int rows = tile_cells(b.rows), columns = tile_cells(b.columns);
    const int row_points = tile_points(b.rows), column_points = tile_points(b.columns);
    const Pass<T> along_columns = cells_pass<T>(b.rows, every_form);
    const Pass<T> along_rows = cells_pass<T>(b.columns, every_form);
    alignas(64) T cells[side * side * L], half[side * side * L], points[side * side * L];
    const T* x = b.x;
    T* v = b.v;
    for (Index channel = 0; channel < b.channels; ++channel, x += b.channel_stride, v += b.term_pitch)
        for (Index tile = 0; tile < b.tiles; tile += L) {
            const Index some = b.tiles - tile;
            const bool is_ahead = channel + channels_ahead < b.following;
            for (int i = 0; i < rows; ++i)
                for (int j = 0; j < columns; ++j) {
                    const bool is_absent = b.row[i] == absent_row || b.column[j] == absent_row;
                    const T* from = is_absent ? x : x + b.row[i] + b.column[j] + tile * b.tile_stride;
                    if (is_ahead && !is_absent) __builtin_prefetch(from + channels_ahead * b.channel_stride);
                    store(cells + (i * side + j) * L,
                          is_absent ? Vec<T>{} : load_lanes(from, b.tile_stride, some));
                }
            along_columns({cells, side * L, L, half, side * L, L, columns});
            along_rows({half, L, side * L, points, L, column_points * L, row_points});
            T* to = v + tile;
            const int all = row_points * column_points;
            if (some >= L) {
                for (int p = 0; p < all; ++p, to += b.point_pitch) store(to, load(points + p * L));
            } else {
                for (int p = 0; p < all; ++p, to += b.point_pitch) store_some(to, load(points + p * L), some);
            }
        }
}

template <class T>
void transform_weight(const DilatedWeight<T>& b) {
    constexpr int L = lanes<T>;
    const int row_points = tile_points(b.rows), column_points = tile_points(b.columns);
    const int column_taps = tile_taps(b.columns);
    const Pass<T> along_columns = taps_pass<T>(b.rows, every_form);
    const Pass<T> along_rows = taps_pass<T>(b.columns, every_form);
    alignas(64) T half[side * side * L];
    const T* taps = b.taps;
    T* u = b.u;
    for (Index term = 0; term < b.terms; ++term, taps += b.term_step, u += b.u_term) {
        along_columns({taps, b.row_step, b.column_step, half, side * L, L, column_taps});
        along_rows({half, L, side * L, u, b.u_point, column_points * b.u_point, row_points});
    }
}

template <class T>
TurnedTaps<T> turned_taps(const WinogradWeight<T>& b, Index row_taps, Index column_taps, T* turned) {
    return turn_taps(b, b.weight, b.channels, b.terms, row_taps, column_taps, turned);
}

template <class T>
void transform_output(const DilatedOutput<T>& b) {
    constexpr int L = lanes<T>, vectors = 2, outputs = most_tile_outputs;
    const int column_points = tile_points(b.columns);
    const Pass<T> along_columns = points_pass<T>(b.rows, every_form);
    const Pass<T> along_rows = points_pass<T>(b.columns, every_form);
    alignas(64) T half[outputs * side * L], all[outputs * outputs * transposed_columns * L];
    for (Index first = 0; first < b.channels; first += L) {
        const Index channels = min_index(L, b.channels - first);
        const Vec<T> bias = b.bias ? load_some(b.bias + first, channels) : Vec<T>{};
        for (Index tile = 0; tile < b.tiles; tile += transposed_columns) {
            const Index some = min_index(transposed_columns, b.tiles - tile);
            for (Index t = 0; t < some; ++t) {
                const T* m = b.m + (tile + t) * vectors * L + first;
                along_columns({m, column_points * b.m_pitch, b.m_pitch, half, side * L, L, column_points});
                along_rows({half, L, side * L, all + t * L, transposed_columns * L,
                            outputs * transposed_columns * L, static_cast<int>(b.row_outputs)});
            }
            for (Index i = 0; i < b.row_outputs; ++i)
                for (Index j = 0; j < b.column_outputs; ++j) {
                    const T* from = all + (i * outputs + j) * transposed_columns * L;
                    Vec<T> v[transposed_columns];
                    FALTUNG_UNROLL for (int t = 0; t < transposed_columns; ++t) v[t] =
                        load(from + t * L) + bias;
                    store_channels<T>(b.y + first * b.channel_stride + i * b.row_stride +
                                          j * b.column_stride + tile * b.tile_stride,
                                      b.channel_stride, b.tile_stride, b.accumulates, channels, some, v);
                }
        }
    }
}

}  // namespace

template <class T>
DilatedKernel<T> dilated_kernel() {
    const WinogradKernel<T> winograd = winograd_kernel<T>({4, 4});
    DilatedKernel<T> kernel;
    kernel.transform_input = transform_input<T>;
    kernel.transform_weight = transform_weight<T>;
    kernel.transform_output = transform_output<T>;
    kernel.turn_taps = turned_taps<T>;
    kernel.multiply = winograd.multiply;
    kernel.channel_block = winograd.channel_block;
    kernel.lanes = winograd.lanes;
    return kernel;
}

template DilatedKernel<float> dilated_kernel();
template DilatedKernel<double> dilated_kernel();

}  // namespace faltung::FALTUNG_ISA
