// The way back: output channels in the vector lanes, turned into rows of outputs when they are stored.
#include "kernels/winograd/channels_store.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int vectors = 2;

// The tile's outputs for L channels, C columns from `first` on: to[row][column].
template <class T, int R, int C, int K>
inline void tile_from_points(const T* m, Index m_pitch, Vec<T> bias, int first,
                             Vec<T> (&to)[R][transposed_columns]) {
    constexpr int NR = WinogradForm::points_for(R, K), NC = WinogradForm::points_for(C, K);
    Vec<T> half[R][NC];
    FALTUNG_UNROLL for (int j = 0; j < NC; ++j) {
        Vec<T> column[NR], y[R];
        FALTUNG_UNROLL for (int i = 0; i < NR; ++i) column[i] = load(m + (i * NC + j) * m_pitch);
        from_points<T, R, NR>(column, y);
        FALTUNG_UNROLL for (int i = 0; i < R; ++i) half[i][j] = y[i];
    }
    FALTUNG_UNROLL for (int i = 0; i < R; ++i) {
        Vec<T> y[C];
        from_points<T, C, NC>(half[i], y);
        FALTUNG_UNROLL for (int j = 0; j < C; ++j) to[i][first + j] = y[j] + bias;
    }
}

template <class T, int R, int C, int K>
void transform_output(const WinogradOutput<T>& b) {
    constexpr int L = lanes<T>, tiles = transposed_columns / C;
    for (Index first = 0; first < b.channels; first += L) {
        const Index channels = min_index(L, b.channels - first);
        alignas(64) T bias_values[L] = {};
        if (b.bias)
            __builtin_memcpy(bias_values, b.bias + first, static_cast<std::size_t>(channels) * sizeof(T));
        const Vec<T> bias = load(bias_values);
        const T* tile_row = b.m + first;
        T* y_row = b.y + first * b.y_channel_stride;
        for (Index row = 0; row < b.rows; row += R, tile_row += b.tile_columns * vectors * L) {
            const Index rows = min_index(R, b.rows - row);
            for (Index tile = 0; tile < b.tile_columns; tile += tiles) {
                Vec<T> y[R][transposed_columns] = {};
                FALTUNG_UNROLL for (int t = 0; t < tiles; ++t) {
                    if (tile + t >= b.tile_columns) break;
                    tile_from_points<T, R, C, K>(tile_row + (tile + t) * vectors * L, b.m_pitch, bias, t * C,
                                                 y);
                }
                const Index columns = min_index(tiles * C, b.columns - tile * C);
                T* to = y_row + tile * C * b.y_column_stride;
                FALTUNG_UNROLL for (int i = 0; i < R; ++i) {
                    if (i < rows)
                        store_channels<T>(to + i * b.y_row_stride, b.y_channel_stride, b.y_column_stride,
                                          b.accumulates, channels, columns, y[i]);
                }
            }
            y_row += R * b.y_row_stride;
        }
    }
}
}  // namespace

template <class T>
void (*winograd_output_transform(WinogradForm form))(const WinogradOutput<T>&) {
    return for_form(form, [](auto rows, auto columns, auto taps) {
        return transform_output<T, decltype(rows)::value, decltype(columns)::value, decltype(taps)::value>;
    });
}

template void (*winograd_output_transform(WinogradForm))(const WinogradOutput<float>&);
template void (*winograd_output_transform(WinogradForm))(const WinogradOutput<double>&);

}  // namespace faltung::FALTUNG_ISA
