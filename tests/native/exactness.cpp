// Every family of kernels of every instruction set that this processor runs, against the general one, without
// Python: whole numbers, so that what sums directly is equal to the last bit. For processors that no
// interpreter of ours runs on (`make check-aarch64`).
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/cpu.h"
#include "kernels/registry.h"
#include "stencil_exactness.h"

namespace {

using namespace faltung;

constexpr Index batch = 2;
constexpr double rounding = 1e-4;  // of the largest output, where an algorithm rounds

struct Counts {
    int checked = 0, wrong = 0;
};

// Whole numbers from -4 to 4, the same everywhere.
template <class T>
std::vector<T> numbers(Index count, std::uint32_t seed) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& value : values) {
        seed = seed * 1664525u + 1013904223u;
        value = static_cast<T>(static_cast<std::int64_t>(seed >> 16) % 9 - 4);
    }
    return values;
}

// Three outer axes, then the spatial ones; where `is_last`, those of the channels lie innermost.
std::vector<Index> strides_of(const std::vector<Index>& size, bool is_last) {
    std::vector<std::size_t> order;
    for (std::size_t a = 0; a < size.size(); ++a)
        if (!is_last || (a != 1 && a != 2)) order.push_back(a);
    if (is_last) order.insert(order.end(), {1, 2});
    std::vector<Index> stride(size.size());
    Index step = 1;
    for (std::size_t i = order.size(); i-- > 0; step *= size[order[i]]) stride[order[i]] = step;
    return stride;
}

template <class T>
struct Data {
    std::vector<T> cells;
    std::vector<Index> size;
    Array array;

    Data(const std::vector<Index>& shape, std::uint32_t seed, bool is_last = false) : size(shape) {
        Index count = 1;
        for (Index extent : shape) count *= extent;
        const std::vector<T> plain = numbers<T>(count, seed);
        cells.resize(plain.size());
        array = {cells.data(), strides_of(shape, is_last)};
        for (Index i = 0; i < count; ++i) at(i) = plain[static_cast<std::size_t>(i)];
    }

    // By its number in C order, however it lies.
    T& at(Index number) {
        Index offset = 0;
        for (std::size_t a = size.size(); a-- > 0; number /= size[a])
            offset += number % size[a] * array.stride[a];
        return cells[static_cast<std::size_t>(offset)];
    }
};

std::vector<Index> shape_of(Index a, Index b, Index c, const Problem& problem, Index Axis::* size) {
    std::vector<Index> shape{a, b, c};
    for (const Axis& axis : problem.axes) shape.push_back(axis.*size);
    return shape;
}

template <class T>
void compare(const std::string& what, Data<T>& actual, Data<T>& expected, double tolerance, Counts& counts) {
    double largest = 1, worst = 0;
    for (std::size_t i = 0; i < expected.cells.size(); ++i) {
        const auto number = static_cast<Index>(i);
        const auto mine = static_cast<double>(static_cast<T>(actual.at(number)));
        const auto wanted = static_cast<double>(static_cast<T>(expected.at(number)));
        largest = std::max(largest, std::fabs(wanted));
        worst = std::isnan(mine) ? INFINITY : std::max(worst, std::fabs(mine - wanted));
    }
    ++counts.checked;
    if (worst <= tolerance * largest) return;
    ++counts.wrong;
    std::printf("%s differs by %g\n", what.c_str(), worst);
}

template <class T>
void check_correlation(const std::string& name, const Problem& p, Type type, Isa isa, double tolerance,
                       const std::string& what, Counts& counts) {
    std::unique_ptr<Correlation> kernel;
    try {
        kernel = correlation_family(name).make(p, type, isa);
    } catch (const std::invalid_argument&) {
        return;  // it does not serve the problem
    }
    const std::unique_ptr<Correlation> general = correlation_family("general").make(p, type, isa);
    Data<T> weight(shape_of(p.groups, p.out_channels, p.in_channels, p, &Axis::kernel), 2);
    Data<T> bias({p.groups * p.out_channels}, 3);
    const std::vector<Index> in = shape_of(batch, p.groups, p.in_channels, p, &Axis::in);
    const std::vector<Index> out = shape_of(batch, p.groups, p.out_channels, p, &Axis::out);
    Data<T> plain(in, 1), expected(out, 4);
    std::vector<char> held(static_cast<std::size_t>(general->packed_bytes()) + 64);
    const auto pack = [&](const Correlation& of) {
        held.assign(static_cast<std::size_t>(of.packed_bytes()) + 64, 0);
        char* start = held.data() + (64 - reinterpret_cast<std::uintptr_t>(held.data()) % 64) % 64;
        of.pack(weight.array, start, 1);
        return start;
    };
    general->run(batch, plain.array, pack(*general), Epilogue(bias.cells.data()), expected.array, false, 1);
    const char* packed = pack(*kernel);
    for (const bool is_last : {false, true})
        for (const int threads : {1, 2}) {
            Data<T> x(in, 1, is_last), y(out, 5, is_last);
            kernel->run(batch, x.array, packed, Epilogue(bias.cells.data()), y.array, false, threads);
            compare(what + (is_last ? ", channels last" : ""), y, expected, tolerance, counts);
        }
}

