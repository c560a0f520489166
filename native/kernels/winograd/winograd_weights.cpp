// The weights of one block of output channels, to their points.
#include "kernels/winograd/turned_taps.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

// From [tap][lane], taps `step` apart, to u[point][lane].
template <class T, int R, int C, int K>
inline void taps_to_points(const T* taps, Index step, T* u, Index u_pitch) {
    constexpr int NR = WinogradForm::points_for(R, K), NC = WinogradForm::points_for(C, K);
    constexpr int KR = WinogradForm::taps_for(R, K), KC = WinogradForm::taps_for(C, K);
    Vec<T> half[NR][KC];
    FALTUNG_UNROLL for (int j = 0; j < KC; ++j) {
        Vec<T> w[KR], points[NR];
        FALTUNG_UNROLL for (int i = 0; i < KR; ++i) w[i] = load(taps + (i * KC + j) * step);
        weight_to_points<T, KR, NR>(w, points);
        FALTUNG_UNROLL for (int i = 0; i < NR; ++i) half[i][j] = points[i];
    }
    FALTUNG_UNROLL for (int i = 0; i < NR; ++i) {
        Vec<T> points[NC];
        weight_to_points<T, KC, NC>(half[i], points);
        FALTUNG_UNROLL for (int j = 0; j < NC; ++j) store(u + (i * NC + j) * u_pitch, points[j]);
    }
}

template <class T, int R, int C, int K>
void transform_weight(const WinogradWeight<T>& b) {
    constexpr int KR = WinogradForm::taps_for(R, K), KC = WinogradForm::taps_for(C, K), taps = KR * KC;
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
                taps_to_points<T, R, C, K>(at.first + t * taps * L, at.step, u, b.u_pitch);
        }
    }
}

}  // namespace

template <class T>
void (*winograd_weight_transform(WinogradForm form))(const WinogradWeight<T>&) {
    return for_form(form, [](auto rows, auto columns, auto taps) {
        return transform_weight<T, decltype(rows)::value, decltype(columns)::value, decltype(taps)::value>;
    });
}

template void (*winograd_weight_transform(WinogradForm))(const WinogradWeight<float>&);
template void (*winograd_weight_transform(WinogradForm))(const WinogradWeight<double>&);

}  // namespace faltung::FALTUNG_ISA
