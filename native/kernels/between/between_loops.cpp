// Windows: first the rows of a window, then its columns. Cells of a row are stored by their remainder modulo
// the stride, so that a tap of neighbouring windows reads neighbouring cells.
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/vec.h"
#include "kernels/between/between.h"

namespace faltung::FALTUNG_ISA {

namespace {

// NaN stays, whichever comes first.
template <class T>
T larger(T a, T b) {
    return (b > a) | (b != b) ? b : a;
}

// Cells of one remainder, with the padding.
Index line_cells(Index width, const PoolWindow& window) {
    return (width + 2 * window.kernel[1]) / window.stride[1] + 1;
}

template <class T>
Index scratch_cells(Index width, const PoolWindow& window) {
    return width + line_cells(width, window) * window.stride[1] + 4 * lanes<T>;
}

template <class T>
void max_row(T* to, const T* from, Index step, Index count) {
    constexpr Index width = lanes<T>;
    Index i = 0;
    if (step == 1)
        for (; i + width <= count; i += width) store(to + i, larger<Vec<T>>(load(to + i), load(from + i)));
    for (; i < count; ++i) to[i] = larger(to[i], from[i * step]);
}

// cells[r][q] = row[q * stride + r - before].
template <class T>
void split_row(const T* row, Index width, T* cells, Index line, const PoolWindow& window) {
    const Index stride = window.stride[1], before = window.before[1];
    const T nothing = -std::numeric_limits<T>::infinity();
    for (Index i = 0; i < line * stride; ++i) cells[i] = nothing;
    if (stride == 1) {
        __builtin_memcpy(cells + before, row, static_cast<std::size_t>(width) * sizeof(T));
        return;
    }
    Index i = 0;
    if (stride == 2) {
        T* const first = cells + before % 2 * line + before / 2;
        T* const second = cells + (before + 1) % 2 * line + (before + 1) / 2;
        for (; i + 2 * lanes<T> <= width; i += 2 * lanes<T>) {
            const Vec<T> a = load(row + i), b = load(row + i + lanes<T>);
            store(first + i / 2, unzip<T, 0>(a, b));
            store(second + i / 2, unzip<T, 1>(a, b));
        }
    }
    for (; i < width; ++i) cells[(i + before) % stride * line + (i + before) / stride] = row[i];
}

template <class T>
void pool_rows(const void* x, const Index* size, const Index* x_stride, void* y, Index width,
               const Index* y_stride, const PoolWindow& window, Index first, Index last, void* scratch) {
    T* const row = static_cast<T*>(scratch);
    T* const cells = row + size[1] + lanes<T>;
    const Index line = line_cells(size[1], window), stride = window.stride[1];
    for (Index o = first; o < last; ++o) {
        const Index begin = o * window.stride[0] - window.before[0];
        Index i = max_index(begin, 0);
        const Index end = min_index(begin + window.kernel[0], size[0]);
        const T* from = static_cast<const T*>(x) + i * x_stride[0];
        for (Index c = 0; c < size[1]; ++c) row[c] = from[c * x_stride[1]];
        for (++i; i < end; ++i) max_row(row, from += x_stride[0], x_stride[1], size[1]);
        split_row(row, size[1], cells, line, window);
        T* const to = static_cast<T*>(y) + o * y_stride[0];
        for (Index c = 0; c < width; c += lanes<T>) {
            Vec<T> v = load(cells + c);
            for (Index k = 1; k < window.kernel[1]; ++k)
                v = larger<Vec<T>>(v, load(cells + k % stride * line + k / stride + c));
            const Index some = min_index(width - c, Index(lanes<T>));
            if (y_stride[1] == 1) {
                store_some(to + c, v, some);
            } else {
                for (Index lane = 0; lane < some; ++lane) to[(c + lane) * y_stride[1]] = v[lane];
            }
        }
    }
}

template <class T>
constexpr Index normalised_lanes = 4;

template <class T>
constexpr Index block = normalised_lanes<T> * lanes<T>;

// How many of `count` cells are in vector j.
template <class T>
Index cells_in(Index j, Index count) {
    return max_index(0, min_index(lanes<T>, count - j * lanes<T>));
}

template <class T>
void load_line(Vec<T>* v, const T* from, Index step, Index count) {
    if (step == 1) {
        for (Index j = 0; j < normalised_lanes<T>; ++j)
            v[j] = count == block<T> ? load(from + j * lanes<T>)
                                     : load_some(from + j * lanes<T>, cells_in<T>(j, count));
        return;
    }
    T cells[block<T>] = {};
    for (Index i = 0; i < count; ++i) cells[i] = from[i * step];
    for (Index j = 0; j < normalised_lanes<T>; ++j) v[j] = load(cells + j * lanes<T>);
}

template <class T>
void store_line(T* to, Index step, const Vec<T>* v, Index count) {
    if (step == 1) {
        for (Index j = 0; j < normalised_lanes<T>; ++j)
            if (count == block<T>)
                store(to + j * lanes<T>, v[j]);
            else
                store_some(to + j * lanes<T>, v[j], cells_in<T>(j, count));
        return;
    }
    T cells[block<T>];
    for (Index j = 0; j < normalised_lanes<T>; ++j) store(cells + j * lanes<T>, v[j]);
    for (Index i = 0; i < count; ++i) to[i * step] = cells[i];
}

template <class T>
void normalise(const void* x, Index x_channel, Index x_step, void* y, Index y_channel, Index y_step,
               Index channels, Index count, const void* weight, const void* bias, double epsilon) {
    constexpr Index n = normalised_lanes<T>;
    const T* const from = static_cast<const T*>(x);
    const T* const w = static_cast<const T*>(weight);
    const T* const b = static_cast<const T*>(bias);
    Vec<T> mean[n] = {}, square[n] = {}, v[n], factor[n];
    for (Index c = 0; c < channels; ++c) {
        load_line(v, from + c * x_channel, x_step, count);
        for (Index j = 0; j < n; ++j) mean[j] += v[j];
    }
    for (Index j = 0; j < n; ++j) mean[j] = mean[j] / T(channels);
    for (Index c = 0; c < channels; ++c) {
        load_line(v, from + c * x_channel, x_step, count);
        for (Index j = 0; j < n; ++j) square[j] += (v[j] - mean[j]) * (v[j] - mean[j]);
    }
    for (Index j = 0; j < n; ++j)
        for (Index lane = 0; lane < lanes<T>; ++lane)
            factor[j][lane] = T(1) / std::sqrt(square[j][lane] / T(channels) + T(epsilon));
    for (Index c = 0; c < channels; ++c) {
        load_line(v, from + c * x_channel, x_step, count);
        const T scale = w ? w[c] : T(1), shift = b ? b[c] : T(0);
        for (Index j = 0; j < n; ++j) v[j] = (v[j] - mean[j]) * factor[j] * scale + shift;
        store_line(static_cast<T*>(y) + c * y_channel, y_step, v, count);
    }
}

}  // namespace

PoolLoops pool_loops_for(Type type) {
    if (type == Type::float32) return {scratch_cells<float>, pool_rows<float>};
    return {scratch_cells<double>, pool_rows<double>};
}

NormaliseLoop normalise_loop_for(Type type) {
    if (type == Type::float32) return {block<float>, normalise<float>};
    return {block<double>, normalise<double>};
}

}  // namespace faltung::FALTUNG_ISA
