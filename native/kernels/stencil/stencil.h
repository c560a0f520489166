// Filters of plain arrays, as image processing has them: weights at fixed offsets, a value of every type in,
// a value of every type out, something beyond every border.
//
// Every output is summed from its window alone, in one order: neither its place nor the size of the array
// nor the threads change a bit.
#pragma once

#include "core/cpu.h"
#include "core/problem.h"

namespace faltung {

// What arrays hold.
enum class Cell { u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 };

constexpr int cell_types = 10;

Index cell_bytes(Cell cell);

// y[i] = the sum over k of weight[k] * x[i - before + k] along one axis; without weights, the mean.
struct StencilPass {
    Index size = 0, before = 0;  // taps; 0: no pass
    const double* weight = nullptr;
    Border border = Border::zeros;
    double beyond = 0;  // the border, where it is of zeros
};

// An array (slices, rows, columns) by its first cell, with strides in cells; no stride but that of y's
// columns may be 0.
struct StencilArray {
    void* data;
    Cell cell;
    Index stride[3];
};

// First across the rows, then along them; between both the sums are stored as cells of y. A row is `step`
// interleaved lines. Neither array overlaps the other.
struct StencilLines {
    StencilArray x, y;
    Index size[3];
    StencilPass across, along;
    Index step = 1;
    bool is_double = true;  // what is summed in, else float
};

void filter_lines(const StencilLines& lines, Isa isa, int threads);

// y = the correlation of x with a kernel, both of as many axes, at least two: the sum over the taps in C
// order. Neither array overlaps the other.
struct StencilFootprint {
    const void* x;
    void* y;
    Cell x_cell, y_cell;
    std::vector<Index> size, x_stride, y_stride;  // in cells
    std::vector<Index> kernel, before;
    std::vector<Border> border;
    double beyond = 0;     // the borders that are of zeros
    const double* weight;  // in C order; up to DBL_EPSILON it is no tap
    bool is_double = true;
};

void filter_footprint(const StencilFootprint& footprint, Isa isa, int threads);

// y = sums, side by side in memory, cut off to integers of at most 32 bits; whether one of them is at most
// this far from a whole number, or no number.
bool cut_off(const double* sums, void* y, Cell cell, Index count, double distance, Isa isa, int threads);

}  // namespace faltung
