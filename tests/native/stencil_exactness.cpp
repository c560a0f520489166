#include "stencil_exactness.h"

#include <cstdint>
#include <cstdio>
#include <vector>

#include "definition.h"
#include "kernels/stencil/stencil.h"

namespace faltung {

namespace {

constexpr Index rows = 37, columns = 83;

template <class T>
struct Image {
    std::vector<T> cells = std::vector<T>(static_cast<std::size_t>(rows * columns));

    StencilArray array(Cell cell) { return {cells.data(), cell, {rows * columns, columns, 1}}; }
    T& at(Index r, Index c) { return cells[static_cast<std::size_t>(r * columns + c)]; }
    // Beyond the borders, along both axes; zeros are 5.
    T reach(Border border, Index r, Index c) {
        const Index row = defined_cell(border, r, rows), column = defined_cell(border, c, columns);
        return row < 0 || column < 0 ? T(5) : at(row, column);
    }
};

template <class T>
Image<T> numbers() {
    Image<T> image;
    std::uint32_t seed = 1;
    for (T& cell : image.cells) {
        seed = seed * 1664525u + 1013904223u;
        cell = static_cast<T>(seed >> 16) % 9;
    }
    return image;
}

template <>
Image<float> numbers() {
    Image<int> whole = numbers<int>();
    Image<float> image;
    for (std::size_t i = 0; i < whole.cells.size(); ++i) image.cells[i] = static_cast<float>(whole.cells[i]);
    return image;
}

template <>
Image<double> numbers() {
    Image<int> whole = numbers<int>();
    Image<double> image;
    for (std::size_t i = 0; i < whole.cells.size(); ++i) image.cells[i] = whole.cells[i];
    return image;
}

template <class T>
void check_type(Cell cell, const char* name, const std::string& isa, int* checked, int* wrong) {
    const Isa set = isa_from_name(isa);
    const std::vector<std::vector<double>> filters = {
        {1, 2, 3, 2, 1}, {2, 1, 0, -1, -2}, {1, 3, 2, 1}, {1, 1, 2, 3, 1, 2, 1, 1, 1, 2, 1, 4, 1}};
    Image<T> x = numbers<T>();
    for (Border border :
         {Border::zeros, Border::circular, Border::reflect, Border::replicate, Border::symmetric}) {
        for (const std::vector<double>& w : filters) {
            const Index size = static_cast<Index>(w.size()), before = size / 2;
            const StencilPass pass{size, before, w.data(), border, 5};
            for (bool is_double : {false, true}) {
                for (int form = 0; form < 3; ++form) {  // across, along, as a footprint of both axes
                    Image<T> y;
                    const bool down = form != 1, over = form != 0;
                    if (form < 2) {
                        StencilLines lines{x.array(cell), y.array(cell), {1, rows, columns}, {}, {}};
                        (down ? lines.across : lines.along) = pass;
                        lines.is_double = is_double;
                        filter_lines(lines, set, 2);
                    } else {
                        StencilFootprint footprint{x.cells.data(),
                                                   y.cells.data(),
                                                   cell,
                                                   cell,
                                                   {rows, columns},
                                                   {columns, 1},
                                                   {columns, 1},
                                                   {size, size},
                                                   {before, before},
                                                   {border, border},
                                                   5,
                                                   nullptr,
                                                   is_double};
                        std::vector<double> both;
                        for (double a : w)
                            for (double b : w) both.push_back(a * b);
                        footprint.weight = both.data();
                        filter_footprint(footprint, set, 2);
                    }
                    int differing = 0;
                    for (Index r = 0; r < rows; ++r) {
                        for (Index c = 0; c < columns; ++c) {
                            double sum = 0;
                            for (Index i = 0; i < (down ? size : 1); ++i)
                                for (Index j = 0; j < (over ? size : 1); ++j)
                                    sum += (down ? w[static_cast<std::size_t>(i)] : 1) *
                                           (over ? w[static_cast<std::size_t>(j)] : 1) *
                                           static_cast<double>(x.reach(border, r + (down ? i - before : 0),
                                                                       c + (over ? j - before : 0)));
                            differing += y.at(r, c) != static_cast<T>(static_cast<std::int64_t>(sum));
                        }
                    }
                    ++*checked;
                    if (differing) {
                        ++*wrong;
                        std::printf("stencil, %s, %s, form %d: %d cells differ\n", isa.c_str(), name, form,
                                    differing);
                    }
                }
            }
        }
    }
}

}  // namespace

void check_stencil(const std::string& isa, int* checked, int* wrong) {
    check_type<std::uint8_t>(Cell::u8, "uint8", isa, checked, wrong);
    check_type<std::int16_t>(Cell::i16, "int16", isa, checked, wrong);
    check_type<std::int64_t>(Cell::i64, "int64", isa, checked, wrong);
    check_type<float>(Cell::f32, "float32", isa, checked, wrong);
    check_type<double>(Cell::f64, "float64", isa, checked, wrong);
}

}  // namespace faltung
