// The contract between the driver of depthwise weight gradients and the kernels that sum up one tile.
#pragma once

#include "core/index.h"

namespace faltung {

// A bit for each of the first `count` lanes.
static inline std::uint32_t first_lanes(Index count) {
    return static_cast<std::uint32_t>((std::uint64_t(1) << count) - 1);
}

// Some rows of grad, a vector wide, meet `taps` rows of taps: row r and tap row k read the cells of row r +
// k. To the running sums of every tap the kernel adds the products, lane by lane, row after row.
template <class T>
struct DepthwiseGradientTile {
    const T* grad;  // of the first row; unless kernels read masked, whole vectors, zero behind the columns
    Index grad_pitch;
    Index rows;                // at least taps - 1
    std::uint32_t grad_lanes;  // bit mask of those that hold a position

    const T* cells;  // of row 0 and place 0; may lie outside
    Index pitch;
    Index begin, end;  // rows of cells that lie inside; others are zeros, not read
    bool zeros_count;  // whether those zeros meet what grad holds: 0 * inf is NaN
    int taps;          // rows of taps

    const std::int32_t* place;        // of each column of taps, where its cell for lane 0 lies
    const std::uint32_t* lanes;       // of each column of taps, the lanes to read; others are zeros
    Index first_column, last_column;  // of taps
    T* sums;                          // of tap column 0: a vector a column
    Index sums_pitch;                 // from one row of taps to the next
    Index grad_ahead, cells_ahead;    // element offsets of what is wanted next: fetched meanwhile, or 0
};

template <class T>
struct DepthwiseGradientKernel {
    Index lanes = 1;
    Index narrow_lanes = 1;  // of the tiles for the columns that are left over
    bool masks = false;      // whether grad and cells are read under masks; else cells are read in whole
                             // vectors, and lanes are those before some last one

    void (*compute)(const DepthwiseGradientTile<T>&) = nullptr;
    void (*compute_narrow)(const DepthwiseGradientTile<T>&) = nullptr;
    int (*next_taps)(Index remaining) = nullptr;  // rows of taps that the next tile had best take
    void (*add_lanes)(const T* sums, Index count, T* totals) = nullptr;
    void (*copy_cells)(const T* from, Index step, Index count, T* to) = nullptr;
};

}  // namespace faltung
