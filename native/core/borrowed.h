// Packed weights may be none: for one call only where weights lie that are read without having been packed.
#pragma once

#include <cstring>
#include <optional>

#include "core/problem.h"
#include "core/workspace.h"

namespace faltung {

// What packed weights begin with: where weights of so many spatial axes lie, or that they do not.
inline Index packed_head_bytes(std::size_t axes) {
    const Index words = 1 + outer_axes + static_cast<Index>(axes);
    return round_up(words * Index(sizeof(Index)), workspace_alignment);
}

inline void write_packed_head(void* packed, std::size_t axes) {
    std::memset(packed, 0, static_cast<std::size_t>(packed_head_bytes(axes)));
}

inline void write_borrowed(const Array& weight, void* packed) {
    std::memcpy(packed, &weight.data, sizeof weight.data);
    std::memcpy(static_cast<char*>(packed) + sizeof weight.data, weight.stride.data(),
                weight.stride.size() * sizeof(Index));
}

// Nothing where weights are packed, behind the head.
inline std::optional<Array> borrowed_weight(const void* packed, std::size_t axes) {
    Array weight{nullptr, {}};
    std::memcpy(&weight.data, packed, sizeof weight.data);
    if (weight.data == nullptr) return std::nullopt;
    weight.stride.resize(outer_axes + axes);
    std::memcpy(weight.stride.data(), static_cast<const char*>(packed) + sizeof weight.data,
                weight.stride.size() * sizeof(Index));
    return weight;
}

}  // namespace faltung
