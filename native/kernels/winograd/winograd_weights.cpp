// The weights of one block of output channels, to their points.
#include "kernels/winograd/turned_taps.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

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
    alignas(64) T turned[turned_numbers<T>(taps)];
    for (Index oc = 0; oc < b.channel_block; oc += L) {
        const Index count = max_index(0, min_index(L, b.channels - oc));
        const T* from = b.weight + oc * b.channel_stride;
        T* u = b.u + oc;
        for (Index term = 0; term < b.terms;
             term += terms_turned_at_once, from += terms_turned_at_once * b.term_stride) {
            const Index some = min_index(terms_turned_at_once, b.terms - term);
            const TurnedTaps<T> at = turn_taps(b, from, count, some, KR, KC, turned);
            for (Index t = 0; t < some; ++t, u += b.channel_block)
                taps_to_points<T, R, C>(at.first + t * taps * L, at.step, u, b.u_pitch);
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
