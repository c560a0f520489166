// NumPy arrays read through their C structure, several times as fast as through DLPack or buffers.
#pragma once

#include <nanobind/nanobind.h>

#include <vector>

#include "bind/arguments.h"
#include "core/cpu.h"

namespace faltung {

// Other Python threads may wait while so many cells are looked at, some microseconds.
constexpr Index unreleased_cells = 100000;

// What `__array_struct__` points to, https://numpy.org/doc/stable/reference/arrays.interface.html
struct ArrayInterface {
    int two, axes;
    char kind;
    int item_bytes, flags;
    Py_ssize_t *shape, *strides;  // strides in bytes
    void* data;
    PyObject* description;
};

// Finds now what reading needs of NumPy.
void start_reading();

// An array that kernels can read as it lies: exactly a numpy.ndarray, of native byte order, aligned, its
// strides whole elements. Valid while the array lives.
class NumpyArray {
  public:
    NumpyArray() = default;

    // Anything else leaves the object empty.
    static NumpyArray read(nb::handle array);

    explicit operator bool() const { return interface_ != nullptr; }
    bool is(char kind, Index item_bytes) const {
        return interface_->kind == kind && interface_->item_bytes == item_bytes;
    }
    // For dtypes that kind and size do not tell.
    bool has_dtype(nb::handle dtype) const;
    bool is_writable() const { return (interface_->flags & 0x400) != 0; }
    int axes() const { return interface_->axes; }
    Index size(int axis) const { return interface_->shape[axis]; }
    Index stride(int axis) const { return interface_->strides[axis] / interface_->item_bytes; }
    void* data() const { return interface_->data; }
    bool has_shape(const Index* shape, int axes) const;
    bool ends_with(const std::vector<Index>& sample) const;  // its last axes
    bool is_contiguous() const;                              // in C order

    // (N, C, *size), or (C, *size) of so many axes, as (N, groups, channels of a group, *size).
    Array grouped(Index groups, int sample_axes) const;

    // Whether all numbers are finite and of at most this magnitude.
    bool is_within(double largest, Type type, Isa isa, int threads, bool refuses_denormals = false) const;

    // Whether the memory between the first and the last cell of both may have a byte in common.
    bool may_overlap(const NumpyArray& other) const;

  private:
    void extent(std::uintptr_t* begin, std::uintptr_t* end) const;

    nb::handle array_;
    nb::object capsule_;
    const ArrayInterface* interface_ = nullptr;
};

}  // namespace faltung
