#include "bind/problem.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <new>
#include <stdexcept>

#include "bind/arguments.h"

namespace faltung {

namespace {

using Phases = std::vector<std::vector<std::array<Index, 7>>>;  // the members of Phase, for each axis

[[noreturn]] void refuse(const std::string& message) {
    throw std::invalid_argument(message);
}

void check_axis(const Axis& axis) {
    for (Index size : {axis.in, axis.out, axis.kernel})
        if (size < 0 || size > saturated) refuse("a size is negative or past 2**62: " + std::to_string(size));
    if (axis.kernel < 1) refuse("a kernel has no tap along an axis");
    for (Index step : {axis.stride, axis.dilation})
        if (step < 1 || step > saturated)
            refuse("a stride or dilation is not in 1..2**62: " + std::to_string(step));
    if (axis.before < -saturated || axis.before > saturated)
        refuse("before is past 2**62: " + std::to_string(axis.before));
    Index reach = saturating_add(saturating_multiply(max_index(axis.out - 1, 0), axis.stride),
                                 saturating_multiply(max_index(axis.kernel - 1, 0), axis.dilation));
    if (reach == saturated) refuse("the extended input of an axis would be longer than 2**62");
}

// That the phases write every output of the axis once, and read weights that there are.
void check_phases(const Axis& axis, const std::vector<Phase>& phases) {
    constexpr Index limit = Index(1) << 60;
    const Index step = axis.stride;
    if (step != static_cast<Index>(phases.size()) || axis.out < step)
        refuse("the phases of an axis are not as many as its stride, or more than its outputs");
    for (Index i = 0; i < step; ++i) {
        const Phase& phase = phases[static_cast<std::size_t>(i)];
        if (phase.first != i || phase.count != (axis.out - i + step - 1) / step)
            refuse("a phase does not write every stride-th output from its number on");
        if (phase.taps < 0 || phase.taps > axis.kernel || phase.dilation < 1 || phase.dilation > limit ||
            phase.before < -limit || phase.before > limit ||
            saturating_multiply(phase.taps, phase.dilation) > limit)
            refuse("a phase has a number that is negative or past 2**60");
        if (phase.taps == 0) continue;
        if (phase.tap < 0 || phase.tap_step < 1 || phase.tap >= axis.kernel ||
            saturating_multiply(phase.taps - 1, phase.tap_step) >= axis.kernel - phase.tap)
            refuse("a phase has taps beyond the kernel");
    }
}

Problem checked_problem(Index groups, Index in_channels, Index out_channels, const Sizes& in_size,
                        const Sizes& out_size, const Sizes& kernel_size, const Sizes& stride,
                        const Sizes& dilation, const Sizes& before, const std::string& mode,
                        const Phases& phases) {
    const std::size_t count = in_size.size();
    if (count < 1 || count > 61) refuse("1 to 61 spatial axes are supported, not " + std::to_string(count));
    for (const Sizes* sizes : {&out_size, &kernel_size, &stride, &dilation, &before})
        if (sizes->size() != count)
            refuse("in_size has " + std::to_string(count) + " entries, another argument has " +
                   std::to_string(sizes->size()));
    Problem problem{groups, in_channels, out_channels, {}, border_from_name(mode)};
    for (Index channels : {groups, in_channels, out_channels})
        if (channels < 0 || channels > saturated)
            refuse("a number of groups or channels is negative or past 2**62: " + std::to_string(channels));
    for (std::size_t a = 0; a < count; ++a) {
        problem.axes.push_back({in_size[a], out_size[a], kernel_size[a], stride[a], dilation[a], before[a]});
        check_axis(problem.axes.back());
    }
    if (!phases.empty() && phases.size() != count)
        refuse("in_size has " + std::to_string(count) + " entries, phases " + std::to_string(phases.size()));
    for (std::size_t a = 0; a < phases.size(); ++a) {
        problem.phases.emplace_back();
        for (const auto& p : phases[a])
            problem.phases.back().push_back({p[0], p[1], p[2], p[3], p[4], p[5], p[6]});
        check_phases(problem.axes[a], problem.phases.back());
    }
    return problem;
}

}  // namespace

void bind_problem(nb::module_& m) {
    nb::class_<Problem>(m, "Problem", "A correlation in plain sizes; of a transposed one its phases too.")
        .def(
            "__init__",
            [](Problem* self, Index groups, Index in_channels, Index out_channels, const Sizes& in_size,
               const Sizes& out_size, const Sizes& kernel_size, const Sizes& stride, const Sizes& dilation,
               const Sizes& before, const std::string& mode, const Phases& phases, bool keeps_axes) {
                new (self) Problem(checked_problem(groups, in_channels, out_channels, in_size, out_size,
                                                   kernel_size, stride, dilation, before, mode, phases));
                self->keeps_axes = keeps_axes;
            },
            nb::arg("groups"), nb::arg("in_channels"), nb::arg("out_channels"), nb::arg("in_size"),
            nb::arg("out_size"), nb::arg("kernel_size"), nb::arg("stride"), nb::arg("dilation"),
            nb::arg("before"), nb::arg("mode"), nb::arg("phases") = Phases(), nb::arg("keeps_axes") = false);
}

}  // namespace faltung
