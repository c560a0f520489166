#include "kernels/registry.h"

#include <stdexcept>

#include "core/isa_switch.h"
#include "kernels/channelwise/channelwise.h"
#include "kernels/depthwise/depthwise.h"
#include "kernels/dilated/dilated.h"
#include "kernels/dots/dots.h"
#include "kernels/general/general.h"
#include "kernels/gradient/panel_gradient.h"
#include "kernels/gradient_channelwise/channelwise_gradient.h"
#include "kernels/gradient_depthwise/depthwise_gradient.h"
#include "kernels/gradient_direct/direct_gradient.h"
#include "kernels/gradient_winograd/winograd_gradient.h"
#include "kernels/grouped/grouped.h"
#include "kernels/panel_correlation.h"
#include "kernels/planes/plane_phases.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/separable/separable.h"
#include "kernels/spectral/spectral.h"
#include "kernels/transposed/phased_correlation.h"
#include "kernels/unfold/unfold.h"
#include "kernels/winograd/winograd.h"
#include "kernels/winograd_phases/winograd_phases.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(template <class T> CorrelationKernel<T> direct_kernel(Index out_channels);)
FALTUNG_DECLARE_PER_ISA(template <class T> PlaneKernel<T> plane_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> PointwiseKernel<T> pointwise_kernel(Index out_channels);)
FALTUNG_DECLARE_PER_ISA(template <class T> PlaneUnfolder<T> plane_unfolder();)
FALTUNG_DECLARE_PER_ISA(template <class T> CorrelationKernel<T> filter_kernel(Index out_channels);)
FALTUNG_DECLARE_PER_ISA(template <class T> ChannelwiseKernel<T> channelwise_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> PhaseRows<T> phase_rows();)
FALTUNG_DECLARE_PER_ISA(template <class T> DepthwiseKernel<T> depthwise_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> GroupedKernel<T> grouped_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> GeneralKernel<T> general_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> SeparableKernel<T> separable_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> SpectralKernel<T> spectral_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> WinogradKernel<T> winograd_kernel(WinogradForm form);)
FALTUNG_DECLARE_PER_ISA(template <class T> PhaseKernel<T> phase_kernel(PhaseForm form);)
FALTUNG_DECLARE_PER_ISA(template <class T> DilatedKernel<T> dilated_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> GradientProductKernel<T> gradient_product_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> WinogradGradientKernel<T> winograd_gradient_kernel(
                            bool along_rows, bool along_columns);)
FALTUNG_DECLARE_PER_ISA(template <class T> GradientKernel<T> gradient_filter_kernel(Index out_channels);)
FALTUNG_DECLARE_PER_ISA(template <class T> DepthwiseGradientKernel<T> depthwise_gradient_kernel();)

namespace {

// make(T(), problem, isa) for the element type that `type` names.
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

template <class T>
PhaseRows<T> phase_rows(Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, phase_rows<T>())
    return {};
}

// The kernels of a panel family, behind the driver of transposed correlations where the problem is one.
template <class Kernel>
struct PhasesToo : PanelFamily<Correlation, PanelCorrelation, Kernel> {
    using OnePhase = PanelFamily<Correlation, PanelCorrelation, Kernel>;

    // A kernel for several channels serves a single one; those for a single one look at rows of one phase.
    template <class T>
    static CorrelationKernel<T> get(Isa isa, Index out_channels) {
        return Kernel::template get<T>(isa, max_index(out_channels, 2));
    }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        if (problem.phases.empty()) return OnePhase::make(problem, type, isa);
        return for_type(type, [&](auto zero) -> std::unique_ptr<Correlation> {
            using T = decltype(zero);
            return std::make_unique<PhasedCorrelation<T>>(problem, get<T>(isa, problem.out_channels),
                                                          phase_rows<T>(isa));
        });
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        if (problem.phases.empty()) return OnePhase::panel_bytes(problem, type, isa);
        return for_type(type, [&](auto zero) {
            using T = decltype(zero);
            return PhasedCorrelation<T>::panel_bytes_for(problem, get<T>(isa, problem.out_channels));
        });
    }
};

struct PlanesFamily {
    template <class T>
    static PlaneKernel<T> kernel(Isa isa) {
        FALTUNG_RETURN_FOR_ISA(isa, plane_kernel<T>())
        return {};
    }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        if (const char* reason = why_not_plane_phases(problem))
            throw std::invalid_argument(std::string("algorithm 'planes' does not serve this problem: ") +
                                        reason);
        return for_type(type, [&](auto zero) -> std::unique_ptr<Correlation> {
            using T = decltype(zero);
            return std::make_unique<PlanePhases<T>>(problem, kernel<T>(isa), phase_rows<T>(isa));
        });
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
    }
};

