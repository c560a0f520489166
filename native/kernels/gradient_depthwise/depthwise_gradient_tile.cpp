// Depthwise weight gradients: the sums of some rows and columns of taps stay in registers while the rows of a
// strip pass, and so do the last rows of grad: a vector of cells is loaded once for all the rows it meets.
#include "kernels/gradient_depthwise/depthwise_gradient_tile.h"

#include <type_traits>

#include "core/narrow.h"
#include "core/registers.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr bool has_masks = true;
constexpr int most_taps = 7;
#else
constexpr bool has_masks = false;
constexpr int most_taps = 5;
#endif

// Columns of taps that are summed together.
constexpr int columns_for(int taps) {
    return has_masks || taps <= 2 ? 3 : taps == 3 ? 2 : 1;
}

// Zero in the lanes that the mask leaves out; under AVX-512 nothing is read there.
template <class T, int N>
inline Narrow<T, N> load_masked(const T* from, std::uint32_t mask) {
    using V = Narrow<T, N>;
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64 && sizeof(T) == 4)
        return (V)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(mask), from);
    if constexpr (sizeof(V) == 64 && sizeof(T) == 8)
        return (V)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask), from);
    if constexpr (sizeof(V) == 32 && sizeof(T) == 4)
        return (V)_mm256_maskz_loadu_epi32(static_cast<__mmask8>(mask), from);
    if constexpr (sizeof(V) == 32 && sizeof(T) == 8)
        return (V)_mm256_maskz_loadu_epi64(static_cast<__mmask8>(mask), from);
#else
    V v = load_narrow<T, N>(from);
    if (mask == (1u << N) - 1) return v;
    for (int lane = 0; lane < N; ++lane)
        if (!(mask >> lane & 1)) v[lane] = T(0);
    return v;
#endif
}

template <class V>
bool has_nonzero(V v) {
    auto differs = v != V{};
    for (unsigned lane = 0; lane < sizeof v / sizeof v[0]; ++lane)
        if (differs[lane]) return true;
    return false;
}

template <class T, int N>
inline Narrow<T, N> load_grad(const DepthwiseGradientTile<T>& tile, Index row) {
    const T* from = tile.grad + row * tile.grad_pitch;
    return has_masks ? load_masked<T, N>(from, tile.grad_lanes) : load_narrow<T, N>(from);
}

// Rows that are wanted next, asked for one by one: a core has few requests under way, and waits when it has
// no more.
template <class T>
struct NextRows {
    const T* grad;
    const T* cells;
    Index grad_pitch, cells_pitch;

    void fetch() {
        __builtin_prefetch(grad, 0, 2);
        __builtin_prefetch(cells, 0, 2);
        grad += grad_pitch;
        cells += cells_pitch;
    }
};

// C columns of taps from `column` on, K rows of them.
template <class T, int N, int K, int C>
inline __attribute__((always_inline)) void add_columns(const DepthwiseGradientTile<T>& tile, Index column,
                                                       bool fills, NextRows<T> next_rows) {
    using V = Narrow<T, N>;
    constexpr int L = lanes<T>;
    T* sums = tile.sums + column * L;
    V sum[K][C], grad[K];
    FALTUNG_UNROLL for (int k = 0; k < K; ++k) FALTUNG_UNROLL for (int c = 0; c < C; ++c) sum[k][c] =
        load_narrow<T, N>(sums + k * tile.sums_pitch + c * L);
    const T* from[C];
    std::uint32_t mask[C];
    FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
        from[c] = tile.cells + tile.place[column + c];
        mask[c] = tile.lanes[column + c];
    }
    const Index begin = tile.begin, end = tile.end, rows = tile.rows, pitch = tile.pitch;
    // grad[k] is row i - k. Tap rows in [first, last) have one.
#define FALTUNG_ADD_CELLS(first, last)                                                              \
    if (fills || (i >= begin && i < end)) {                                                         \
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) {                                                \
            V x = i >= begin && i < end ? load_masked<T, N>(from[c] + i * pitch, mask[c]) : V{};    \
            keep_in_register(x);                                                                    \
            FALTUNG_UNROLL for (int k = 0; k < K; ++k) if (k >= (first) && k < (last)) sum[k][c] += \
                grad[k] * x;                                                                        \
        }                                                                                           \
    }
    auto pass = [&](V next) {
        FALTUNG_UNROLL for (int k = K - 1; k > 0; --k) grad[k] = grad[k - 1];
        grad[0] = next;
        next_rows.fetch();
    };
    FALTUNG_UNROLL for (int k = 0; k < K; ++k) grad[k] = V{};
    FALTUNG_UNROLL for (int i = 0; i < K - 1; ++i) {
        pass(load_grad<T, N>(tile, i));
        FALTUNG_ADD_CELLS(0, i + 1)
    }
    for (Index i = K - 1; i < rows; ++i) {
        pass(load_grad<T, N>(tile, i));
        FALTUNG_ADD_CELLS(0, K)
    }
    FALTUNG_UNROLL for (int after = 1; after < K; ++after) {
        const Index i = rows + after - 1;
        pass(V{});
        FALTUNG_ADD_CELLS(after, K)
    }
#undef FALTUNG_ADD_CELLS
    FALTUNG_UNROLL for (int k = 0; k < K; ++k) FALTUNG_UNROLL for (int c = 0; c < C; ++c)
        __builtin_memcpy(sums + k * tile.sums_pitch + c * L, &sum[k][c], sizeof(V));
}

