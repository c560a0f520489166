// Turns what Python passed into types, names and checked Arrays. Every rule broken is a ValueError.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <vector>

#include "core/epilogue.h"
#include "core/problem.h"

namespace faltung {

namespace nb = nanobind;

using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;
using OutputArray = nb::ndarray<nb::device::cpu>;
using Sizes = std::vector<Index>;

Type type_from_name(const std::string& name);

int checked_threads(int threads);

Border border_from_name(const std::string& name);

Activation activation_from_name(const std::string& name);

// Of an array that is not checked yet.
Type type_of(const nb::ndarray<nb::ro>& array);
Sizes shape_of(const nb::ndarray<nb::ro>& array);
bool is_signed(const nb::ndarray<nb::ro>& array);

// Whether two arrays of this size have their cells equally far apart.
bool have_same_strides(const Sizes& size, const Array& a, const Array& b);

// The shapes that a problem asks of its arrays; -1 stands for any batch size.
Sizes x_shape(const Problem& problem);
Sizes y_shape(const Problem& problem);
Sizes weight_shape(const Problem& problem);

// Throws where an array with cells begins between two elements of so many bytes.
void check_aligned(const char* name, const nb::ndarray<nb::ro>& array, Index bytes);

// Checks dtype, alignment and shape; returns data and strides. `batch` is set from the first axis where the
// shape leaves it open (-1), and checked where it was set before.
Array checked_array(const char* name, const nb::ndarray<nb::ro>& array, Type type, const Sizes& shape,
                    Index* batch);

}  // namespace faltung