// All other families.
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

struct AnyProblem {
    static void check(const Problem&) {}
};

struct DirectKernel : AnyProblem {
    template <class T>
    static CorrelationKernel<T> get(Isa isa, Index out_channels) {
        FALTUNG_RETURN_FOR_ISA(isa, direct_kernel<T>(out_channels))
        return {};
    }
};

struct FilterKernel : AnyProblem {
    template <class T>
    static CorrelationKernel<T> get(Isa isa, Index out_channels) {
        FALTUNG_RETURN_FOR_ISA(isa, filter_kernel<T>(out_channels))
        return {};
    }
};

struct PointwiseProduct {
    static void check(const Problem& problem) {
        if (const char* reason = why_not_pointwise(problem))
            throw std::invalid_argument(std::string("algorithm 'pointwise' does not serve this problem: ") +
                                        reason);
    }

    template <class T>
    static PointwiseKernel<T> get(Isa isa, Index out_channels) {
        FALTUNG_RETURN_FOR_ISA(isa, pointwise_kernel<T>(out_channels))
        return {};
    }
};

struct UnfoldProduct : AnyProblem {
    template <class T>
    static PlaneUnfolder<T> planes(Isa isa) {
        FALTUNG_RETURN_FOR_ISA(isa, plane_unfolder<T>())
        return {};
    }

    template <class T>
    static PointwiseKernel<T> get(Isa isa, Index out_channels) {
        PointwiseKernel<T> kernel = PointwiseProduct::get<T>(isa, out_channels);
        kernel.planes = planes<T>(isa);
        return kernel;
    }
};

struct DepthwiseRows {
    static void check(const Problem& problem) {
        if (const char* reason = why_not_depthwise(problem))
            throw std::invalid_argument(std::string("algorithm 'depthwise' does not serve this problem: ") +
                                        reason);
    }

    template <class T>
    static DepthwiseKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, depthwise_kernel<T>())
        return {};
    }
};

struct ChannelwiseMaps {
    static void check(const Problem& problem) {
        if (const char* reason = why_not_channelwise(problem))
            throw std::invalid_argument(std::string("algorithm 'channelwise' does not serve this problem: ") +
                                        reason);
    }

    template <class T>
    static ChannelwiseKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, channelwise_kernel<T>())
        return {};
    }
};

struct SeparableRows {
    static void check(const Problem& problem) {
        if (const char* reason = why_not_separable(problem))
            throw std::invalid_argument(std::string("algorithm 'separable' does not serve this problem: ") +
                                        reason);
    }

    template <class T>
    static SeparableKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, separable_kernel<T>())
        return {};
    }
};

struct GradientDirectKernel : AnyProblem {
    template <class T>
    static GradientProductKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, gradient_product_kernel<T>())
        return {};
    }
};

struct ChannelwiseGradientPairs : GradientDirectKernel {
    static void check(const Problem& problem) {
        if (const char* reason = why_not_channelwise_gradient(problem))
            throw std::invalid_argument(std::string("algorithm 'channelwise' does not serve this problem: ") +
                                        reason);
    }
};

struct GradientFilterKernel : AnyProblem {
    template <class T>
    static GradientKernel<T> get(Isa isa, Index out_channels) {
        FALTUNG_RETURN_FOR_ISA(isa, gradient_filter_kernel<T>(out_channels))
        return {};
    }
};

struct DepthwiseGradientRows : AnyProblem {
    template <class T>
    static DepthwiseGradientKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, depthwise_gradient_kernel<T>())
        return {};
    }
};

struct GroupedFamily {
    template <class T>
    static GroupedKernel<T> kernel(Isa isa) {
        FALTUNG_RETURN_FOR_ISA(isa, grouped_kernel<T>())
        return {};
    }

    static void check(const Problem& problem) {
        if (const char* reason = why_not_grouped(problem))
            throw std::invalid_argument(std::string("algorithm 'grouped' does not serve this problem: ") +
                                        reason);
    }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        check(problem);
        return for_type(type, [&](auto zero) -> std::unique_ptr<Correlation> {
            using T = decltype(zero);
            return std::make_unique<GroupedCorrelation<T>>(
                problem, kernel<T>(isa), FilterKernel::get<T>(isa, problem.out_channels),
                UnfoldProduct::get<T>(isa, problem.out_channels).pixels);
        });
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        check(problem);
        return PanelFamily<Correlation, PanelCorrelation, FilterKernel>::panel_bytes(problem, type, isa);
    }
};

