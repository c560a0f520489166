// Every family of kernels of every instruction set that this processor runs, against the definition, without
// Python: whole numbers, so that what sums directly is equal to the last bit. For processors that no
// interpreter of ours runs on (`make check-aarch64`). An argument names a file of further problems.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "cells.h"
#include "core/cpu.h"
#include "definition.h"
#include "kernels/registry.h"
#include "problem_file.h"
#include "stencil_exactness.h"

namespace {

using namespace faltung;

constexpr Index batch = 2;
constexpr double rounding =
    800;  // units in the last place of the largest sum of magnitudes, where an algorithm rounds

const std::set<std::string> rounding_families{"spectral", "winograd", "winograd6",
                                              "dilated",  "stem",     "gradient winograd"};

// What was compared, by family, type and instruction set.
struct Counts {
    int checked = 0, wrong = 0;
    std::map<std::string, int> by_family;

    void add(const std::string& family, bool is_right) {
        ++checked;
        wrong += !is_right;
        ++by_family[family];
    }
};

// Whole numbers from -4 to 4, the same everywhere.
Whole numbers(const std::vector<Index>& size, std::uint32_t seed) {
    Index count = 1;
    for (Index extent : size) count *= extent;
    Whole values(static_cast<std::size_t>(count));
    for (std::int64_t& value : values) {
        seed = seed * 1664525u + 1013904223u;
        value = static_cast<std::int64_t>(seed >> 16) % 9 - 4;
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

template <class C>
struct Data {
    std::vector<typename C::Cell> cells;
    std::vector<Index> size;
    Array array;

    Data(const std::vector<Index>& shape, const Whole& values, bool is_last = false)
        : cells(values.size()), size(shape), array{nullptr, strides_of(shape, is_last)} {
        array.data = cells.data();
        for (std::size_t i = 0; i < values.size(); ++i) at(i) = C::stored(values[i]);
    }

    // By its number in C order, however it lies.
    typename C::Cell& at(std::size_t number) {
        Index offset = 0, rest = static_cast<Index>(number);
        for (std::size_t a = size.size(); a-- > 0; rest /= size[a])
            offset += rest % size[a] * array.stride[a];
        return cells[static_cast<std::size_t>(offset)];
    }
};

std::vector<Index> shape_of(Index a, Index b, Index c, const Problem& problem, Index Axis::* size) {
    std::vector<Index> shape{a, b, c};
    for (const Axis& axis : problem.axes) shape.push_back(axis.*size);
    return shape;
}

// For each output channel the weights of the taps of all axes but the last, times those of the last.
Whole outer(const Problem& p, const Whole& factors) {
    const Index row = p.axes.back().kernel, far = taps(p.axes) / row;
    Whole products;
    for (Index channel = 0; channel < p.groups * p.out_channels; ++channel) {
        const std::int64_t* const factor = factors.data() + channel * (far + row);
        for (Index tap = 0; tap < far * row; ++tap)
            products.push_back(factor[tap / row] * factor[far + tap % row]);
    }
    return products;
}

Whole magnitudes(Whole values) {
    for (std::int64_t& value : values) value = value < 0 ? -value : value;
    return values;
}

template <class C>
double largest_error(Data<C>& actual, const Whole& expected) {
    double worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double mine = C::read(actual.at(i));
        worst = std::isnan(mine) ? INFINITY : std::max(worst, std::fabs(mine - C::expected(expected[i])));
    }
    return worst;
}

// Numbers for one problem, and what is expected of them.
struct Correlated {
    std::vector<Index> in, out, kernel, factor;
    Whole x, factors, weight, bias, expected, sums;  // and the sums of magnitudes

    // Weights of which each is one outer product of its `factors` if `is_factored`.
    Correlated(const Problem& p, bool is_factored)
        : in(shape_of(batch, p.groups, p.in_channels, p, &Axis::in)),
          out(shape_of(batch, p.groups, p.out_channels, p, &Axis::out)),
          kernel(shape_of(p.groups, p.out_channels, p.in_channels, p, &Axis::kernel)),
          factor{1, p.groups, p.out_channels, taps(p.axes) / p.axes.back().kernel + p.axes.back().kernel},
          x(numbers(in, 1)),
          factors(is_factored ? numbers(factor, 4) : Whole()),
          weight(is_factored ? outer(p, factors) : numbers(kernel, 2)),
          bias(numbers({p.groups, p.out_channels}, 3)),
          expected(defined_correlation(p, batch, x, weight, bias)),
          sums(defined_correlation(p, batch, magnitudes(x), magnitudes(weight), magnitudes(bias))) {}
};

struct Differentiated {
    std::vector<Index> in, out, kernel;
    Whole x, grad, expected, sums;

    explicit Differentiated(const Problem& p)
        : in(shape_of(batch, p.groups, p.in_channels, p, &Axis::in)),
          out(shape_of(batch, p.groups, p.out_channels, p, &Axis::out)),
          kernel(shape_of(p.groups, p.out_channels, p.in_channels, p, &Axis::kernel)),
          x(numbers(in, 1)),
          grad(numbers(out, 2)),
          expected(defined_gradient(p, batch, x, grad)),
          sums(defined_gradient(p, batch, magnitudes(x), magnitudes(grad))) {}
};

template <class C>
double allowed_error(const std::string& family, const Whole& sums) {
    if (!rounding_families.count(family)) return 0;
    std::int64_t largest = 4;
    for (std::int64_t sum : sums) largest = std::max(largest, sum);
    const double unit = std::is_same<typename C::Sum, float>::value ? std::ldexp(1, -24) : std::ldexp(1, -53);
    const double once =
        sizeof(typename C::Cell) == 2 ? C::expected(largest) / 128 : 0;  // halves are rounded to others
    return rounding * unit * static_cast<double>(largest) + once;
}

template <class C>
void compare(const std::string& family, const std::string& what, Data<C>& actual, const Whole& expected,
             const Whole& sums, Counts& counts) {
    const double worst = largest_error<C>(actual, expected);
    const bool is_right = worst == 0 || worst <= allowed_error<C>(family, sums);
    counts.add(family, is_right);
    if (!is_right) std::printf("%s, %s differs by %g\n", family.c_str(), what.c_str(), worst);
}

template <class C>
void check_correlation(const std::string& name, const Problem& p, Type type, Isa isa,
                       const Correlated& numbers, const std::string& what, Counts& counts) {
    std::unique_ptr<Correlation> kernel;
    try {
        kernel = is_half(type) ? half_correlation(correlation_family(name), p, type, isa)
                               : correlation_family(name).make(p, type, isa);
    } catch (const std::invalid_argument&) {
        return;  // it does not serve the problem
    }
    const bool is_factored = !numbers.factors.empty();
    Data<C> weight(is_factored ? numbers.factor : numbers.kernel,
                   is_factored ? numbers.factors : numbers.weight);
    std::vector<typename C::Sum> bias(numbers.bias.begin(), numbers.bias.end());
    const Index bytes = is_factored ? kernel->factors_bytes(1) : kernel->packed_bytes();
    std::vector<char> held(static_cast<std::size_t>(bytes) + 64);
    char* const packed = held.data() + (64 - reinterpret_cast<std::uintptr_t>(held.data()) % 64) % 64;
    if (is_factored)
        kernel->pack_factors(weight.array, 1, packed);
    else
        kernel->pack(weight.array, packed, 1);
    for (const int threads : {1, 2}) {
        const bool is_last = threads == 2;
        Data<C> x(numbers.in, numbers.x, is_last),
            y(numbers.out, Whole(numbers.expected.size(), 99), is_last);
        kernel->run(batch, x.array, packed, Epilogue(bias.data()), y.array, false, threads);
        compare<C>(name, what + (is_last ? ", channels last" : ""), y, numbers.expected, numbers.sums,
                   counts);
    }
}

template <class C>
void check_gradient(const std::string& name, const Problem& p, Type type, Isa isa,
                    const Differentiated& numbers, const std::string& what, Counts& counts) {
    std::unique_ptr<WeightGradient> kernel;
    try {
        kernel = weight_gradient_family(name).make(p, type, isa);
    } catch (const std::invalid_argument&) {
        return;
    }
    Data<C> x(numbers.in, numbers.x), grad(numbers.out, numbers.grad);
    for (const int threads : {1, 2}) {
        Data<C> actual(numbers.kernel, Whole(numbers.expected.size(), 99));
        kernel->run(batch, x.array, grad.array, actual.array, threads);
        compare<C>("gradient " + name, what, actual, numbers.expected, numbers.sums, counts);
    }
}

Axis axis(Index in, Index kernel, Index stride = 1, Index dilation = 1, Index before = 0) {
    return {in,    (in + 2 * before - dilation * (kernel - 1) - 1) / stride + 1, kernel, stride, dilation,
            before};
}

std::vector<Listed> written_problems() {
    const Border zeros = Border::zeros;
    const std::vector<Problem> all{
        {1, 7, 19, {axis(9, 1), axis(11, 1)}, zeros},
        {1, 70, 33, {axis(5, 1), axis(7, 1)}, zeros},
        {1, 5, 9, {axis(13, 3, 1, 1, 1), axis(17, 3, 1, 1, 1)}, zeros},
        {1, 6, 21, {axis(9, 3, 2, 1, 1), axis(14, 3, 2, 1, 1)}, zeros},
        {2, 4, 4, {axis(9, 3, 1, 1, 1), axis(19, 3, 1, 1, 1)}, zeros},
        {1, 3, 16, {axis(19, 7, 2, 1, 3), axis(23, 7, 2, 1, 3)}, zeros},
        {1, 3, 5, {axis(11, 3, 1, 2, 2), axis(12, 3, 1, 2, 2)}, Border::circular},
        {1, 18, 21, {axis(12, 3, 1, 6, 6), axis(13, 3, 1, 6, 6)}, zeros},
        {1, 4, 6, {axis(40, 5, 1, 1, 2)}, Border::reflect},
        {1, 3, 4, {axis(4, 3, 1, 1, 1), axis(5, 2), axis(9, 3, 1, 1, 1)}, zeros},
        {21, 1, 1, {axis(14, 3, 1, 1, 1), axis(19, 3, 1, 1, 1)}, zeros},
        {9, 1, 1, {axis(15, 5, 2, 1, 2), axis(18, 5, 2, 1, 2)}, zeros},
        {9, 1, 1, {axis(13, 3, 2, 1, 1), axis(18, 3, 2, 1, 1)}, zeros},
        {5, 1, 2, {axis(7, 7, 1, 1, 3), axis(7, 7, 1, 1, 3)}, zeros},
        {6, 1, 1, {axis(20, 3, 1, 2, 2), axis(21, 3, 1, 2, 2)}, Border::replicate},
        {1, 2, 3, {axis(5, 4, 1, 1, 7), axis(9, 3, 2, 1, 4)}, Border::symmetric},
        {1, 1, 1, {axis(40, 15, 1, 1, 7), axis(45, 15, 1, 1, 7)}, zeros},
        {2, 1, 1, {axis(300, 70, 1, 1, 35)}, zeros},
        // Pieces of three and four taps, in phases of a stride and without.
        {1, 4, 6, {axis(17, 4, 1, 1, 1), axis(19, 4, 1, 1, 2)}, zeros},
        {1, 3, 6, {axis(20, 7, 1, 1, 3), axis(37, 8, 1, 1, 3)}, zeros},
        {1, 3, 5, {axis(23, 8, 2, 1, 3), axis(45, 8, 2, 1, 3)}, zeros},
        {1, 3, 21, {axis(41, 11, 4, 1, 2), axis(75, 11, 4, 1, 2)}, zeros},
        {1, 5, 4, {axis(90, 7, 1, 1, 3)}, zeros},
        // Few columns: a longer axis takes their place, or may not where taps keep their order.
        {1, 9, 7, {axis(40, 3, 1, 1, 1), axis(3, 3, 1, 1, 1)}, zeros},
        {1, 9, 19, {axis(40, 3, 1, 1, 1), axis(3, 3, 1, 1, 1)}, zeros, {}, true},
        {2, 3, 5, {axis(5, 3, 2, 1, 1), axis(41, 3), axis(2, 2, 1, 1, 1)}, Border::circular, {}, true},
        {9, 1, 1, {axis(33, 5, 1, 1, 2), axis(2, 3, 1, 1, 1)}, zeros, {}, true},
    };
    std::vector<Listed> listed;
    for (const bool is_gradient : {false, true})
        for (const Problem& problem : all) listed.push_back({is_gradient, problem});
    return listed;
}

const std::vector<std::string> families{"direct",      "pointwise", "filter",   "unfold",  "depthwise",
                                        "channelwise", "grouped",   "spectral", "planes",  "winograd",
                                        "winograd6",   "dilated",   "stem",     "general", "separable"};
const std::vector<std::string> gradient_families{"direct",      "filter",   "depthwise",
                                                 "channelwise", "winograd", "general"};

template <class C>
void check_type(const Listed& listed, Type type, const std::string& what, Isa isa,
                const Correlated* correlated, const Correlated* factored,
                const Differentiated* differentiated, Counts& counts) {
    const Problem& p = listed.problem;
    if (differentiated && !is_half(type))
        for (const std::string& family : gradient_families)
            check_gradient<C>(family, p, type, isa, *differentiated, what, counts);
    if (correlated)
        for (const std::string& family : families) {
            const bool takes_factors = family == "separable";
            if (is_half(type) && (takes_factors || rounding_families.count(family)))
                continue;  // taken in float32 alone
            check_correlation<C>(family, p, type, isa, takes_factors ? *factored : *correlated, what, counts);
        }
}

void check_problem(const Listed& listed, const std::string& isa, const std::string& number, Counts& counts) {
    const Isa set = isa_from_name(isa);
    std::unique_ptr<Correlated> correlated, factored;
    std::unique_ptr<Differentiated> differentiated;
    if (listed.is_gradient) {
        differentiated = std::make_unique<Differentiated>(listed.problem);
    } else {
        correlated = std::make_unique<Correlated>(listed.problem, false);
        factored = std::make_unique<Correlated>(listed.problem, listed.problem.in_channels == 1);
    }
    const auto in_type = [&](auto cell, Type type, const char* name) {
        check_type<decltype(cell)>(listed, type, isa + ", " + name + ", problem " + number, set,
                                   correlated.get(), factored.get(), differentiated.get(), counts);
    };
    in_type(PlainCell<float>(), Type::float32, "float32");
    in_type(PlainCell<double>(), Type::float64, "float64");
    in_type(PlainCell<std::uint64_t>(), Type::uint64, "uint64");
    in_type(HalfCell<5>(), Type::float16, "float16");
    in_type(HalfCell<8>(), Type::bfloat16, "bfloat16");
}

}  // namespace

int main(int count, char** arguments) {
    std::vector<Listed> all = written_problems();
    if (count > 1) {
        const std::vector<Listed> further = read_problems(arguments[1]);
        all.insert(all.end(), further.begin(), further.end());
    }
    int wrong = 0;
    for (const std::string& isa : detected_isas()) {
        Counts counts;
        for (std::size_t i = 0; i < all.size(); ++i) check_problem(all[i], isa, std::to_string(i), counts);
        check_stencil(isa, &counts.checked, &counts.wrong);
        std::vector<std::string> names = families;
        for (const std::string& family : gradient_families) names.push_back("gradient " + family);
        for (const std::string& family : names)
            if (counts.by_family[family] == 0 && (family != "grouped" || isa == "avx512")) {
                std::printf("%s, %s: served no problem\n", family.c_str(), isa.c_str());
                ++counts.wrong;
            }
        for (const auto& [family, checked] : counts.by_family)
            std::printf("%s %d, ", family.c_str(), checked);
        std::printf("%s: %zu problems, %d results compared, %d wrong\n", isa.c_str(), all.size(),
                    counts.checked, counts.wrong);
        wrong += counts.wrong;
    }
    return wrong != 0;
}
