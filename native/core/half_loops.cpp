// Conversions between 16 and 32 bits, a vector of float32 at a time. Float16 by the bits of its fields where
// the instruction set has no conversion: F. Giesen, "Float to half conversion", public domain.
#include "core/half.h"
#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int width = lanes<float>;
typedef std::uint32_t Words __attribute__((vector_size(FALTUNG_VECTOR_BYTES)));
typedef Half Halves __attribute__((vector_size(FALTUNG_VECTOR_BYTES / 2)));

constexpr std::uint32_t float_infinity = 0x7f800000, float_magnitude = 0x7fffffff;

Words widened(Halves halves) {
    return __builtin_convertvector(halves, Words);
}

struct Bfloat16 {
    static constexpr Half infinity = 0x7f80, least_normal = 0x0080;

    static Vec<float> widen(Halves halves) { return (Vec<float>)(widened(halves) << 16); }

    static Halves narrow(Vec<float> values) {
        const Words bits = (Words)values, upper = bits >> 16;
        const Words rounded = (bits + 0x7fff + (upper & 1)) >> 16;
        const Words is_nan = (Words)((bits & float_magnitude) > float_infinity);
        return __builtin_convertvector((is_nan & (upper | 0x40)) | (~is_nan & rounded), Halves);
    }

    static Half of(float largest) {  // rounded down
        std::uint32_t bits;
        __builtin_memcpy(&bits, &largest, sizeof bits);
        return static_cast<Half>(bits >> 16);
    }
};

struct Float16 {
    static constexpr Half infinity = 0x7c00, least_normal = 0x0400;

#if defined(__AVX512F__)
    static Vec<float> widen(Halves halves) { return (Vec<float>)_mm512_cvtph_ps((__m256i)halves); }

