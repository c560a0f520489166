// Sums of up to four phases of a stride: each vector of cells is loaded once for all of them.
#include "kernels/planes/plane_phases_tile.h"

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_vectors = 4;  // 16 sums of 32 registers
#else
constexpr int most_vectors = 2;
#endif

template <class T, int M, int V>
void sum_tile(const PlaneSums<T>& b, Index first) {
    constexpr int L = lanes<T>;
    T* const sums = b.sums + first * L;
    Vec<T> sum[M][V];
    const Vec<T> start = b.bias ? broadcast(*b.bias) : Vec<T>{};
    FALTUNG_UNROLL for (int m = 0; m < M; ++m) FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[m][v] = start;
    if (b.resumes)
        FALTUNG_UNROLL for (int m = 0; m < M; ++m) FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[m][v] +=
            load(sums + m * b.sum_pitch + v * L);
    const T* weight = b.weight;
    const T* cells = b.cells + first * L;
    for (Index channel = 0; channel < b.channels; ++channel, cells += b.cell_pitch)
        for (const PlaneStep* step = b.steps; step != b.steps_end; ++step) {
            const T* from = cells + step->shift;
            Vec<T> x[V];
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) x[v] = load(from + v * L);
            FALTUNG_UNROLL for (int m = 0; m < M; ++m) if (step->members >> m & 1) {
                const Vec<T> w = broadcast(*weight++);
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[m][v] += w * x[v];
            }
        }
    FALTUNG_UNROLL for (int m = 0; m < M; ++m) FALTUNG_UNROLL for (int v = 0; v < V; ++v)
        store(sums + m * b.sum_pitch + v * L, sum[m][v]);
}

template <class T, int M>
void sum_members(const PlaneSums<T>& b) {
    Index first = 0;
    for (; first + most_vectors <= b.vectors; first += most_vectors) sum_tile<T, M, most_vectors>(b, first);
    switch (b.vectors - first) {
        case 1:
            return sum_tile<T, M, 1>(b, first);
#if FALTUNG_VECTOR_BYTES == 64
        case 2:
            return sum_tile<T, M, 2>(b, first);
        case 3:
            return sum_tile<T, M, 3>(b, first);
#endif
        default:
            return;
    }
}

template <class T>
void sum(const PlaneSums<T>& b) {
    switch (b.members) {
        case 1:
            return sum_members<T, 1>(b);
        case 2:
            return sum_members<T, 2>(b);
        default:
            return sum_members<T, 4>(b);
    }
}

}  // namespace

template <class T>
PlaneKernel<T> plane_kernel() {
    return {lanes<T>, sum<T>};
}

template PlaneKernel<float> plane_kernel();
template PlaneKernel<double> plane_kernel();
template PlaneKernel<std::uint64_t> plane_kernel();

}  // namespace faltung::FALTUNG_ISA
