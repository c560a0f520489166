// The weight gradients among the families.
#include "kernels/families.h"
#include "kernels/gradient/panel_gradient.h"
#include "kernels/gradient_channelwise/channelwise_gradient.h"
#include "kernels/gradient_depthwise/depthwise_gradient.h"
#include "kernels/gradient_direct/direct_gradient.h"
#include "kernels/gradient_winograd/winograd_gradient.h"
#include "kernels/registry.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(template <class T> GradientProductKernel<T> gradient_product_kernel();)
FALTUNG_DECLARE_PER_ISA(template <class T> WinogradGradientKernel<T> winograd_gradient_kernel(
                            bool along_rows, bool along_columns);)
FALTUNG_DECLARE_PER_ISA(template <class T> GradientKernel<T> gradient_filter_kernel(Index out_channels);)
FALTUNG_DECLARE_PER_ISA(template <class T> DepthwiseGradientKernel<T> depthwise_gradient_kernel();)

namespace {

struct GradientDirectKernel : AnyProblem {
    template <class T>
    static GradientProductKernel<T> get(Isa isa, Index) {
        FALTUNG_RETURN_FOR_ISA(isa, gradient_product_kernel<T>())
        return {};
    }
};

struct ChannelwiseGradientPairs : GradientDirectKernel {
    static void check(const Problem& problem) {
        check_served("channelwise", why_not_channelwise_gradient(problem));
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
        check_served("winograd", why_not_winograd_gradient(problem, type));
        if (type == Type::float32) return make_for<float>(problem, isa);
        return make_for<double>(problem, isa);
    }

    static Index panel_bytes(const Problem& problem, Type type, Isa isa) {
        return make(problem, type, isa)->panel_bytes();
    }
};

template <class Family>
constexpr WeightGradientFamily gradient(const char* name) {
    return {name, OnePhaseAlone<WeightGradient, Family>::make,
            OnePhaseAlone<WeightGradient, Family>::panel_bytes};
}

constexpr WeightGradientFamily weight_gradient_families[] = {
    gradient<PanelFamily<WeightGradient, DirectGradient, GradientDirectKernel>>("direct"),
    gradient<PanelFamily<WeightGradient, PanelGradient, GradientFilterKernel>>("filter"),
    gradient<PanelFamily<WeightGradient, DepthwiseGradient, DepthwiseGradientRows>>("depthwise"),
    gradient<PanelFamily<WeightGradient, ChannelwiseGradient, ChannelwiseGradientPairs>>("channelwise"),
    gradient<WinogradGradientFamily>("winograd"),
    gradient<GeneralFamily<WeightGradient, GeneralGradient>>("general"),
};

}  // namespace

const WeightGradientFamily& weight_gradient_family(const std::string& name) {
    return find(weight_gradient_families, name);
}

}  // namespace faltung
