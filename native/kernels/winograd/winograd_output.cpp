// The way back: output channels in the vector lanes, turned into rows of outputs when they are stored.
#include "core/lines.h"
#include "core/registers.h"
#include "kernels/winograd/channels_store.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int vectors = 2;

// Whether a vector of columns is a line of the cache, and wider than what is turned at once elsewhere.
template <class T>
constexpr bool has_lines = (lanes<T> > transposed_columns) && lanes<T> == line_elements<T>;

// Enough registers to take a tile's sums and turn them without leaving any in memory.
constexpr bool has_many_registers = FALTUNG_VECTOR_BYTES == 64;

// The products of a tile, point by point, as they stand in memory.
template <class T>
struct StoredProducts {
    const WinogradOutput<T>& b;

    auto tile(Index first_channel, Index row, Index column) const {
        const T* const m = b.m + first_channel + (row * b.tile_columns + column) * vectors * lanes<T>;
        return [m, pitch = b.m_pitch](int point) { return load(m + point * pitch); };
    }
};

// Those of few terms, taken where they are wanted: storing and loading them would take longer.
template <class T, int Terms>
struct FewProducts {
    const WinogradFewTerms<T>& few;

    auto tile(Index first_channel, Index row, Index column) const {
        using Few = WinogradFewTerms<T>;
        constexpr Index u_term = vectors * lanes<T>, u_point = Few::u_point(Terms, u_term),
                        v_point = Few::v_point(Terms);
        const T* u = few.u + first_channel;
        const T* v = few.v + row * few.tile_pitch + column;
        keep_address(u);  // or weights would be kept from tile to tile, in memory
        return [u, v](int point) {
            Vec<T> sum{};
            FALTUNG_UNROLL for (int term = 0; term < Terms; ++term) sum +=
                load(u + point * u_point + term * u_term) *
                broadcast(v[point * v_point + term * Few::v_term]);
            return sum;
        };
    }
};

// The tile's outputs for L channels, C columns from `first` on: to[row][column].
template <class T, int R, int C, int K, int Columns, class Products>
inline void tile_from_points(const Products& products, Vec<T> bias, Index first, Vec<T> (&to)[R][Columns]) {
    constexpr int NR = WinogradForm::points_for(R, K), NC = WinogradForm::points_for(C, K);
    Vec<T> half[R][NC];
    FALTUNG_UNROLL for (int j = 0; j < NC; ++j) {
        Vec<T> column[NR], y[R];
        FALTUNG_UNROLL for (int i = 0; i < NR; ++i) column[i] = products(i * NC + j);
        from_points<T, R, NR>(column, y);
        FALTUNG_UNROLL for (int i = 0; i < R; ++i) half[i][j] = y[i];
    }
    FALTUNG_UNROLL for (int i = 0; i < R; ++i) {
        Vec<T> y[C];
        from_points<T, C, NC>(half[i], y);
        FALTUNG_UNROLL for (int j = 0; j < C; ++j) to[i][first + j] = y[j] + bias;
    }
}

// The tiles of `columns` columns of one row of tiles: to[row][column].
template <class T, int R, int C, int K, int Columns, class Products>
inline void tiles_from_points(const Products& products, Index first_channel, Index row, Index column,
                              Index columns, Vec<T> bias, Vec<T> (&to)[R][Columns]) {
    for (Index at = 0; at < columns; at += C)  // not unrolled: the registers suffice for one
        tile_from_points<T, R, C, K>(products.tile(first_channel, row, (column + at) / C), bias, at, to);
}

// Up to a line of each row and channel, written at once: rows of many channels that lie a multiple of 4 KiB
// apart share few places of L1, and half a line would leave it before the other half came.
template <class T, int R, int C, int K, class Products>
inline void store_lines(const WinogradOutput<T>& b, const Products& products, Index first_channel,
                        Index channels, Index row, Index column, Vec<T> bias, T* y, const T* next) {
    constexpr int L = lanes<T>;
    const Index columns = min_index(L, b.columns - column);
    const bool is_whole = columns == L && channels == L;
    alignas(64) Vec<T> staged[R][L];
    tiles_from_points<T, R, C, K>(products, first_channel, row, column, columns, bias, staged);
    for (Index i = 0; i < min_index(R, b.rows - row * R); ++i) {
        Vec<T> v[L];
        FALTUNG_UNROLL for (int j = 0; j < L; ++j) v[j] = staged[i][j];
        transpose_square<T>(v);
        T* const to = y + i * b.y_row_stride + column;
        if (next)
            FALTUNG_UNROLL for (int j = 0; j < L; ++j)
                __builtin_prefetch(next + i * b.y_row_stride + j * b.y_channel_stride, 1, 2);
        if (is_whole) {
            FALTUNG_UNROLL for (int j = 0; j < L; ++j) store(to + j * b.y_channel_stride, v[j]);
        } else {
            FALTUNG_UNROLL for (int j = 0; j < L; ++j) if (j < channels)
                store_some(to + j * b.y_channel_stride, v[j], columns);
        }
    }
}

