// Cells of arrays to the numbers that are summed, and back: integers are cut off towards zero, and modulo
// their range, as conversions of x86-64 do it.
#include <cstdint>
#include <type_traits>

#include "core/vec.h"
#include "kernels/stencil/stencil_loops.h"

namespace faltung::FALTUNG_ISA {

namespace {

template <class T, class C>
void load_all(const void* from, Index step, Index count, T* to) {
    const C* const cells = static_cast<const C*>(from);
    if (step == 1) {
        for (Index i = 0; i < count; ++i) to[i] = static_cast<T>(cells[i]);
    } else {
        for (Index i = 0; i < count; ++i) to[i] = static_cast<T>(cells[i * step]);
    }
}

template <class C, class T>
inline C cut_off(T value) {
    if constexpr (std::is_floating_point_v<C>) {
        return static_cast<C>(value);
    } else if constexpr (sizeof(C) < 4 || std::is_same_v<C, std::int32_t>) {
        return static_cast<C>(static_cast<std::int32_t>(value));
    } else if constexpr (!std::is_same_v<C, std::uint64_t>) {
        return static_cast<C>(static_cast<std::int64_t>(value));
    } else {
        constexpr T middle = T(9223372036854775808.0);
        constexpr std::uint64_t highest = std::uint64_t(1) << 63;
        if (!(value >= middle)) return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(value - middle)) ^ highest;
    }
}

template <class T, class C>
void store_all(const T* from, Index count, void* to, Index step) {
    C* const cells = static_cast<C*>(to);
    if (step == 1) {
        for (Index i = 0; i < count; ++i) cells[i] = cut_off<C>(from[i]);
    } else {
        for (Index i = 0; i < count; ++i) cells[i * step] = cut_off<C>(from[i]);
    }
}

template <class T, class C>
CellLoops<T> loops_between() {
    return {load_all<T, C>, store_all<T, C>};
}

template <class T>
CellLoops<T> cell_loops_of(Cell cell) {
    switch (cell) {
        case Cell::u8:
            return loops_between<T, std::uint8_t>();
        case Cell::i8:
            return loops_between<T, std::int8_t>();
        case Cell::u16:
            return loops_between<T, std::uint16_t>();
        case Cell::i16:
            return loops_between<T, std::int16_t>();
        case Cell::u32:
            return loops_between<T, std::uint32_t>();
        case Cell::i32:
            return loops_between<T, std::int32_t>();
        case Cell::u64:
            return loops_between<T, std::uint64_t>();
        case Cell::i64:
            return loops_between<T, std::int64_t>();
        case Cell::f32:
            return loops_between<T, float>();
        case Cell::f64:
            return loops_between<T, double>();
    }
    return {};
}

bool near_whole(const double* from, Index count, double distance) {
    // What is added makes the sum so large that it has no places behind the point.
    constexpr double large = 6755399441055744.0;
    constexpr Index L = lanes<double>;
    Vec<std::int64_t> found{};
    Index i = 0;
    for (; i + L <= count; i += L) {
        const Vec<double> sum = load(from + i);
        const Vec<double> rest = sum - ((sum + large) - large);
        found |= ~((rest > distance) | (-rest > distance));
    }
    std::int64_t any = 0;
    for (; i < count; ++i) {
        const double rest = from[i] - ((from[i] + large) - large);
        any |= !(rest > distance || -rest > distance);
    }
    for (Index lane = 0; lane < L; ++lane) any |= found[lane];
    return any != 0;
}

}  // namespace

NearWhole near_whole_loop() {
    return near_whole;
}

CellLoops<float> float_cell_loops(Cell cell) {
    return cell_loops_of<float>(cell);
}

CellLoops<double> double_cell_loops(Cell cell) {
    return cell_loops_of<double>(cell);
}

}  // namespace faltung::FALTUNG_ISA
