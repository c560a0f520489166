// Lines of the caches, and distances in memory that suit them.
#pragma once

#include "core/index.h"

namespace faltung {

constexpr Index cache_line_bytes = 64;

// Of the first cache for data: lines so far apart share a set, and so many are in it together.
constexpr Index l1_way_bytes = 4096;
Index l1_ways();

template <class T>
constexpr Index line_elements = cache_line_bytes / Index(sizeof(T));

// An odd number of cache lines with room for `elements`: what lies an even number of them apart would use
// only some of the sets of a cache.
static inline Index odd_lines(Index elements, Index element_bytes) {
    const Index line = cache_line_bytes / element_bytes;
    return elements >= saturated / line ? saturated : (ceil_divide(elements, line) | 1) * line;
}

}  // namespace faltung
