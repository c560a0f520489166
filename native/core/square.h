// Small squares of numbers, transposed on their way from one array to another. Internal linkage.
#pragma once

#include <cstring>

#include "core/index.h"

namespace faltung {

namespace {

// Squares of 16 bytes by as many rows, which every processor's vectors can transpose.
template <class T>
struct Square {
    static constexpr int side = 16 / static_cast<int>(sizeof(T));
    typedef T Row __attribute__((vector_size(16)));

    static void transpose(const T* from, Index from_stride, T* to, Index to_stride) {
        Row in[side], out[side];
        for (int i = 0; i < side; ++i) std::memcpy(&in[i], from + i * from_stride, sizeof(Row));
        if constexpr (side == 8) {
            for (int distance = 4; distance > 0; distance /= 2) {
                for (int i = 0; i < 4; ++i) {
                    out[2 * i] = __builtin_shufflevector(in[i], in[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
                    out[2 * i + 1] = __builtin_shufflevector(in[i], in[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
                }
                if (distance == 1) break;
                for (int i = 0; i < side; ++i) in[i] = out[i];
            }
        } else if constexpr (side == 4) {
            Row low[2], high[2];
            for (int i = 0; i < 2; ++i) {
                low[i] = __builtin_shufflevector(in[2 * i], in[2 * i + 1], 0, 4, 1, 5);
                high[i] = __builtin_shufflevector(in[2 * i], in[2 * i + 1], 2, 6, 3, 7);
            }
            out[0] = __builtin_shufflevector(low[0], low[1], 0, 1, 4, 5);
            out[1] = __builtin_shufflevector(low[0], low[1], 2, 3, 6, 7);
            out[2] = __builtin_shufflevector(high[0], high[1], 0, 1, 4, 5);
            out[3] = __builtin_shufflevector(high[0], high[1], 2, 3, 6, 7);
        } else {
            out[0] = __builtin_shufflevector(in[0], in[1], 0, 2);
            out[1] = __builtin_shufflevector(in[0], in[1], 1, 3);
        }
        for (int i = 0; i < side; ++i) std::memcpy(to + i * to_stride, &out[i], sizeof(Row));
    }
};

}  // namespace

}  // namespace faltung
