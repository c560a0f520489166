// The kernels of spectral correlation: lines into the lanes and back, spectra of two lines apart and
// together, products summed over the rows of the kernel.
#include "core/transpose.h"
#include "kernels/spectral/fourier.h"
#include "kernels/spectral/spectral_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

template <class T>
void fill_zeros(T* z, Index first, Index end) {
    for (Index n = first; n < end; ++n) store(z + n * 2 * lanes<T>, Vec<T>{});
}

// One vector of lines into one part of z.
template <class T>
void gather(const T* const* line, Index ahead, Index front, Index length, Index size, T* z) {
    constexpr int L = lanes<T>;
    fill_zeros(z, 0, front);
    T* to = z + front * 2 * L;
    Index column = 0;
    for (; column + L <= length; column += L) {
        Vec<T> v[L];
        FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) v[lane] = load(line[lane] + column);
        FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) __builtin_prefetch(line[lane] + column + ahead);
        transpose_square<T>(v);
        FALTUNG_UNROLL for (int i = 0; i < L; ++i) store(to + (column + i) * 2 * L, v[i]);
    }
    if (column < length) {
        const Index rest = length - column;
        Vec<T> v[L];
        FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) v[lane] = load_some(line[lane] + column, rest);
        transpose_square<T>(v);
        // Zeros follow in the vectors as they follow the line.
        const Index room = min_index(L, size - front - column);
        for (Index i = 0; i < room; ++i) {
            const Vec<T> cell = v[i];
            store(to + (column + i) * 2 * L, cell);
        }
        column += room;
    }
    fill_zeros(z, front + column, size);
}

template <class T>
void gather_lines(const FourierPlan<T>& plan, const SpectralLines<T>& lines, T* z) {
    gather<T>(lines.line[0], lines.ahead, lines.front[0], lines.length[0], plan.size, z);
    if (lines.count > 1) {
        gather<T>(lines.line[1], lines.ahead, lines.front[1], lines.length[1], plan.size, z + lanes<T>);
    } else {
        fill_zeros(z + lanes<T>, 0, plan.size);
    }
}

template <class T>
void analyse(const FourierPlan<T>& plan, const SpectralLines<T>& lines, T* z, const Spectra<T>& to,
             T scale_re, T scale_im) {
    constexpr int L = lanes<T>;
    gather_lines(plan, lines, z);
    transform_forward(plan, 0, z);
    T *a = to.vector[0], *b = to.vector[1];
    for (Index f = 0; f < plan.bins; ++f, a += to.bin_pitch, b += to.bin_pitch) {
        const T *here = z + plan.place[f] * 2 * L, *mirrored = z + plan.mirror[f] * 2 * L;
        const Vec<T> re = load(here), im = load(here + L);
        const Vec<T> mirrored_re = load(mirrored), mirrored_im = load(mirrored + L);
        store(a, scale_re * (re + mirrored_re));
        store(a + to.part, scale_im * (im - mirrored_im));
        if (lines.count == 1) continue;
        store(b, scale_re * (im + mirrored_im));
        store(b + to.part, scale_im * (mirrored_re - re));
    }
}

// The lines are stored long after; those of the cache to hold them can arrive meanwhile.
template <class T>
void fetch_outputs(const SpectralOutputs<T>& out) {
    if (out.column_stride != 1) return;
    constexpr Index cache_line = 64 / sizeof(T);
    for (int which = 0; which < out.count; ++which)
        for (int lane = 0; lane < lanes<T>; ++lane)
            for (Index column = 0; column < out.length[which][lane]; column += cache_line)
                __builtin_prefetch(out.line[which][lane] + column, 1);
}