template <class T, int R, int C, int K, class Products>
void transform_back(const WinogradOutput<T>& b, const Products& products) {
    constexpr int L = lanes<T>, piece = transposed_columns / C * C;  // whole tiles
    constexpr bool has_whole_lines = has_lines<T> && L % C == 0;
    for (Index first = 0; first < b.channels; first += L) {
        const Index channels = min_index(L, b.channels - first);
        alignas(64) T bias_values[L] = {};
        if (b.bias)
            __builtin_memcpy(bias_values, b.bias + first, static_cast<std::size_t>(channels) * sizeof(T));
        const Vec<T> bias = load(bias_values);
        T* y_row = b.y + first * b.y_channel_stride;
        const bool stores_lines = has_whole_lines && b.y_column_stride == 1 && !b.accumulates;
        for (Index row = 0; row * R < b.rows; ++row, y_row += R * b.y_row_stride) {
            Index column = 0;
            const T* const behind = (row + 1) * R < b.rows   ? y_row + R * b.y_row_stride
                                    : first + L < b.channels ? b.y + (first + L) * b.y_channel_stride
                                                             : b.next_y;
            if constexpr (has_whole_lines)
                for (; stores_lines && b.columns - column > transposed_columns; column += L) {
                    const T* next =
                        b.columns - (column + L) > transposed_columns ? y_row + column + L : behind;
                    store_lines<T, R, C, K>(b, products, first, channels, row, column, bias, y_row,
                                            b.next_y ? next : nullptr);
                }
            for (; column < b.columns; column += piece) {
                Vec<T> y[R][transposed_columns] = {};
                const Index columns = min_index(piece, b.columns - column);
                tiles_from_points<T, R, C, K>(products, first, row, column, columns, bias, y);
                T* to = y_row + column * b.y_column_stride;
                for (Index i = 0; i < min_index(R, b.rows - row * R); ++i)
                    store_channels<T>(to + i * b.y_row_stride, b.y_channel_stride, b.y_column_stride,
                                      b.accumulates, channels, columns, y[i]);
            }
        }
    }
}

template <class T, int R, int C, int K>
void transform_output(const WinogradOutput<T>& b) {
    transform_back<T, R, C, K>(b, StoredProducts<T>{b});
}

template <class T>
void multiply_few_terms(const WinogradOutput<T>& b, const WinogradFewTerms<T>& few) {
    const auto with = [&](auto terms) {
        transform_back<T, 4, 4, 3>(b, FewProducts<T, decltype(terms)::value>{few});
    };
    switch (few.terms) {
        case 1:
            return with(std::integral_constant<int, 1>());
        case 2:
            return with(std::integral_constant<int, 2>());
        case 3:
            return with(std::integral_constant<int, 3>());
        default:
            return with(std::integral_constant<int, 4>());
    }
}

}  // namespace

template <class T>
void (*winograd_output_transform(WinogradForm form))(const WinogradOutput<T>&) {
    return for_form(form, [](auto rows, auto columns, auto taps) {
        return transform_output<T, decltype(rows)::value, decltype(columns)::value, decltype(taps)::value>;
    });
}

template <class T>
void (*winograd_few_terms(WinogradForm form))(const WinogradOutput<T>&, const WinogradFewTerms<T>&) {
    const bool is_served = has_many_registers && form.rows == 4 && form.columns == 4 && form.taps == 3;
    return is_served ? multiply_few_terms<T> : nullptr;
}

template void (*winograd_output_transform(WinogradForm))(const WinogradOutput<float>&);
template void (*winograd_output_transform(WinogradForm))(const WinogradOutput<double>&);
template void (*winograd_few_terms(WinogradForm))(const WinogradOutput<float>&,
                                                  const WinogradFewTerms<float>&);
template void (*winograd_few_terms(WinogradForm))(const WinogradOutput<double>&,
                                                  const WinogradFewTerms<double>&);

}  // namespace faltung::FALTUNG_ISA
