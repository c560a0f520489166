// A checksum of memory, by which a change is noticed.
#pragma once

#include "core/index.h"

namespace faltung {

// Different for any two contents that differ in eight aligned bytes alone; else the same by accident about
// once in 2^64.
std::uint64_t fingerprint(const void* data, Index bytes, int threads);

}  // namespace faltung