template <class T>
void check_gradient(const std::string& name, const Problem& p, Type type, Isa isa, double tolerance,
                    const std::string& what, Counts& counts) {
    std::unique_ptr<WeightGradient> kernel;
    try {
        kernel = weight_gradient_family(name).make(p, type, isa);
    } catch (const std::invalid_argument&) {
        return;
    }
    const std::vector<Index> of_weight = shape_of(p.groups, p.out_channels, p.in_channels, p, &Axis::kernel);
    Data<T> x(shape_of(batch, p.groups, p.in_channels, p, &Axis::in), 1);
    Data<T> grad(shape_of(batch, p.groups, p.out_channels, p, &Axis::out), 2);
    Data<T> actual(of_weight, 3), expected(of_weight, 4);
    weight_gradient_family("general").make(p, type, isa)->run(batch, x.array, grad.array, expected.array, 1);
    kernel->run(batch, x.array, grad.array, actual.array, 2);
    compare(what, actual, expected, tolerance, counts);
}

Axis axis(Index in, Index kernel, Index stride = 1, Index dilation = 1, Index before = 0) {
    return {in,    (in + 2 * before - dilation * (kernel - 1) - 1) / stride + 1, kernel, stride, dilation,
            before};
}

std::vector<Problem> problems() {
    const Border zeros = Border::zeros;
    return {
        {1, 7, 19, {axis(9, 1), axis(11, 1)}, zeros},
        {1, 70, 33, {axis(5, 1), axis(7, 1)}, zeros},
        {1, 5, 9, {axis(13, 3, 1, 1, 1), axis(17, 3, 1, 1, 1)}, zeros},
        {1, 6, 21, {axis(9, 3, 2, 1, 1), axis(14, 3, 2, 1, 1)}, zeros},
        {2, 4, 4, {axis(9, 3, 1, 1, 1), axis(19, 3, 1, 1, 1)}, zeros},
        {1, 3, 16, {axis(19, 7, 2, 1, 3), axis(23, 7, 2, 1, 3)}, zeros},
        {1, 3, 5, {axis(11, 3, 1, 2, 2), axis(12, 3, 1, 2, 2)}, Border::circular},
        {1, 4, 6, {axis(40, 5, 1, 1, 2)}, Border::reflect},
        {1, 3, 4, {axis(4, 3, 1, 1, 1), axis(5, 2), axis(9, 3, 1, 1, 1)}, zeros},
        {21, 1, 1, {axis(14, 3, 1, 1, 1), axis(19, 3, 1, 1, 1)}, zeros},
        {9, 1, 1, {axis(15, 5, 2, 1, 2), axis(18, 5, 2, 1, 2)}, zeros},
        {9, 1, 1, {axis(13, 3, 2, 1, 1), axis(18, 3, 2, 1, 1)}, zeros},
        {5, 1, 2, {axis(7, 7, 1, 1, 3), axis(7, 7, 1, 1, 3)}, zeros},
        {6, 1, 1, {axis(20, 3, 1, 2, 2), axis(21, 3, 1, 2, 2)}, Border::replicate},
        {1, 1, 1, {axis(40, 15, 1, 1, 7), axis(45, 15, 1, 1, 7)}, zeros},
        {2, 1, 1, {axis(300, 70, 1, 1, 35)}, zeros},
    };
}

std::string name_of(const std::string& family, const std::string& isa, const char* type, std::size_t number) {
    return family + ", " + isa + ", " + type + ", problem " + std::to_string(number);
}

template <class T>
void check_type(Type type, const char* type_name, const std::string& isa, Counts& counts) {
    const Isa set = isa_from_name(isa);
    const std::vector<Problem> all = problems();
    for (const char* family : {"direct", "pointwise", "filter", "unfold", "depthwise", "channelwise",
                               "grouped", "spectral", "winograd"}) {
        const bool rounds = family == std::string("spectral") || family == std::string("winograd");
        if (rounds && type == Type::uint64) continue;
        const int before = counts.checked;
        for (std::size_t i = 0; i < all.size(); ++i)
            check_correlation<T>(family, all[i], type, set, rounds ? rounding : 0,
                                 name_of(family, isa, type_name, i), counts);
        if (counts.checked == before) throw std::logic_error(std::string(family) + " served no problem");
    }
    for (const char* family : {"direct", "filter", "depthwise", "winograd"}) {
        const bool rounds = family == std::string("winograd");
        if (rounds && type == Type::uint64) continue;
        for (std::size_t i = 0; i < all.size(); ++i)
            check_gradient<T>(family, all[i], type, set, rounds ? rounding : 0,
                              name_of(std::string("weight gradient ") + family, isa, type_name, i), counts);
    }
}

}  // namespace

int main() {
    Counts counts;
    for (const std::string& isa : detected_isas()) {
        check_type<float>(Type::float32, "float32", isa, counts);
        check_type<double>(Type::float64, "float64", isa, counts);
        check_type<std::uint64_t>(Type::uint64, "uint64", isa, counts);
        check_stencil(isa, &counts.checked, &counts.wrong);
    }
    std::printf("%d results compared, %d wrong\n", counts.checked, counts.wrong);
    return counts.wrong != 0;
}
