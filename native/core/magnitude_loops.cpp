// Magnitudes compared as bits: without the sign, those of Inf and NaN are larger than those of any number.
#include <cstring>

#include "core/sweep.h"
#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

template <class T>
struct BitsOf;
template <>
struct BitsOf<float> {
    using type = std::int32_t;
    static constexpr type magnitude = 0x7fffffff;
};
template <>
struct BitsOf<double> {
    using type = std::int64_t;
    static constexpr type magnitude = 0x7fffffffffffffff;
};

template <class T>
using Bits = typename BitsOf<T>::type;

template <class T>
Bits<T> bits_of(T value) {
    Bits<T> bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits & BitsOf<T>::magnitude;
}

template <class T>
Vec<Bits<T>> larger(Vec<Bits<T>> most, const T* cells) {
    const Vec<Bits<T>> bits = (Vec<Bits<T>>)load(cells) & BitsOf<T>::magnitude;
    return bits > most ? bits : most;
}

template <class T>
Bits<T> largest_of_run(const T* cells, Index count) {
    constexpr Index width = lanes<T>;
    Vec<Bits<T>> most[4] = {};
    Index i = 0;
    for (; i + 4 * width <= count; i += 4 * width)
        for (int part = 0; part < 4; ++part) most[part] = larger(most[part], cells + i + part * width);
    for (; i + width <= count; i += width) most[0] = larger(most[0], cells + i);
    Bits<T> result = 0;
    for (; i < count; ++i) result = max_index(result, bits_of(cells[i]));
    for (const Vec<Bits<T>>& part : most)
        for (Index lane = 0; lane < width; ++lane) result = max_index(result, part[lane]);
    return result;
}

}  // namespace

template <class T>
bool is_piece_within(T largest, const T* cells, const SweepPiece& piece) {
    Bits<T> most = 0;
    for (Index row = 0; row < piece.rows; ++row, cells += piece.row_stride) {
        if (piece.column_stride == 1) {
            most = max_index(most, largest_of_run(cells, piece.columns));
        } else {
            for (Index column = 0; column < piece.columns; ++column)
                most = max_index(most, bits_of(cells[column * piece.column_stride]));
        }
    }
    return most <= bits_of(largest);
}

template bool is_piece_within<float>(float, const float*, const SweepPiece&);
template bool is_piece_within<double>(double, const double*, const SweepPiece&);

}  // namespace faltung::FALTUNG_ISA
