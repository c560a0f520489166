#include "kernels/registry.h"

#include "kernels/channelwise/channelwise.h"
#include "kernels/converted/converted.h"
#include "kernels/depthwise/bfloat16_depthwise.h"
#include "kernels/depthwise/depthwise.h"
#include "kernels/dilated/dilated.h"
#include "kernels/dots/dots.h"
#include "kernels/families.h"
#include "kernels/grouped/grouped.h"
#include "kernels/panel_correlation.h"
#include "kernels/planes/plane_phases.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/separable/separable.h"
#include "kernels/spectral/spectral.h"
#include "kernels/stem/stem.h"
#include "kernels/transposed/phased_correlation.h"
#include "kernels/transposed/shuffled_pointwise.h"
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
FALTUNG_DECLARE_PER_ISA(template <class T> SeparableKernel<T> separable_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> SpectralKernel<T> spectral_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> WinogradKernel<T> winograd_kernel(WinogradForm form);)
FALTUNG_DECLARE_PER_ISA(template <class T> PhaseKernel<T> phase_kernel(PhaseForm form);)
FALTUNG_DECLARE_PER_ISA(template <class T> DilatedKernel<T> dilated_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> StemKernel<T> stem_kernel(Index taps, Index stride);)

namespace {

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
        check_served("planes", why_not_plane_phases(problem));
        return for_type(type, [&](auto zero) -> std::unique_ptr<Correlation> {
            using T = decltype(zero);
            return std::make_unique<PlanePhases<T>>(problem, kernel<T>(isa), phase_rows<T>(isa));
        });
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
    }
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
    static void check(const Problem& problem) { check_served("pointwise", why_not_pointwise(problem)); }

    template <class T>
    static PointwiseKernel<T> get(Isa isa, Index out_channels) {
        FALTUNG_RETURN_FOR_ISA(isa, pointwise_kernel<T>(out_channels))
        return {};
    }
};

// A phase of a transposed correlation, where it has one tap, is one too.
struct PointwiseFamily : PanelFamily<Correlation, PointwiseCorrelation, PointwiseProduct> {
    using OnePhase = PanelFamily<Correlation, PointwiseCorrelation, PointwiseProduct>;

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        if (problem.phases.empty()) return OnePhase::make(problem, type, isa);
        check_served("pointwise", why_not_shuffled(problem));
        return for_type(type, [&](auto zero) -> std::unique_ptr<Correlation> {
            using T = decltype(zero);
            return std::make_unique<ShuffledPointwise<T>>(
                problem, PointwiseProduct::get<T>(isa, problem.out_channels), phase_rows<T>(isa));
        });
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        if (problem.phases.empty()) return OnePhase::panel_bytes(problem, type, isa);
        check_served("pointwise", why_not_shuffled(problem));
        return for_type(type, [&](auto zero) {
            using T = decltype(zero);
            return ShuffledPointwise<T>::panel_bytes_for(problem,
                                                         PointwiseProduct::get<T>(isa, problem.out_channels));
        });
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
    static void check(const Problem& problem) { check_served("depthwise", why_not_depthwise(problem)); }

    template <class T>
    static DepthwiseKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, depthwise_kernel<T>())
        return {};
    }
};

struct ChannelwiseMaps {
    static void check(const Problem& problem) { check_served("channelwise", why_not_channelwise(problem)); }

    template <class T>
    static ChannelwiseKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, channelwise_kernel<T>())
        return {};
    }
};

struct SeparableRows {
    static void check(const Problem& problem) { check_served("separable", why_not_separable(problem)); }

    template <class T>
    static SeparableKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, separable_kernel<T>())
        return {};
    }
};

struct GroupedFamily {
    template <class T>
    static GroupedKernel<T> kernel(Isa isa) {
        FALTUNG_RETURN_FOR_ISA(isa, grouped_kernel<T>())
        return {};
    }

