#include "bind/numpy_array.h"

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
    for (int a = 0; a < interface->axes; ++a)
        if (interface->strides[a] % interface->item_bytes != 0) return result;
    result.capsule_ = std::move(capsule);
    result.interface_ = interface;
    return result;
}

bool NumpyArray::has_shape(const Index* shape, int axes) const {
    if (interface_->axes != axes) return false;
    for (int a = 0; a < axes; ++a)
        if (interface_->shape[a] != shape[a]) return false;
    return true;
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
