#include "bind/result.h"

#include <new>

#include "core/recycled.h"
#include "core/workspace.h"

namespace faltung {

namespace {

// What NumPy holds while it uses the memory.
struct ResultMemory {
    AlignedBuffer buffer;
};

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
    const AlignedBuffer& buffer = nb::inst_ptr<ResultMemory>(self)->buffer;
    return PyBuffer_FillInfo(view, self, buffer.data(), static_cast<Py_ssize_t>(buffer.bytes()), 0, flags);
}

PyType_Slot memory_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}, {0, nullptr}};

}  // namespace

Results::Results(const nb::object& dtype)
    : dtype_(dtype),
      empty_(nb::module_::import_("numpy").attr("empty")),
      array_(nb::module_::import_("numpy").attr("ndarray")),
      item_bytes_(nb::cast<Index>(dtype.attr("itemsize"))) {}

nb::object Results::make(const std::vector<Index>& shape) const {
    nb::object sizes = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
    if (!sizes.is_valid()) nb::raise_python_error();
    Index bytes = item_bytes_;
    for (std::size_t a = 0; a < shape.size(); ++a) {
        PyTuple_SetItem(sizes.ptr(), static_cast<Py_ssize_t>(a), PyLong_FromLongLong(shape[a]));
        bytes = saturating_multiply(bytes, shape[a]);
    }
    const bool is_large = bytes >= least_recycled_bytes;
    nb::object memory;
    if (is_large) {
        try {
            memory = nb::cast(ResultMemory{AlignedBuffer(bytes)});
        } catch (const std::bad_alloc&) {
            return nb::none();  // what there is to be said of it is said elsewhere
        }
    }
    PyObject* const arguments[] = {sizes.ptr(), dtype_.ptr(), memory.ptr()};
    nb::object result = nb::steal(
        PyObject_Vectorcall((is_large ? array_ : empty_).ptr(), arguments, is_large ? 3 : 2, nullptr));
    if (!result.is_valid()) {
        PyErr_Clear();
        return nb::none();
    }
    return result;
}

void bind_result(nb::module_& m) {
    nb::class_<ResultMemory>(m, "ResultMemory", nb::type_slots(memory_slots),
                             "Memory of a result, given back when nobody uses it.");
    m.def("idle_bytes", &recycled_bytes_idle, "Memory that was given back and is kept for the next results.");
}

}  // namespace faltung
