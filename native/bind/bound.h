// The two operations as Python holds them: with what they were made for, on checked arrays.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>

#include "bind/arguments.h"
#include "bind/released.h"
#include "core/float_state.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/registry.h"

namespace faltung {

// Other Python threads may wait for so many multiply-adds, some microseconds.
constexpr Index unreleased_multiply_adds = 100000;

// Which weights a packed buffer holds for which readers.
struct PackedWeight {
    std::string algorithm;
    Type type;
    std::vector<Index> layout;
    AlignedBuffer buffer;
    std::optional<AnyArray> borrowed;  // what the buffer refers to
};

// What both kinds of operation have: a problem, its element type, and the family's computation for it.
template <class Operation, auto find_family>  // by name
class Bound {
  public:
    Bound(const std::string& algorithm, const std::string& dtype, const std::string& isa,
          const Problem& problem)
        : algorithm_(algorithm), type_(type_from_name(dtype)), isa_(isa_from_name(isa)), problem_(problem) {
        const FloatState state(usual_float_control(false));  // of the tables that some families make
        operation_ = make(algorithm);
    }

    static Index panel_bytes(const std::string& algorithm, const std::string& dtype, const std::string& isa,
                             const Problem& problem) {
        const Type type = type_from_name(dtype);
        return find_family(algorithm).panel_bytes(problem, is_native(algorithm, type) ? type : Type::float32,
                                                  isa_from_name(isa));
    }

    // Whether kernels read this type as it is.
    static bool is_native(const std::string& algorithm, Type type) {
        return !is_half(type) || algorithm == "dots";
    }

    std::unique_ptr<Operation> make(const std::string& algorithm) const {
        const auto& family = find_family(algorithm);
        if (is_native(algorithm, type_)) return family.make(problem_, type_, isa_);
        if constexpr (std::is_same_v<Operation, Correlation>) {
            return half_correlation(family, problem_, type_, isa_);
        } else {
            throw std::invalid_argument("weight gradients are computed in float32, float64 and uint64");
        }
    }

    Type type() const { return type_; }
    Isa isa() const { return isa_; }
    const Problem& problem() const { return problem_; }
    const Operation& operation() const { return *operation_; }

    Index workspace_bytes(int threads) const { return operation_->workspace_bytes(checked_threads(threads)); }

  protected:
    std::string algorithm_;
    Type type_;
    Isa isa_;
    Problem problem_;
    std::unique_ptr<Operation> operation_;
};

class BoundCorrelation : public Bound<Correlation, correlation_family> {
  public:
    using Bound::Bound;

    Index packed_bytes() const { return operation_->packed_bytes(); }

    PackedWeight pack(const AnyArray& weight, int threads, bool borrows) const {
        checked_threads(threads);
        const Array array =
            checked_array("weight", nb::ndarray<nb::ro>(weight), type_, weight_shape(problem_), nullptr);
        if (borrows && operation_->borrowed_bytes() > 0) {
            PackedWeight packed{algorithm_, type_, operation_->packed_layout(),
                                AlignedBuffer(operation_->borrowed_bytes()), weight};
            operation_->borrow(array, packed.buffer.data());
            return packed;
        }
        PackedWeight packed{algorithm_, type_, operation_->packed_layout(), {}, {}};
        released([&] {
            packed.buffer = AlignedBuffer(packed_bytes());
            operation_->pack(array, packed.buffer.data(), threads);
        });
        return packed;
    }

    void check_packed(const PackedWeight& packed) const {
        if (packed.algorithm != algorithm_ || packed.type != type_ ||
            packed.layout != operation_->packed_layout())
            throw std::invalid_argument("packed was made by a correlation with another weight layout");
    }