    static void check(const Problem& problem) { check_served("grouped", why_not_grouped(problem)); }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        check(problem);
        return for_type(type, [&](auto zero) -> std::unique_ptr<Correlation> {
            using T = decltype(zero);
            return std::make_unique<GroupedCorrelation<T>>(problem, kernel<T>(isa),
                                                           FilterKernel::get<T>(isa, problem.out_channels));
        });
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        check(problem);
        return PanelFamily<Correlation, PanelCorrelation, FilterKernel>::panel_bytes(problem, type, isa);
    }
};

struct DotsFamily {
    static void check(Type type, Isa isa) { check_served("dots", why_not_dots(type, isa)); }

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
        check_served("winograd", reason);
        if (type == Type::float32) return make_for<float>(problem, isa);
        return make_for<double>(problem, isa);
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();  // tables are built in each call
    }
};

struct Winograd6Family {
    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        check_served("winograd6", why_not_winograd6(problem, type));
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
        check_served("dilated", why_not_dilated(problem, type));
        if (type == Type::float32)
            return std::make_unique<DilatedCorrelation<float>>(problem, kernel<float>(isa));
        return std::make_unique<DilatedCorrelation<double>>(problem, kernel<double>(isa));
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
    }
};

struct StemFamily {
    template <class T>
    static StemKernel<T> kernel(const Problem& problem, Isa isa) {
        const Layout layout(problem);
        FALTUNG_RETURN_FOR_ISA(isa, stem_kernel<T>(stem_form(layout).taps, layout.columns().stride))
        return {};
    }

    static std::unique_ptr<Correlation> make(const Problem& problem, Type type, Isa isa) {
        check_served("stem", why_not_stem(problem, type));
        if (type == Type::float32)
            return std::make_unique<StemCorrelation<float>>(problem, kernel<float>(problem, isa));
        return std::make_unique<StemCorrelation<double>>(problem, kernel<double>(problem, isa));
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
        check_served("spectral", why_not_spectral(problem, type));
        if (type == Type::float32)
            return std::make_unique<SpectralCorrelation<float>>(problem, kernel<float>(isa));
        return std::make_unique<SpectralCorrelation<double>>(problem, kernel<double>(isa));
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
    }
};

template <class Family>
constexpr CorrelationFamily correlation(const char* name) {
    return {name, OnePhaseAlone<Correlation, Family>::make, OnePhaseAlone<Correlation, Family>::panel_bytes};
}

template <class Kernel>
constexpr CorrelationFamily correlation_of_phases(const char* name) {
    return {name, PhasesToo<Kernel>::make, PhasesToo<Kernel>::panel_bytes};
}

constexpr CorrelationFamily correlation_families[] = {
    correlation_of_phases<DirectKernel>("direct"),
    {"pointwise", PointwiseFamily::make, PointwiseFamily::panel_bytes},
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
    correlation<StemFamily>("stem"),
    {"dots", DotsFamily::make, DotsFamily::panel_bytes},
    correlation<GeneralFamily<Correlation, GeneralCorrelation>>("general"),
};

}  // namespace

const CorrelationFamily& correlation_family(const std::string& name) {
    return find(correlation_families, name);
}

std::unique_ptr<Correlation> half_correlation(const CorrelationFamily& family, const Problem& problem,
                                              Type type, Isa isa) {
#if defined(FALTUNG_BFLOAT16_DOTS)
    if (family.name == std::string("depthwise") && type == Type::bfloat16 && has_bfloat16_dots(isa)) {
        const DepthwiseKernel<float> summed = DepthwiseRows::get<float>(isa, problem.out_channels);
        if (Bfloat16Depthwise::serves(problem, summed))
            return std::make_unique<Bfloat16Depthwise>(problem, family, summed,
                                                       avx512bf16::bfloat16_depthwise_kernel(), isa);
    }
#endif
    return std::make_unique<ConvertedCorrelation>(problem, family, type, isa);
}

SpectralShape spectral_shape(const Problem& problem, Type type, Isa isa) {
    if (why_not_spectral(problem, type)) return {};
    return type == Type::float32 ? SpectralFamily::shape<float>(problem, isa)
                                 : SpectralFamily::shape<double>(problem, isa);
}

}  // namespace faltung
