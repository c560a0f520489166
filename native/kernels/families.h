// What the families of the registry are made of.
#pragma once

#include <stdexcept>
#include <string>

#include "core/isa_switch.h"
#include "core/operation.h"
#include "kernels/general/general.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(template <class T> GeneralKernel<T> general_kernel();)

// Throws where there is a reason why an algorithm does not serve a problem.
inline void check_served(const char* algorithm, const char* reason) {
    if (reason)
        throw std::invalid_argument("algorithm '" + std::string(algorithm) +
                                    "' does not serve this problem: " + reason);
}

// make(T()) for the element type that `type` names.
template <class Make>
auto for_type(Type type, Make make) {
    if (type == Type::float32) return make(float());
    if (type == Type::float64) return make(double());
    return make(std::uint64_t());
}

// A family of panel kernels: `Kernel::get<T>(isa, out_channels)` behind the driver `Operation<T>`.
template <class Base, template <class> class Operation, class Kernel>
struct PanelFamily {
    static std::unique_ptr<Base> make(const Problem& problem, Type type, Isa isa) {
        Kernel::check(problem);
        return for_type(type, [&](auto zero) -> std::unique_ptr<Base> {
            using T = decltype(zero);
            return std::make_unique<Operation<T>>(problem,
                                                  Kernel::template get<T>(isa, problem.out_channels));
        });
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        Kernel::check(problem);
        return for_type(type, [&](auto zero) {
            using T = decltype(zero);
            return Operation<T>::panel_bytes_for(problem, Kernel::template get<T>(isa, problem.out_channels));
        });
    }
};

struct AnyProblem {
    static void check(const Problem&) {}
};

// A family that computes one phase of a transposed correlation at a time.
template <class Base, class Family>
struct OnePhaseAlone {
    static void check(const Problem& problem) {
        if (!problem.phases.empty())
            throw std::invalid_argument("this algorithm computes one phase at a time");
    }

    static std::unique_ptr<Base> make(const Problem& problem, Type type, Isa isa) {
        check(problem);
        return Family::make(problem, type, isa);
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        check(problem);
        return Family::panel_bytes(problem, type, isa);
    }
};

template <class Base, template <class> class Operation>
struct GeneralFamily {
    template <class T>
    static GeneralKernel<T> kernel(Isa isa) {
        FALTUNG_RETURN_FOR_ISA(isa, general_kernel<T>())
        return {};
    }

    static std::unique_ptr<Base> make(const Problem& problem, Type type, Isa isa) {
        return for_type(type, [&](auto zero) -> std::unique_ptr<Base> {
            using T = decltype(zero);
            return std::make_unique<Operation<T>>(problem, kernel<T>(isa));
        });
    }

    static Index panel_bytes(const Problem&, Type, Isa) { return 0; }
};

// The one of this name; throws std::invalid_argument where there is none, naming those there are.
template <class Families>
const auto& find(const Families& families, const std::string& name) {
    std::string known;
    for (const auto& family : families) {
        if (name == family.name) return family;
        known += known.empty() ? family.name : std::string(", ") + family.name;
    }
    throw std::invalid_argument("algorithm='" + name + "' is unknown; there are " + known);
}

}  // namespace faltung
