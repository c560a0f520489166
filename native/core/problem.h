// What is to be computed: sizes and the rule beyond the borders. No arrays, no batch, no Python.
#pragma once

#include <vector>

#include "core/index.h"

namespace faltung {

// Half-precision numbers are stored so, and summed in float32.
enum class Type { float32, float64, uint64, float16, bfloat16 };

static inline bool is_half(Type type) {
    return type == Type::float16 || type == Type::bfloat16;
}

// What sums, bias and epilogue are in.
static inline Type sum_type(Type type) {
    return is_half(type) ? Type::float32 : type;
}

// What lies outside the input. `zeros` are cells that take part (0 * inf is NaN); `absent` cells do not.
enum class Border { zeros, absent, circular, reflect, replicate, symmetric };

// Output o and tap k of an axis read the input, extended beyond its borders, at o*stride + k*dilation -
// before.
struct Axis {
    Index in, out, kernel, stride, dilation, before;
};

// Outputs first, first + phases of the axis, ... of an axis: a correlation of stride 1 and of its own. Its
// output m and its tap t read the input at m + t*dilation - before, and the weight at tap + (taps - 1 -
// t)*tap_step.
struct Phase {
    Index first, count, tap, tap_step, taps, dilation, before;
};

struct Problem {
    Index groups, in_channels, out_channels;  // channels are those of one group
    std::vector<Axis> axes;
    Border border;
    // Of a transposed correlation, for each axis the phases that make up its outputs, in order; their number
    // is the axis' stride, and `before` and `dilation` of the axis say nothing. Empty for a correlation.
    std::vector<std::vector<Phase>> phases = {};
    // Whether taps are summed in the order of the axes, whatever place an axis takes.
    bool keeps_axes = false;
};

// An array (outer, group or channel axes first, then the spatial ones) by its first element and element
// strides.
struct Array {
    void* data;
    std::vector<Index> stride;
};

constexpr int outer_axes = 3;  // x: n, g, ic; y and grad: n, g, oc; w and gw: g, oc, ic

static inline Index element_bytes(Type type) {
    return is_half(type) ? 2 : type == Type::float32 ? 4 : 8;
}

static inline Index taps(const std::vector<Axis>& axes) {
    Index product = 1;
    for (const Axis& axis : axes) product = saturating_multiply(product, axis.kernel);
    return product;
}

static inline Index outputs(const std::vector<Axis>& axes) {
    Index product = 1;
    for (const Axis& axis : axes) product = saturating_multiply(product, axis.out);
    return product;
}

// Multiply-adds of one batch member.
static inline Index multiply_adds(const Problem& p) {
    Index channels = saturating_multiply(p.groups, saturating_multiply(p.in_channels, p.out_channels));
    return saturating_multiply(channels, saturating_multiply(taps(p.axes), outputs(p.axes)));
}

// What one batch member takes, counted in multiply-adds: cells that come from the second or third cache, and
// go there, take their time, too.
static inline Index work_of(const Problem& p) {
    constexpr Index multiply_adds_a_cell = 6;
    Index read = p.in_channels;
    for (const Axis& axis : p.axes) read = saturating_multiply(read, axis.in);
    const Index written = saturating_multiply(p.out_channels, outputs(p.axes));
    const Index cells = saturating_multiply(p.groups, saturating_add(read, written));
    return saturating_add(multiply_adds(p), saturating_multiply(multiply_adds_a_cell, cells));
}

// Of all phases of a transposed one: each tap meets each input cell about once.
static inline Index scattered_multiply_adds(Problem p) {
    for (Axis& axis : p.axes) axis.out = axis.in;
    return multiply_adds(p);
}

}  // namespace faltung