template <class T>
void scatter(const FourierPlan<T>& plan, const T* z, int which, const SpectralOutputs<T>& out) {
    constexpr int L = lanes<T>;
    Index longest = 0;
    for (int lane = 0; lane < L; ++lane) longest = max_index(longest, out.length[which][lane]);
    const Vec<T> bias = load(out.bias);
    z += which * L;
    for (Index column = 0; column < longest; column += L) {
        Vec<T> v[L];
        FALTUNG_UNROLL for (int i = 0; i < L; ++i) {
            const Index n = min_index(column + i, plan.size - 1);  // past it nothing is used
            v[i] = load(z + n * 2 * L) + bias;
        }
        transpose_square<T>(v);
        T rows[L][L] __attribute__((aligned(64)));
        bool is_whole = out.column_stride == 1;
        for (int lane = 0; lane < L; ++lane) is_whole &= out.length[which][lane] >= column + L;
        if (is_whole) {
            if (out.resumes) {
                FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) v[lane] +=
                    load(out.line[which][lane] + column);
            }
            FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane)
                store(out.line[which][lane] + column, v[lane]);
            continue;
        }
        FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) store(rows[lane], v[lane]);
        for (int lane = 0; lane < L; ++lane) {
            const Index count = min_index(L, out.length[which][lane] - column);
            if (count <= 0) continue;
            T* to = out.line[which][lane] + column * out.column_stride;
            Vec<T> row = load(rows[lane]);
            if (out.column_stride == 1) {
                if (out.resumes) row += load_some(to, count);
                if (count == L) {
                    store(to, row);
                } else {
                    store_some(to, row, count);
                }
                continue;
            }
            for (Index i = 0; i < count; ++i)
                to[i * out.column_stride] =
                    out.resumes ? to[i * out.column_stride] + rows[lane][i] : rows[lane][i];
        }
    }
}

template <class T>
void scatter_outputs(const FourierPlan<T>& plan, T* z, const SpectralOutputs<T>& out) {
    transform_back(plan, 0, z);
    for (int which = 0; which < out.count; ++which) scatter<T>(plan, z, which, out);
}

template <class T>
void synthesise(const FourierPlan<T>& plan, const Spectra<T>& from, T* z, const SpectralOutputs<T>& out) {
    constexpr int L = lanes<T>;
    const T *a = from.vector[0], *b = from.vector[1];
    const bool is_pair = out.count > 1;
    fetch_outputs(out);
    for (Index f = 0; f < plan.bins; ++f, a += from.bin_pitch, b += from.bin_pitch) {
        const Vec<T> a_re = load(a), a_im = load(a + from.part);
        const Vec<T> b_re = is_pair ? load(b) : Vec<T>{}, b_im = is_pair ? load(b + from.part) : Vec<T>{};
        T *here = z + plan.place[f] * 2 * L, *mirrored = z + plan.mirror[f] * 2 * L;
        store(mirrored, a_re + b_im);
        store(mirrored + L, b_re - a_im);
        store(here, a_re - b_im);
        store(here + L, a_im + b_re);
    }
    scatter_outputs(plan, z, out);
}

template <class T, bool Shared>
inline Vec<T> weight_at(const T* w) {
    if constexpr (Shared) {
        return broadcast(*w);
    } else {
        return load(w);
    }
}

template <class T, bool Shared>
void multiply_in_place(const FourierPlan<T>& plan, T* z, const T* w, Index w_bin, Index w_part) {
    constexpr int L = lanes<T>;
    for (Index f = 0; f < plan.bins; ++f, w += w_bin) {
        const Vec<T> w_re = weight_at<T, Shared>(w), w_im = weight_at<T, Shared>(w + w_part);
        T *here = z + plan.place[f] * 2 * L, *mirrored = z + plan.mirror[f] * 2 * L;
        const Vec<T> re = load(here), im = load(here + L);
        const Vec<T> mirrored_re = load(mirrored), mirrored_im = load(mirrored + L);
        store(mirrored, mirrored_re * w_re + mirrored_im * w_im);
        store(mirrored + L, mirrored_im * w_re - mirrored_re * w_im);
        store(here, re * w_re - im * w_im);
        store(here + L, im * w_re + re * w_im);
    }
}

template <class T>
void filter(const FourierPlan<T>& plan, const SpectralLines<T>& lines, T* z, const T* w, Index w_bin,
            Index w_part, bool is_shared, const SpectralOutputs<T>& out) {
    gather_lines(plan, lines, z);
    fetch_outputs(out);
    transform_forward(plan, 0, z);
    (is_shared ? multiply_in_place<T, true> : multiply_in_place<T, false>)(plan, z, w, w_bin, w_part);
    scatter_outputs(plan, z, out);
}

