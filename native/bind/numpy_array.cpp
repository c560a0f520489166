#include "bind/numpy_array.h"

#include "bind/released.h"
#include "core/magnitude.h"

namespace faltung {

namespace {

constexpr int aligned = 0x100, native_order = 0x200;

// Held for the life of the process.
PyObject* array_type() {
    static PyObject* const type = nb::object(nb::module_::import_("numpy").attr("ndarray")).release().ptr();
    return type;
}

PyObject* struct_name() {
    static PyObject* const name = PyUnicode_InternFromString("__array_struct__");
    return name;
}

}  // namespace

void start_reading() {
    array_type();
    struct_name();
}

NumpyArray NumpyArray::read(nb::handle array) {
    NumpyArray result;
    if (reinterpret_cast<PyObject*>(Py_TYPE(array.ptr())) != array_type()) return result;
    nb::object capsule = nb::steal(PyObject_GetAttr(array.ptr(), struct_name()));
    if (!capsule.is_valid()) {
        PyErr_Clear();
        return result;
    }
    const auto* interface = static_cast<const ArrayInterface*>(PyCapsule_GetPointer(capsule.ptr(), nullptr));
    if (!interface) PyErr_Clear();
    const int needed = aligned | native_order;
    if (!interface || interface->two != 2 || (interface->flags & needed) != needed) return result;
    if (interface->item_bytes < 1) return result;  // of dtype V0
    for (int a = 0; a < interface->axes; ++a)
        if (interface->strides[a] % interface->item_bytes != 0) return result;
    result.array_ = array;
    result.capsule_ = std::move(capsule);
    result.interface_ = interface;
    return result;
}

bool NumpyArray::has_dtype(nb::handle dtype) const {
    return array_.attr("dtype").is(dtype);
}

bool NumpyArray::has_shape(const Index* shape, int axes) const {
    if (interface_->axes != axes) return false;
    for (int a = 0; a < axes; ++a)
        if (interface_->shape[a] != shape[a]) return false;
    return true;
}

bool NumpyArray::ends_with(const std::vector<Index>& sample) const {
    const int count = static_cast<int>(sample.size());
    if (axes() < count) return false;
    for (int a = 0; a < count; ++a)
        if (size(axes() - count + a) != sample[static_cast<std::size_t>(a)]) return false;
    return true;
}

Array NumpyArray::grouped(Index groups, int sample_axes) const {
    const int first = axes() - sample_axes;
    Array result{data(), {}};
    result.stride.reserve(static_cast<std::size_t>(sample_axes) + 2);
    const Index channel = stride(first);
    result.stride.push_back(first ? stride(0) : 0);
    result.stride.push_back(groups ? size(first) / groups * channel : 0);
    result.stride.push_back(channel);
    for (int a = first + 1; a < axes(); ++a) result.stride.push_back(stride(a));
    return result;
}

bool NumpyArray::is_within(double largest, Type type, Isa isa, int threads, bool refuses_denormals) const {
    std::vector<Index> shape;
    Array cells{data(), {}};
    Index count = 1;
    for (int a = 0; a < axes(); ++a) {
        shape.push_back(size(a));
        cells.stride.push_back(stride(a));
        count *= size(a);
    }
    return released_if(count >= unreleased_cells, [&] {
        return faltung::is_within(largest, type, isa, shape, cells, threads, refuses_denormals);
    });
}

bool NumpyArray::is_contiguous() const {
    Index expected = 1;
    for (int a = axes(); a-- > 0;) {
        if (size(a) != 1 && stride(a) != expected) return false;
        expected *= size(a);
    }
    return true;
}

void NumpyArray::extent(std::uintptr_t* begin, std::uintptr_t* end) const {
    *begin = *end = reinterpret_cast<std::uintptr_t>(data());
    for (int a = 0; a < axes(); ++a) {
        if (size(a) == 0) {
            *end = *begin;
            return;
        }
        const Index reach = interface_->strides[a] * (size(a) - 1);
        if (reach < 0) {
            *begin -= static_cast<std::uintptr_t>(-reach);
        } else {
            *end += static_cast<std::uintptr_t>(reach);
        }
    }
    *end += static_cast<std::uintptr_t>(interface_->item_bytes);
}

bool NumpyArray::may_overlap(const NumpyArray& other) const {
    std::uintptr_t begin, end, other_begin, other_end;
    extent(&begin, &end);
    other.extent(&other_begin, &other_end);
    return begin < other_end && other_begin < end;
}

}  // namespace faltung
