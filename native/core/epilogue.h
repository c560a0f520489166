// What becomes of a sum once it is complete: y = activation(sum + bias + residual). Drivers add the bias
// first or last, and finish each block of outputs while it is still in the cache.
#pragma once

#include <cstdint>

#include "core/cpu.h"
#include "core/problem.h"

namespace faltung {

enum class Activation { none, relu, relu6, silu, sigmoid, hardsigmoid, hardswish, gelu };

// Some outputs along three axes; element strides. The residual is null where there is none.
struct EpilogueBlock {
    void* y;
    const void* residual;
    Index size[3];
    Index y_stride[3], residual_stride[3];
};

using EpilogueLoop = void (*)(const EpilogueBlock&);

// Null where nothing is to be done; throws std::invalid_argument for integers where the activation
// has fractions. `is_signed` matters
// for integers alone.
EpilogueLoop epilogue_loop(Activation activation, bool adds_residual, Type type, bool is_signed, Isa isa);

class Epilogue {
  public:
    const void* bias = nullptr;  // of each output channel, or null

    Epilogue() = default;
    explicit Epilogue(const void* bias_data) : bias(bias_data) {}

    // The residual, or null, has the strides of y.
    void finish_with(EpilogueLoop loop, const void* y, const void* residual) {
        loop_ = loop;
        has_residual_ = residual != nullptr;
        residual_ = reinterpret_cast<std::uintptr_t>(residual) - reinterpret_cast<std::uintptr_t>(y);
    }

    // To be called once for every output, when its sum is complete.
    template <class T>
    void finish(T* y, Index channels, Index channel_stride, Index rows, Index row_stride, Index columns,
                Index column_stride) const {
        if (!loop_) return;
        const void* residual = reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(y) + residual_);
        loop_({y,
               has_residual_ ? residual : nullptr,
               {channels, rows, columns},
               {channel_stride, row_stride, column_stride},
               {channel_stride, row_stride, column_stride}});
    }

    // Of drivers that finish sums before they store them: whether there is anything to do, and the residual's
    // cell beside that of y, or null.
    EpilogueLoop loop() const { return loop_; }
    const void* residual_of(const void* y) const {
        if (!has_residual_) return nullptr;
        return reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(y) + residual_);
    }

    // The same for the whole of y.
    void finish_all(Index element_bytes, const std::vector<Index>& size, const Array& y, int threads) const;

  private:
    EpilogueLoop loop_ = nullptr;
    bool has_residual_ = false;
    std::uintptr_t residual_ = 0;  // bytes from a cell of y to that of the residual, modulo 2**64
};

// The same for whole arrays of any number of axes; the residual may have strides of its own.
void finish_all(EpilogueLoop loop, Index element_bytes, const std::vector<Index>& size, const Array& y,
                const Array* residual, int threads);

}  // namespace faltung