// Whether some row of grad that meets cells outside is not finite.
template <class T, int N>
__attribute__((noinline)) bool meets_outside(const DepthwiseGradientTile<T>& tile) {
    Narrow<T, N> nothing{};
    for (Index row = 0; row < min_index(tile.begin, tile.rows); ++row)
        nothing += load_grad<T, N>(tile, row) * T(0);
    for (Index row = max_index(0, tile.end - tile.taps + 1); row < tile.rows; ++row)
        nothing += load_grad<T, N>(tile, row) * T(0);
    return has_nonzero(nothing);
}

template <class T, int N, int K>
__attribute__((noinline)) void compute_taps(const DepthwiseGradientTile<T>& tile) {
    constexpr int C = columns_for(K);
    bool fills = false;
    if (std::is_floating_point<T>::value && tile.zeros_count &&
        (tile.begin > 0 || tile.end < tile.rows + K - 1))
        fills = meets_outside<T, N>(tile);
    Index column = tile.first_column;
    const Index last = tile.last_column;
    // The first columns of taps fetch rows of grad, the second of cells; with the others they read what is
    // there.
    const NextRows<T> nothing_next{tile.grad, tile.grad, 0, 0};
    NextRows<T> next = nothing_next, later = nothing_next;
    if (tile.cells_ahead != 0) {
        next.grad = tile.grad + tile.grad_ahead;
        next.grad_pitch = tile.grad_pitch;
        NextRows<T>& fetches_cells = last - column > C ? later : next;
        fetches_cells.cells = tile.cells + tile.cells_ahead + tile.begin * tile.pitch + lanes<T> / 2;
        fetches_cells.cells_pitch = tile.pitch;
    }
    const auto next_rows = [&] {
        const NextRows<T> rows = next;
        next = later;
        later = nothing_next;
        return rows;
    };
    // 7 columns are 3, 2 and 2.
    for (; column + C <= last && (C == 1 || (last - column) % C == 0 || last - column > 2 * (C - 1));
         column += C)
        add_columns<T, N, K, C>(tile, column, fills, next_rows());
    if constexpr (C > 2)
        for (; column + 2 <= last; column += 2) add_columns<T, N, K, 2>(tile, column, fills, next_rows());
    if constexpr (C > 1)
        for (; column < last; ++column) add_columns<T, N, K, 1>(tile, column, fills, next_rows());
}

template <class T, int N>
void compute(const DepthwiseGradientTile<T>& tile) {
    switch (tile.taps) {
        case 1:
            return compute_taps<T, N, 1>(tile);
        case 2:
            return compute_taps<T, N, 2>(tile);
        case 3:
            return compute_taps<T, N, 3>(tile);
        case 4:
            return compute_taps<T, N, 4>(tile);
        case 5:
            return compute_taps<T, N, 5>(tile);
        default:
            return compute_taps<T, N, most_taps>(tile);
    }
}

int next_taps(Index remaining) {
    if (remaining <= 5 || remaining == most_taps) return static_cast<int>(remaining);
    if (remaining == 6) return 3;
    if (remaining <= most_taps + 3) return static_cast<int>(remaining + 1) / 2;  // 4 or 5, then the rest
    return most_taps;
}

// Sums of the lanes of L vectors at once, by halves: v[i] with v[i + L / 2], and so on.
template <class T>
void add_lanes(const T* sums, Index count, T* totals) {
    constexpr int L = lanes<T>;
    for (Index first = 0; first < count; first += L) {
        Vec<T> v[L];
        FALTUNG_UNROLL for (int i = 0; i < L; ++i) v[i] =
            first + i < count ? load(sums + (first + i) * L) : Vec<T>{};
        FALTUNG_UNROLL for (int half = L / 2; half > 0; half /= 2)
            FALTUNG_UNROLL for (int i = 0; i < half; ++i) v[i] =
                zip<T, 0>(v[i], v[i + half]) + zip<T, 1>(v[i], v[i + half]);
        if (count - first >= L) {
            store(totals + first, v[0]);
        } else {
            store_some(totals + first, v[0], count - first);
        }
    }
}

template <class T>
void copy_cells(const T* from, Index step, Index count, T* to) {
    if (step == 1) {
        __builtin_memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
        return;
    }
    Index i = 0;
    if (step == 2) {
        constexpr int L = lanes<T>;
        for (; i + L < count; i += L)  // the last vector would read past the last cell
            store(to + i, unzip<T, 0>(load(from + 2 * i), load(from + 2 * i + L)));
    }
    for (; i < count; ++i) to[i] = from[i * step];
}

}  // namespace

template <class T>
DepthwiseGradientKernel<T> depthwise_gradient_kernel() {
    DepthwiseGradientKernel<T> kernel;
    kernel.lanes = lanes<T>;
    kernel.narrow_lanes = has_masks ? lanes<T> / 2 : lanes<T>;
    kernel.masks = has_masks;
    kernel.compute = compute<T, lanes<T>>;
    kernel.compute_narrow = compute < T, has_masks ? lanes<T> / 2 : lanes < T >> ;
    kernel.next_taps = next_taps;
    kernel.add_lanes = add_lanes<T>;
    kernel.copy_cells = copy_cells<T>;
    return kernel;
}

template DepthwiseGradientKernel<float> depthwise_gradient_kernel();
template DepthwiseGradientKernel<double> depthwise_gradient_kernel();
template DepthwiseGradientKernel<std::uint64_t> depthwise_gradient_kernel();

}  // namespace faltung::FALTUNG_ISA
