#include "kernels/gradient_winograd/winograd_gradient_form.h"

#include "core/border.h"

namespace faltung {

namespace {

constexpr Index piece_columns = 128;  // of outputs: its cells stay in L2
constexpr Index far_limit = 1 << 12;  // far outputs times taps, which are looked up one by one

bool is_trivial(const Axis& axis) {
    return axis.in == 1 && axis.out == 1 && axis.kernel == 1 && axis.before == 0;
}

bool is_transformable(const Axis& axis) {
    return axis.kernel == gradient_taps && axis.stride == 1;
}

bool is_in_place(const Axis& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.in == axis.out;
}

}  // namespace

WinogradGradientForm::WinogradGradientForm(const Problem& problem) {
    const int axes = static_cast<int>(problem.axes.size());
    for (int a = axes - 1; a >= 0; --a) {
        const Axis& axis = problem.axes[static_cast<std::size_t>(a)];
        if (is_trivial(axis)) continue;
        if (columns.origin < 0) {
            columns = {axis, a};
            if (axis.kernel == 1) columns.axis.dilation = 1;
        } else if (rows.origin < 0 && is_transformable(axis)) {
            rows = {axis, a};
        } else {
            far.insert(far.begin(), axis);
            far_origin.insert(far_origin.begin(), a);
        }
    }
    Index outputs = 1, cells = 1;
    for (const Axis& axis : far) {
        far_taps = saturating_multiply(far_taps, axis.kernel);
        outputs = saturating_multiply(outputs, axis.out);
        cells = saturating_multiply(cells, axis.in);
    }
    if (far_taps == 1) {
        planes = outputs;
    } else {
        far_outputs = outputs;
        far_cells = cells;
    }
    const Index tiles = max_index(1, columns.tiles());
    pieces = ceil_divide(tiles * columns.tile(), piece_columns);
    piece = ceil_divide(tiles, pieces);
}

Index WinogradGradientForm::far_offset(Index number, bool is_tap, const std::vector<Index>& stride) const {
    Index offset = 0;
    for (std::size_t a = far.size(); a-- > 0;) {
        const Index size = is_tap ? far[a].kernel : far[a].out;
        offset += number % size * stride[static_cast<std::size_t>(outer_axes + far_origin[a])];
        number /= size;
    }
    return offset;
}

Index WinogradGradientForm::cell_offset(Index cell, const std::vector<Index>& stride) const {
    Index offset = 0;
    for (std::size_t a = far.size(); a-- > 0;) {
        offset += cell % far[a].in * stride[static_cast<std::size_t>(outer_axes + far_origin[a])];
        cell /= far[a].in;
    }
    return offset;
}

Index WinogradGradientForm::far_cell(Border border, Index output, Index tap) const {
    Index cell = 0, pitch = 1;
    for (std::size_t a = far.size(); a-- > 0;) {
        const Axis& axis = far[a];
        const Index position =
            output % axis.out * axis.stride + tap % axis.kernel * axis.dilation - axis.before;
        const Index at = border_cell(border, position, axis.in);
        if (at == outside) return outside;
        cell += at * pitch;
        pitch *= axis.in;
        output /= axis.out;
        tap /= axis.kernel;
    }
    return cell;
}

std::vector<FarRun> WinogradGradientForm::runs(Border border, Index tap) const {
    std::vector<FarRun> runs;
    for (Index output = 0; output < far_outputs; ++output) {
        const Index cell = far_taps == 1 ? 0 : far_cell(border, output, tap);
        if (cell == outside) continue;
        if (!runs.empty()) {
            FarRun& last = runs.back();
            const bool is_next = last.first + last.count == output;
            if (is_next && last.count == 1) last.step = cell - last.cell;
            if (is_next && last.cell + last.count * last.step == cell) {
                ++last.count;
                continue;
            }
        }
        runs.push_back({output, cell, 1, 1});
    }
    return runs;
}

const char* why_not_winograd_gradient(const Problem& problem, Type type) {
    if (type != Type::float32 && type != Type::float64) return "it rounds, and integers are summed exactly";
    if (problem.in_channels == 0 || problem.out_channels == 0 || outputs(problem.axes) == 0)
        return "there is nothing to multiply";
    const WinogradGradientForm form(problem);
    const Axis& columns = form.columns.axis;
    if (!is_transformable(columns) && (!is_in_place(columns) || form.rows.origin < 0))
        return "it needs an axis of 3 taps with stride 1, and of the last axis these, or one tap in place";
    if (form.far_taps != 1 && saturating_multiply(form.far_outputs, form.far_taps) > far_limit)
        return "too many positions meet along the axes that are not transformed";
    return nullptr;
}

}  // namespace faltung