    PackedWeight pack_factors(const AnyArray& factors) const {
        if (operation_->factor_length() == 0)
            throw std::invalid_argument("algorithm '" + algorithm_ + "' takes no factors");
        Index rank = -1;
        const Array array =
            checked_array("factors", nb::ndarray<nb::ro>(factors), type_,
                          {-1, problem_.groups, problem_.out_channels, operation_->factor_length()}, &rank);
        PackedWeight packed{algorithm_, type_, operation_->packed_layout(), {}, {}};
        released([&] {
            packed.buffer = AlignedBuffer(operation_->factors_bytes(rank));
            operation_->pack_factors(array, rank, packed.buffer.data());
        });
        return packed;
    }

    void run(const AnyArray& x, const PackedWeight& packed, const std::optional<AnyArray>& bias,
             const OutputArray& y, bool accumulate, int threads, const std::string& activation,
             const std::optional<AnyArray>& residual) const {
        checked_threads(threads);
        check_packed(packed);
        Index batch = -1;
        const Array x_array = checked_array("x", nb::ndarray<nb::ro>(x), type_, x_shape(problem_), &batch);
        const Array y_array = checked_array("y", nb::ndarray<nb::ro>(y), type_, y_shape(problem_), &batch);
        Epilogue epilogue;
        if (bias) {
            const Index channels = problem_.groups * problem_.out_channels;
            const Array array =
                checked_array("bias", nb::ndarray<nb::ro>(*bias), sum_type(type_), {channels}, nullptr);
            if (channels > 1 && array.stride[0] != 1) throw std::invalid_argument("bias is not contiguous");
            epilogue.bias = array.data;
        }
        Array added{nullptr, {}};
        if (residual)
            added =
                checked_array("residual", nb::ndarray<nb::ro>(*residual), type_, y_shape(problem_), &batch);
        const EpilogueLoop loop = epilogue_loop(activation_from_name(activation), residual.has_value(),
                                                sum_type(type_), is_signed(nb::ndarray<nb::ro>(y)), isa_);
        Sizes size = y_shape(problem_);
        size[0] = batch;
        const bool is_fused = !residual || have_same_strides(size, y_array, added);
        if (is_half(type_) && !is_fused) throw std::invalid_argument("the residual lies otherwise than y");
        if (is_fused) epilogue.finish_with(loop, y_array.data, added.data);
        threads = worthwhile_threads(saturating_multiply(batch, work_of(problem_)), threads);
        released([&] {
            operation_->run(batch, x_array, packed.buffer.data(), epilogue, y_array, accumulate, threads);
            if (!is_fused) finish_all(loop, element_bytes(type_), size, y_array, &added, threads);
        });
    }

    bool keeps_bound(const AnyArray& x, const PackedWeight& packed, int threads) const {
        checked_threads(threads);
        check_packed(packed);
        Index batch = -1;
        const Array array = checked_array("x", nb::ndarray<nb::ro>(x), type_, x_shape(problem_), &batch);
        return released(
            [&] { return batch == 0 || operation_->keeps_bound(array, packed.buffer.data(), threads); });
    }
};

class BoundWeightGradient : public Bound<WeightGradient, weight_gradient_family> {
  public:
    using Bound::Bound;

    void run(const AnyArray& x, const AnyArray& grad, const OutputArray& gw, int threads) const {
        checked_threads(threads);
        Index batch = -1;
        const Array x_array = checked_array("x", nb::ndarray<nb::ro>(x), type_, x_shape(problem_), &batch);
        const Array grad_array =
            checked_array("grad", nb::ndarray<nb::ro>(grad), type_, y_shape(problem_), &batch);
        const Array gw_array =
            checked_array("gw", nb::ndarray<nb::ro>(gw), type_, weight_shape(problem_), nullptr);
        compute(batch, x_array, grad_array, gw_array, threads);
    }

    // Of arrays that are checked.
    void compute(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const {
        const Index work = saturating_multiply(batch, work_of(problem_));
        released_if(work >= unreleased_multiply_adds,
                    [&] { operation_->run(batch, x, grad, gw, worthwhile_threads(work, threads)); });
    }
};

}  // namespace faltung
