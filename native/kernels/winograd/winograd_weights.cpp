// The weights of one block of output channels, to their points. In memory a channel's taps lie together, term
// after term, and the products want channels together: vectors of taps, one a channel, are turned into
// vectors of channels, one a tap, some terms at a time; from there to the points takes sums alone.
#include "core/transpose.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

// [number][lane] from `count` channels of `numbers` contiguous numbers each; other lanes are zero.
template <class T>
void turn_channels(const T* from, Index channel_stride, Index count, Index numbers, T* to) {
    constexpr int L = lanes<T>;
    for (Index first = 0; first < numbers; first += L, from += L, to += L * L) {
        const Index some = min_index(L, numbers - first);
        Vec<T> v[L];
        if (some == L && count == L) {
            FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) v[lane] = load(from + lane * channel_stride);
        } else {
            FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) v[lane] =
                lane < count ? load_some(from + lane * channel_stride, some) : Vec<T>{};
        }
        transpose_square<T>(v);
        FALTUNG_UNROLL for (int i = 0; i < L; ++i) store(to + i * L, v[i]);
    }
}

// Likewise [term][tap][lane] from taps of any strides.
template <class T, int KR, int KC>
void take_channels(const WinogradWeight<T>& b, const T* from, Index count, Index terms, T* to) {
    constexpr int L = lanes<T>;
    for (Index term = 0; term < terms; ++term, from += b.term_stride)
        for (int i = 0; i < KR; ++i)
            for (int j = 0; j < KC; ++j, to += L) {
                const T* tap = from + i * b.row_stride + j * b.column_stride;
                Vec<T> v{};
                for (int lane = 0; lane < count; ++lane) v[lane] = tap[lane * b.channel_stride];
                store(to, v);
            }
}

// From [tap][lane], taps `step` apart, to u[point][lane].
template <class T, int R, int C>
inline void taps_to_points(const T* taps, Index step, T* u, Index u_pitch) {
    constexpr int NR = WinogradForm::points_for(R), NC = WinogradForm::points_for(C);
    constexpr int KR = WinogradForm::taps_for(R), KC = WinogradForm::taps_for(C);
    Vec<T> half[NR][KC];
    FALTUNG_UNROLL for (int j = 0; j < KC; ++j) {
        Vec<T> w[KR], points[NR];
        FALTUNG_UNROLL for (int i = 0; i < KR; ++i) w[i] = load(taps + (i * KC + j) * step);
        weight_to_points<T, R>(w, points);
        FALTUNG_UNROLL for (int i = 0; i < NR; ++i) half[i][j] = points[i];
    }
    FALTUNG_UNROLL for (int i = 0; i < NR; ++i) {
        Vec<T> points[NC];
        weight_to_points<T, C>(half[i], points);
        FALTUNG_UNROLL for (int j = 0; j < NC; ++j) store(u + (i * NC + j) * u_pitch, points[j]);
    }
}

template <class T, int R, int C>
void transform_weight(const WinogradWeight<T>& b) {
    constexpr int KR = WinogradForm::taps_for(R), KC = WinogradForm::taps_for(C), taps = KR * KC;
    constexpr int L = lanes<T>;
    constexpr Index terms_at_once = 16;
    alignas(64) T turned[(terms_at_once * taps + L) * L];
    const bool is_forward = (KR == 1 || b.row_stride == KC) && (KC == 1 || b.column_stride == 1);
    const bool is_backward = (KR == 1 || b.row_stride == -KC) && (KC == 1 || b.column_stride == -1);
    const bool is_run = is_forward && b.term_stride == taps;
    for (Index oc = 0; oc < b.channel_block; oc += L) {
        const Index count = max_index(0, min_index(L, b.channels - oc));
        const T* from = b.weight + oc * b.channel_stride;
        T* u = b.u + oc;
        for (Index term = 0; term < b.terms; term += terms_at_once, from += terms_at_once * b.term_stride) {
            const Index some = min_index(terms_at_once, b.terms - term);
            const bool is_reversed = !is_forward && is_backward;
            if (is_run) {
                turn_channels(from, b.channel_stride, count, some * taps, turned);
            } else if (is_forward || is_backward) {
                for (Index t = 0; t < some; ++t)
                    turn_channels(from + t * b.term_stride - (is_reversed ? taps - 1 : 0), b.channel_stride,
                                  count, taps, turned + t * taps * L);
            } else {
                take_channels<T, KR, KC>(b, from, count, some, turned);
            }
            const T* first = turned + (is_reversed ? (taps - 1) * L : 0);
            for (Index t = 0; t < some; ++t, u += b.channel_block)
                taps_to_points<T, R, C>(first + t * taps * L, is_reversed ? -L : L, u, b.u_pitch);
        }
    }
}

}  // namespace

template <class T>
void (*winograd_weight_transform(WinogradForm form))(const WinogradWeight<T>&) {
    if (form.rows == 4 && form.columns == 4) return transform_weight<T, 4, 4>;
    if (form.rows == 2 && form.columns == 2) return transform_weight<T, 2, 2>;
    if (form.rows == 4) return transform_weight<T, 4, 1>;
    return transform_weight<T, 1, 4>;
}

template void (*winograd_weight_transform(WinogradForm))(const WinogradWeight<float>&);
template void (*winograd_weight_transform(WinogradForm))(const WinogradWeight<double>&);

}  // namespace faltung::FALTUNG_ISA
