// What the binding holds: one prepared computation. Immutable, so any number of threads may run it.
#pragma once

#include <memory>

#include "core/cpu.h"
#include "core/epilogue.h"
#include "core/problem.h"

namespace faltung {

class Correlation {
  public:
    Correlation() = default;
    Correlation(const Correlation&) = delete;
    Correlation& operator=(const Correlation&) = delete;
    virtual ~Correlation() = default;

    virtual Index panel_bytes() const = 0;  // of one thread
    virtual Index workspace_bytes(int threads) const = 0;
    virtual Index packed_bytes() const = 0;
    // Two correlations with the same layout key read the same packed weights.
    virtual std::vector<Index> packed_layout() const = 0;

    virtual void pack(const Array& weight, void* packed, int threads) const = 0;
    // For one call, weights may be read where they lie: `packed`, of so many bytes, then only says where. 0:
    // not so.
    virtual Index borrowed_bytes() const { return 0; }
    virtual void borrow(const Array&, void*) const {}

    // Of families whose kernels are sums of `rank` outer products: instead of weights, for each of these and
    // each output channel (rank, g, oc) the weights of the taps of all axes but the last, then of the last.
    virtual Index factor_length() const { return 0; }
    virtual Index factors_bytes(Index) const { return 0; }
    virtual void pack_factors(const Array&, Index /*rank*/, void* /*packed*/) const {}

    // y = epilogue of the correlation, or of y plus the correlation where `accumulate`.
    virtual void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                     const Array& y, bool accumulate, int threads) const = 0;
    // Whether the error stays within the stated bound for the first sample of x, all of whose values are
    // finite and of moderate size.
    virtual bool keeps_bound(const Array&, const void* /*packed*/, int /*threads*/) const { return true; }
};

class WeightGradient {
  public:
    WeightGradient() = default;
    WeightGradient(const WeightGradient&) = delete;
    WeightGradient& operator=(const WeightGradient&) = delete;
    virtual ~WeightGradient() = default;

    virtual Index panel_bytes() const = 0;
    virtual Index workspace_bytes(int threads) const = 0;
    virtual void run(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const = 0;
};

// A family makes its operation for a problem, or throws std::invalid_argument where it cannot serve it.
struct CorrelationFamily {
    const char* name;
    std::unique_ptr<Correlation> (*make)(const Problem&, Type, Isa);
    Index (*panel_bytes)(const Problem&, Type, Isa);  // without building tables; saturating
};

struct WeightGradientFamily {
    const char* name;
    std::unique_ptr<WeightGradient> (*make)(const Problem&, Type, Isa);
    Index (*panel_bytes)(const Problem&, Type, Isa);
};

}  // namespace faltung