struct DotsFamily {
    static void check(Type type, Isa isa) {
        if (const char* reason = why_not_dots(type, isa))
            throw std::invalid_argument(std::string("algorithm 'dots' does not serve this problem: ") +
                                        reason);
    }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        check(type, isa);
        return make_dots(problem, isa);
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        check(type, isa);
        return dots_panel_bytes(problem);
    }
};

struct WinogradFamily {
    template <class T>
    static WinogradKernel<T> kernel(Isa isa, WinogradForm form) {
        FALTUNG_RETURN_FOR_ISA(isa, winograd_kernel<T>(form))
        return {};
    }

    template <class T>
    static PhaseKernel<T> kernel(Isa isa, PhaseForm form) {
        FALTUNG_RETURN_FOR_ISA(isa, phase_kernel<T>(form))
        return {};
    }

    template <class T>
    static std::unique_ptr<Correlation> make_for(const Problem& problem, Isa isa) {
        if (!problem.phases.empty() || why_not_winograd(problem, Type::float32)) {
            const auto kernel_of = [isa](PhaseForm form) { return kernel<T>(isa, form); };
            return std::make_unique<WinogradPhases<T>>(problem, kernel_of, kernel<T>(isa, WinogradForm{4, 4}),
                                                       phase_rows<T>(isa));
        }
        const WinogradForm form = winograd_form(Layout(problem));
        return std::make_unique<WinogradCorrelation<T>>(problem, form, kernel<T>(isa, form));
    }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        const char* reason = why_not_winograd_phases(problem, type);
        if (reason && problem.phases.empty()) reason = why_not_winograd(problem, type);
        if (reason)
            throw std::invalid_argument(std::string("algorithm 'winograd' does not serve this problem: ") +
                                        reason);
        if (type == Type::float32) return make_for<float>(problem, isa);
        return make_for<double>(problem, isa);
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();  // tables are built in each call
    }
};

struct Winograd6Family {
    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        if (const char* reason = why_not_winograd6(problem, type))
            throw std::invalid_argument(std::string("algorithm 'winograd6' does not serve this problem: ") +
                                        reason);
        constexpr WinogradForm form{6, 6};
        if (type == Type::float32)
            return std::make_unique<WinogradCorrelation<float>>(problem, form,
                                                                WinogradFamily::kernel<float>(isa, form));
        return std::make_unique<WinogradCorrelation<double>>(problem, form,
                                                             WinogradFamily::kernel<double>(isa, form));
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
    }
};

struct DilatedFamily {
    template <class T>
    static DilatedKernel<T> kernel(Isa isa) {
        FALTUNG_RETURN_FOR_ISA(isa, dilated_kernel<T>())
        return {};
    }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        if (const char* reason = why_not_dilated(problem, type))
            throw std::invalid_argument(std::string("algorithm 'dilated' does not serve this problem: ") +
                                        reason);
        if (type == Type::float32)
            return std::make_unique<DilatedCorrelation<float>>(problem, kernel<float>(isa));
        return std::make_unique<DilatedCorrelation<double>>(problem, kernel<double>(isa));
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
    }
};

struct WinogradGradientFamily {
    template <class T>
    static WinogradGradientKernel<T> kernel(Isa isa, bool along_rows, bool along_columns) {
        FALTUNG_RETURN_FOR_ISA(isa, winograd_gradient_kernel<T>(along_rows, along_columns))
        return {};
    }

    template <class T>
    static std::unique_ptr<WeightGradient> make_for(const Problem& problem, Isa isa) {
        const WinogradGradientForm form(problem);
        return std::make_unique<WinogradGradient<T>>(
            problem, form, GradientDirectKernel::get<T>(isa, 0),
            kernel<T>(isa, form.rows.is_transformed(), form.columns.is_transformed()));
    }

    static std::unique_ptr<WeightGradient> make(const Problem& problem, Type type, Isa isa) {
        if (const char* reason = why_not_winograd_gradient(problem, type))
            throw std::invalid_argument(std::string("algorithm 'winograd' does not serve this problem: ") +
                                        reason);
        if (type == Type::float32) return make_for<float>(problem, isa);
        return make_for<double>(problem, isa);
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
    }
};

