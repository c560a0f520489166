// The contract between the driver of phases summed from planes and the kernel that sums them.
#pragma once

#include <cstdint>

#include "core/index.h"

namespace faltung {

// Cells `shift` from each position, and the members that one of its taps meets there, a bit each.
struct PlaneStep {
    std::int32_t shift, members;
};

// Positions follow on one another over the ends of rows: those between two rows are summed, and never read.
template <class T>
struct PlaneSums {
    static constexpr int most_members = 4;
    const T* cells;  // [channel][position]
    Index cell_pitch;
    const PlaneStep *steps, *steps_end;
    Index channels;   // of the input
    const T* weight;  // of each channel and step, one for each of its members, in order
    T* sums;          // [member][position], whole vectors, 64-byte aligned
    Index sum_pitch;
    Index members;  // 1, 2 or 4
    Index vectors;  // of positions
    const T* bias;  // null: 0
    bool resumes;   // from the sums
};

template <class T>
struct PlaneKernel {
    Index lanes = 1;
    void (*sum)(const PlaneSums<T>&) = nullptr;
};

}  // namespace faltung
