// Memory given back is kept and given out again: to touch fresh pages takes longer than most kernels take.
#pragma once

#include "core/index.h"

namespace faltung {

// Memory that nobody uses is kept up to so many bytes, in blocks up to a quarter of that.
constexpr Index recycled_bytes_kept = Index(256) << 20;

// A block that nobody has taken while so many others were given back goes back to the system.
constexpr Index recycled_returns_kept = 1024;

// Of less, the C library takes care itself.
constexpr Index least_recycled_bytes = Index(64) << 10;

// So many bytes are taken for a block of `bytes`; below `saturated`.
Index recycled_block_bytes(Index bytes);

// Aligned to a cache line at least, with unspecified contents; nullptr where there is no memory. From any
// thread.
char* take_recycled(Index bytes);

// Of what was taken, with the same number of bytes.
void give_recycled(char* data, Index bytes);

// What is kept and not in use.
Index recycled_bytes_idle();

// Makes the shelves now, and has them survive a fork.
void start_recycling();

}  // namespace faltung
