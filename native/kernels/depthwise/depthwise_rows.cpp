// Input rows copied into scratch rows, padding in place, columns apart by their phase modulo the stride.
#include "core/vec.h"
#include "kernels/depthwise/depthwise_tile.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Whether `load_some` is one instruction.
constexpr bool has_masks = FALTUNG_VECTOR_BYTES == 64;

// `to` is the start of a vector's worth of scratch memory or lies inside it; a whole number of vectors from
// there on may be written, in ascending order of runs and rows.
template <class T>
inline void fill_zeros(T* to, Index count) {
    for (Index i = 0; i < count; i += lanes<T>) store(to + i, Vec<T>{});
}

// May write up to a vector behind the last cell.
template <class T>
inline void copy_cells(const T* from, Index step, Index count, T* to) {
    constexpr Index L = lanes<T>;
    Index i = 0;
    if (step == 1) {
        for (; i + L <= count; i += L) store(to + i, load(from + i));
        if (i == count) return;
        if (has_masks) {
            store(to + i, load_some(from + i, count - i));
        } else if (count >= L) {
            store(to + count - L, load(from + count - L));
        } else {
            for (; i < count; ++i) to[i] = from[i];
        }
    } else if (step == 2) {
        for (; i + L < count; i += L) store(to + i, unzip<T, 0>(load(from + 2 * i), load(from + 2 * i + L)));
        if (has_masks && i < count) {
            const Index rest = 2 * (count - i) - 1;
            const Vec<T> first = load_some(from + 2 * i, min_index(rest, L));
            const Vec<T> second = rest > L ? load_some(from + 2 * i + L, rest - L) : Vec<T>{};
            store(to + i, unzip<T, 0>(first, second));
            return;
        }
        for (; i < count; ++i) to[i] = from[2 * i];
    } else {
        for (; i < count; ++i) to[i] = from[step * i];
    }
}

template <class T>
inline void copy_run(const DepthwiseCopy<T>& copy, const DepthwiseRun& run, const T* row, T* cells) {
    T* to = cells + run.start;
    const Index length = run.length, begin = run.begin, end = run.end;
    if (copy.wraps) {
        copy_cells(row + run.source, copy.step, end - begin, to + begin);
        const Index* border = run.border;
        for (Index i = 0; i < begin; ++i) to[i] = row[*border++];
        for (Index i = end; i < length; ++i) to[i] = row[*border++];
        return;
    }
    fill_zeros(to, begin);
    if (end > begin) copy_cells(row + run.source, copy.step, end - begin, to + begin);
    fill_zeros(to + end, length - end);
}

}  // namespace

template <class T>
void copy_depthwise_rows(const DepthwiseCopy<T>& copy) {
    T* cells = copy.cells;
    for (Index i = 0; i < copy.rows; ++i, cells += copy.row_pitch) {
        if (copy.row[i] == depthwise_absent) {
            if (copy.keeps_zeros) fill_zeros(cells, copy.row_pitch);
            continue;
        }
        const T* row = copy.x + copy.row[i];
        for (Index r = 0; r < copy.run_count; ++r) copy_run(copy, copy.runs[r], row, cells);
    }
}

template void copy_depthwise_rows(const DepthwiseCopy<float>&);
template void copy_depthwise_rows(const DepthwiseCopy<double>&);
template void copy_depthwise_rows(const DepthwiseCopy<std::uint64_t>&);

}  // namespace faltung::FALTUNG_ISA