struct SpectralFamily {
    template <class T>
    static SpectralKernel<T> kernel(Isa isa) {
        FALTUNG_RETURN_FOR_ISA(isa, spectral_kernel<T>())
        return {};
    }

    template <class T>
    static SpectralShape shape(const Problem& problem, Isa isa) {
        const SpectralKernel<T> chosen = kernel<T>(isa);
        return best_spectral_shape(problem, Layout(problem), chosen.lanes, sizeof(T), chosen.row_tile);
    }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        if (const char* reason = why_not_spectral(problem, type))
            throw std::invalid_argument(std::string("algorithm 'spectral' does not serve this problem: ") +
                                        reason);
        if (type == Type::float32)
            return std::make_unique<SpectralCorrelation<float>>(problem, kernel<float>(isa));
        return std::make_unique<SpectralCorrelation<double>>(problem, kernel<double>(isa));
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
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

template <class Family>
constexpr CorrelationFamily correlation(const char* name) {
    return {name, OnePhaseAlone<Correlation, Family>::make, OnePhaseAlone<Correlation, Family>::panel_bytes};
}

template <class Kernel>
constexpr CorrelationFamily correlation_of_phases(const char* name) {
    return {name, PhasesToo<Kernel>::make, PhasesToo<Kernel>::panel_bytes};
}

template <class Family>
constexpr WeightGradientFamily gradient(const char* name) {
    return {name, OnePhaseAlone<WeightGradient, Family>::make,
            OnePhaseAlone<WeightGradient, Family>::panel_bytes};
}

constexpr CorrelationFamily correlation_families[] = {
    correlation_of_phases<DirectKernel>("direct"),
    correlation<PanelFamily<Correlation, PointwiseCorrelation, PointwiseProduct>>("pointwise"),
    correlation_of_phases<FilterKernel>("filter"),
    correlation<PanelFamily<Correlation, UnfoldCorrelation, UnfoldProduct>>("unfold"),
    correlation<PanelFamily<Correlation, DepthwiseCorrelation, DepthwiseRows>>("depthwise"),
    correlation<PanelFamily<Correlation, SeparableCorrelation, SeparableRows>>("separable"),
    correlation<PanelFamily<Correlation, ChannelwiseCorrelation, ChannelwiseMaps>>("channelwise"),
    correlation<GroupedFamily>("grouped"),
    correlation<SpectralFamily>("spectral"),
    {"planes", PlanesFamily::make, PlanesFamily::panel_bytes},
    {"winograd", WinogradFamily::make, WinogradFamily::panel_bytes},
    correlation<Winograd6Family>("winograd6"),
    correlation<DilatedFamily>("dilated"),
    {"dots", DotsFamily::make, DotsFamily::panel_bytes},
    correlation<GeneralFamily<Correlation, GeneralCorrelation>>("general"),
};

constexpr WeightGradientFamily weight_gradient_families[] = {
    gradient<PanelFamily<WeightGradient, DirectGradient, GradientDirectKernel>>("direct"),
    gradient<PanelFamily<WeightGradient, PanelGradient, GradientFilterKernel>>("filter"),
    gradient<PanelFamily<WeightGradient, DepthwiseGradient, DepthwiseGradientRows>>("depthwise"),
    gradient<PanelFamily<WeightGradient, ChannelwiseGradient, ChannelwiseGradientPairs>>("channelwise"),
    gradient<WinogradGradientFamily>("winograd"),
    gradient<GeneralFamily<WeightGradient, GeneralGradient>>("general"),
};

template <class Families>
const auto& find(const Families& families, const std::string& name) {
    std::string known;
    for (const auto& family : families) {
        if (name == family.name) return family;
        known += known.empty() ? family.name : std::string(", ") + family.name;
    }
    throw std::invalid_argument("algorithm='" + name + "' is unknown; there are " + known);
}

}  // namespace

const CorrelationFamily& correlation_family(const std::string& name) {
    return find(correlation_families, name);
}

SpectralShape spectral_shape(const Problem& problem, Type type, Isa isa) {
    if (why_not_spectral(problem, type)) return {};
    return type == Type::float32 ? SpectralFamily::shape<float>(problem, isa)
                                 : SpectralFamily::shape<double>(problem, isa);
}

const WeightGradientFamily& weight_gradient_family(const std::string& name) {
    return find(weight_gradient_families, name);
}

}  // namespace faltung
