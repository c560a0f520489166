#include "bind/arguments.h"

#include <stdexcept>

namespace faltung {

namespace {

[[noreturn]] void refuse(const std::string& message) {
    throw std::invalid_argument(message);
}

std::string text(const Sizes& shape) {
    std::string joined = "(";
    for (std::size_t a = 0; a < shape.size(); ++a) {
        if (a) joined += ", ";
        joined += shape[a] < 0 ? "N" : std::to_string(shape[a]);
    }
    return joined + ")";
}

bool has_type(const nb::dlpack::dtype& dtype, Type type) {
    using Code = nb::dlpack::dtype_code;
    if (dtype.lanes != 1) return false;
    const auto code = static_cast<Code>(dtype.code);
    switch (type) {
        case Type::float32:
            return code == Code::Float && dtype.bits == 32;
        case Type::float64:
            return code == Code::Float && dtype.bits == 64;
        case Type::uint64:
            return (code == Code::UInt || code == Code::Int) && dtype.bits == 64;
        case Type::float16:
        case Type::bfloat16:  // by their bits
            return code == Code::UInt && dtype.bits == 16;
    }
    return false;
}

const char* type_name(Type type) {
    if (is_half(type)) return "uint16, by which half precision is passed";
    return type == Type::float32 ? "float32" : type == Type::float64 ? "float64" : "uint64";
}

Sizes with_spatial(Sizes shape, const Problem& problem, Index Axis::* size) {
    for (const Axis& axis : problem.axes) shape.push_back(axis.*size);
    return shape;
}

}  // namespace

Type type_from_name(const std::string& name) {
    if (name == "float32") return Type::float32;
    if (name == "float64") return Type::float64;
    if (name == "uint64") return Type::uint64;
    if (name == "float16") return Type::float16;
    if (name == "bfloat16") return Type::bfloat16;
    refuse("dtype='" + name + "' is not one of float32, float64, uint64, float16, bfloat16");
}

int checked_threads(int threads) {
    if (threads < 1) refuse("threads=" + std::to_string(threads) + " must be at least 1");
    return threads;
}

Border border_from_name(const std::string& name) {
    if (name == "zeros") return Border::zeros;
    if (name == "absent") return Border::absent;
    if (name == "circular") return Border::circular;
    if (name == "reflect") return Border::reflect;
    if (name == "replicate") return Border::replicate;
    if (name == "symmetric") return Border::symmetric;
    refuse("mode='" + name + "' is not one of zeros, absent, circular, reflect, replicate, symmetric");
}

Activation activation_from_name(const std::string& name) {
    if (name == "none") return Activation::none;
    if (name == "relu") return Activation::relu;
    if (name == "relu6") return Activation::relu6;
    if (name == "silu") return Activation::silu;
    if (name == "sigmoid") return Activation::sigmoid;
    if (name == "hardsigmoid") return Activation::hardsigmoid;
    if (name == "hardswish") return Activation::hardswish;
    if (name == "gelu") return Activation::gelu;
    refuse("activation='" + name +
           "' is not one of none, relu, relu6, silu, sigmoid, hardsigmoid, hardswish, gelu");
}

Type type_of(const nb::ndarray<nb::ro>& array) {
    for (Type type : {Type::float32, Type::float64, Type::uint64, Type::bfloat16})
        if (has_type(array.dtype(), type)) return type;
    refuse("an array is not of dtype float32, float64, int64 or uint64");
}

Sizes shape_of(const nb::ndarray<nb::ro>& array) {
    Sizes shape;
    for (std::size_t a = 0; a < array.ndim(); ++a) shape.push_back(static_cast<Index>(array.shape(a)));
    return shape;
}

bool is_signed(const nb::ndarray<nb::ro>& array) {
    return static_cast<nb::dlpack::dtype_code>(array.dtype().code) != nb::dlpack::dtype_code::UInt;
}

bool have_same_strides(const Sizes& size, const Array& a, const Array& b) {
    for (std::size_t axis = 0; axis < size.size(); ++axis)
        if (size[axis] > 1 && a.stride[axis] != b.stride[axis]) return false;
    return true;
}

Sizes x_shape(const Problem& p) {
    return with_spatial({-1, p.groups, p.in_channels}, p, &Axis::in);
}

Sizes y_shape(const Problem& p) {
    return with_spatial({-1, p.groups, p.out_channels}, p, &Axis::out);
}

Sizes weight_shape(const Problem& p) {
    return with_spatial({p.groups, p.out_channels, p.in_channels}, p, &Axis::kernel);
}

void check_aligned(const char* name, const nb::ndarray<nb::ro>& array, Index bytes) {
    const bool is_aligned =
        reinterpret_cast<std::uintptr_t>(array.data()) % static_cast<std::uintptr_t>(bytes) == 0;
    if (!is_aligned && array.size() > 0) refuse(std::string(name) + " is not aligned");
}

Array checked_array(const char* name, const nb::ndarray<nb::ro>& array, Type type, const Sizes& shape,
                    Index* batch) {
    if (!has_type(array.dtype(), type)) refuse(std::string(name) + " is not of dtype " + type_name(type));
    check_aligned(name, array, element_bytes(type));
    Sizes own;
    Array result{const_cast<void*>(static_cast<const void*>(array.data())), {}};
    for (std::size_t a = 0; a < array.ndim(); ++a) {
        own.push_back(static_cast<Index>(array.shape(a)));
        result.stride.push_back(array.stride(a));
    }
    bool is_right = own.size() == shape.size();
    for (std::size_t a = 0; is_right && a < own.size(); ++a) {
        if (shape[a] >= 0) {
            is_right = own[a] == shape[a];
        } else if (*batch < 0) {
            *batch = own[a];
        } else if (own[a] != *batch) {
            refuse(std::string(name) + " has batch size " + std::to_string(own[a]) + ", expected " +
                   std::to_string(*batch));
        }
    }
    if (!is_right) refuse(std::string(name) + " has shape " + text(own) + ", expected " + text(shape));
    return result;
}

}  // namespace faltung