    static Halves narrow(Vec<float> values) {
        return (Halves)_mm512_cvtps_ph((__m512)values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
#else
    static Vec<float> widen(Halves halves) {
        const Words bits = widened(halves), magnitude = bits & 0x7fff;
        const Words is_special = (Words)(magnitude >= infinity), is_nan = (Words)(magnitude > infinity);
        // The exponent's bias is put right by a product, which makes normal numbers of denormal ones.
        const Words scaled = (Words)((Vec<float>)(magnitude << 13) * 0x1p112f);
        const Words special = float_infinity | (magnitude << 13) | (is_nan & 0x400000);
        return (Vec<float>)((is_special & special) | (~is_special & scaled) | (bits & 0x8000) << 16);
    }

    static Halves narrow(Vec<float> values) {
        const Words bits = (Words)values, magnitude = bits & float_magnitude;
        const Words is_nan = (Words)(magnitude > float_infinity);
        const Words is_large = (Words)(magnitude >= 0x477ff000);  // 65520 and more
        const Words is_small = (Words)(magnitude < 0x38800000);   // 2**-14
        const Words large = 0x7c00 | (is_nan & (0x200 | ((magnitude >> 13) & 0x3ff)));
        // The last bit of 1/2 is the last one of a denormal: the sum rounds where it has to.
        const Words small = (Words)((Vec<float>)magnitude + 0.5f) - 0x3f000000;
        const Words normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
        const Words result =
            (is_large & large) | (~is_large & is_small & small) | (~is_large & ~is_small & normal);
        return __builtin_convertvector(result | (bits >> 16 & 0x8000), Halves);
    }
#endif

    static Half of(float) { return infinity - 1; }  // all of them are moderate
};

// The first `count` cells, zeros behind them.
template <class T, class V>
V some(const T* from, Index count) {
#if defined(__AVX512F__)
    const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
    if constexpr (sizeof(T) == 4)
        return (V)_mm512_maskz_loadu_ps(mask, from);
    else
        return (V)_mm256_maskz_loadu_epi16(mask, from);
#else
    T cells[width] = {};
    for (Index lane = 0; lane < count; ++lane) cells[lane] = from[lane];
    V v;
    __builtin_memcpy(&v, cells, sizeof v);
    return v;
#endif
}

template <class T, class V>
void store_first(T* to, V v, Index count) {
#if defined(__AVX512F__)
    const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(to, mask, (__m512)v);
    else
        _mm256_mask_storeu_epi16(to, mask, (__m256i)v);
#else
    for (Index lane = 0; lane < count; ++lane) to[lane] = v[lane];
#endif
}

// A run of cells, by whole vectors and a rest.
template <class From, class To, class In, class Out, class Convert>
void convert_run(const From* from, To* to, Index count, Convert convert) {
    Index i = 0;
    for (; i + width <= count; i += width) {
        In in;
        __builtin_memcpy(&in, from + i, sizeof in);
        const Out out = convert(in);
        __builtin_memcpy(to + i, &out, sizeof out);
    }
    if (i == count) return;
    store_first(to + i, convert(some<From, In>(from + i, count - i)), count - i);
}

template <class From, class To, class In, class Out, class Convert>
void convert_piece(const From* from, To* to, const SweepPiece& piece, Convert convert) {
    for (Index row = 0; row < piece.rows; ++row, from += piece.row_stride, to += piece.second_row_stride) {
        if (piece.column_stride == 1 && piece.second_column_stride == 1) {
            convert_run<From, To, In, Out>(from, to, piece.columns, convert);
            continue;
        }
        for (Index column = 0; column < piece.columns; column += width) {
            const Index count = min_index(width, piece.columns - column);
            From cells[width] = {};
            for (Index lane = 0; lane < count; ++lane)
                cells[lane] = from[(column + lane) * piece.column_stride];
            To converted[width];
            convert_run<From, To, In, Out>(cells, converted, width, convert);
            for (Index lane = 0; lane < count; ++lane)
                to[(column + lane) * piece.second_column_stride] = converted[lane];
        }
    }
}

template <class F>
void widen(const Half* from, float* to, const SweepPiece& piece) {
    convert_piece<Half, float, Halves, Vec<float>>(from, to, piece, F::widen);
}

template <class F>
void narrow(const float* from, Half* to, const SweepPiece& piece) {
    convert_piece<float, Half, Vec<float>, Halves>(from, to, piece, F::narrow);
}

template <class F>
bool is_within(float largest, bool refuses_denormals, const Half* cells, const SweepPiece& piece) {
    const Half most = F::of(largest);
    const Half least = refuses_denormals ? F::least_normal : Half(0);
    typedef Half Full __attribute__((vector_size(FALTUNG_VECTOR_BYTES)));
    constexpr Index count = 2 * width;
    const auto is_wrong = [&](auto magnitude) {
        return (magnitude > most) | ((magnitude < least) & (magnitude != 0));
    };
    for (Index row = 0; row < piece.rows; ++row, cells += piece.row_stride) {
        Index column = 0;
        if (piece.column_stride == 1) {
            while (column + count <= piece.columns) {
                const Index end = min_index(piece.columns - count, column + 64 * count);
                Full wrong{};
                for (; column <= end; column += count) {
                    Full bits;
                    __builtin_memcpy(&bits, cells + column, sizeof bits);
                    wrong |= (Full)is_wrong(bits & 0x7fff);
                }
                const Full none{};
                if (__builtin_memcmp(&wrong, &none, sizeof wrong) != 0) return false;
            }
        }
        for (; column < piece.columns; ++column) {
            const int magnitude = cells[column * piece.column_stride] & 0x7fff;
            if (is_wrong(magnitude)) return false;
        }
    }
    return true;
}

}  // namespace

HalfLoops half_loops_for(Type type) {
    if (type == Type::bfloat16) return {widen<Bfloat16>, narrow<Bfloat16>, is_within<Bfloat16>};
    return {widen<Float16>, narrow<Float16>, is_within<Float16>};
}

}  // namespace faltung::FALTUNG_ISA