template <class T>
void measure(const T* row, Index cells, Index run, T* energy, T* peak) {
    constexpr int L = lanes<T>;
    for (Index first = 0; first < cells; first += run) {
        const Index end = min_index(first + run, cells);
        Vec<T> sum[2] = {}, largest[2] = {};
        auto add = [&](Vec<T> cell, int chain) {
            sum[chain] += cell * cell;
            const Vec<T> magnitude = cell < 0 ? -cell : cell;
            largest[chain] = magnitude > largest[chain] ? magnitude : largest[chain];
        };
        Index at = first;
        for (; at + 2 * L <= end; at += 2 * L) {
            add(load(row + at), 0);
            add(load(row + at + L), 1);
        }
        for (; at < end; at += L) add(at + L <= end ? load(row + at) : load_some(row + at, end - at), 0);
        T sums[L], peaks[L];
        store(sums, sum[0] + sum[1]);
        store(peaks, largest[0] > largest[1] ? largest[0] : largest[1]);
        T total = 0, most = 0;
        for (int lane = 0; lane < L; ++lane) {
            total += sums[lane];
            most = peaks[lane] > most ? peaks[lane] : most;
        }
        *energy++ = total;
        *peak++ = most;
    }
}

#if FALTUNG_VECTOR_BYTES == 64
constexpr int row_tile = 8;  // 16 sums, of 32 registers
#else
constexpr int row_tile = 4;
#endif

// Kept in a register: read twice from memory where it lies across two cache lines, it would cost four reads.
template <class T>
inline Vec<T> load_once(const T* from) {
    Vec<T> v = load(from);
#if defined(__x86_64__)
    asm("" : "+v"(v));
#endif
    return v;
}

// V vectors of rows at one frequency.
template <class T, bool Shared, int V>
void product_tile(const SpectralProduct<T>& p, const T* x, const T* w, T* y, Index first, Index last) {
    constexpr Index apart = Shared ? lanes<T> : 2 * lanes<T>;  // vectors of rows
    const Index x_part = Shared ? p.x_part : lanes<T>, w_part = Shared ? p.w_part : lanes<T>;
    const Index y_part = Shared ? p.y_part : lanes<T>, x_tap = p.x_tap, w_tap = p.w_tap;
    Vec<T> re[V], im[V];
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) re[v] = im[v] = Vec<T>{};
    x += first * x_tap;
    w += first * w_tap;
    const T* xi = x + x_part;
    for (Index tap = first; tap < last; ++tap, x += x_tap, xi += x_tap, w += w_tap) {
        const Vec<T> w_re = weight_at<T, Shared>(w), w_im = weight_at<T, Shared>(w + w_part);
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            const Vec<T> x_re = load_once(x + v * apart), x_im = load_once(xi + v * apart);
            re[v] += x_re * w_re;
            im[v] += x_im * w_re;
            re[v] -= x_im * w_im;
            im[v] += x_re * w_im;
        }
    }
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
        store(y + v * apart, re[v]);
        store(y + v * apart + y_part, im[v]);
    }
}

template <class T>
using ProductTile = void (*)(const SpectralProduct<T>&, const T*, const T*, T*, Index, Index);

template <class T, bool Shared, int... V>
void multiply_rows(const SpectralProduct<T>& p, std::integer_sequence<int, V...>) {
    static constexpr ProductTile<T> tiles[] = {product_tile<T, Shared, V + 1>...};
    for (Index f = 0; f < p.bins; ++f) {
        const T *x = p.x + f * p.x_bin, *w = p.w + f * p.w_bin;
        T* y = p.y + f * p.y_bin;
        for (Index vector = 0, tile = 0; vector < p.vectors; vector += row_tile, ++tile)
            tiles[min_index(row_tile, p.vectors - vector) - 1](
                p, x + vector * p.x_vector, w, y + vector * p.y_vector, p.first_tap[tile], p.last_tap[tile]);
    }
}

template <class T>
void multiply(const SpectralProduct<T>& p, bool is_shared) {
    const auto sizes = std::make_integer_sequence<int, row_tile>();
    is_shared ? multiply_rows<T, true>(p, sizes) : multiply_rows<T, false>(p, sizes);
}

}  // namespace

template <class T>
SpectralKernel<T> spectral_kernel() {
    static_assert(lanes<T> <= SpectralLines<T>::most_lanes);
    SpectralKernel<T> kernel;
    kernel.lanes = lanes<T>;
    kernel.row_tile = row_tile;
    kernel.analyse = analyse<T>;
    kernel.multiply = multiply<T>;
    kernel.synthesise = synthesise<T>;
    kernel.measure = measure<T>;
    kernel.filter = filter<T>;
    return kernel;
}

template SpectralKernel<float> spectral_kernel();
template SpectralKernel<double> spectral_kernel();

}  // namespace faltung::FALTUNG_ISA
