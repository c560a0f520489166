// The definition, cell by cell: every border rule, any sizes, no tables. The last resort, not meant to be
// fast.
#include "core/border.h"
#include "core/interruption.h"
#include "core/vec.h"
#include "kernels/general/general_problem.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int axes_limit = 64;

// Counts through the positions below `size`, last axis fastest, and says which axis was the first to change.
struct Odometer {
    Index at[axes_limit] = {};

    // -1 once all positions have been visited.
    int advance(const Index* size, int axis_count) {
        for (int a = axis_count; a-- > 0;) {
            if (++at[a] < size[a]) return a;
            at[a] = 0;
        }
        return -1;
    }
};

// Products between two looks at whether anybody still wants them: some milliseconds.
constexpr Index products_between_looks = 1 << 20;

struct Sizes {
    Index out[axes_limit], kernel[axes_limit];
    bool has_outputs = true, has_taps = true;

    explicit Sizes(const GeneralProblem& p) {
        for (int a = 0; a < p.axis_count; ++a) {
            out[a] = p.axes[a].out;
            kernel[a] = p.axes[a].kernel;
            has_outputs = has_outputs && out[a] > 0;
            has_taps = has_taps && kernel[a] > 0;
        }
    }
};

Index dot(const Index* at, const Index* stride, int count) {
    Index offset = 0;
    for (int a = 0; a < count; ++a) offset += at[a] * stride[a];
    return offset;
}

// The element offset of the input cell that an output and a tap meet at, kept per axis as either advances.
struct Cell {
    Index offset[axes_limit + 1];  // of the axes before
    int outside_axes[axes_limit + 1];

    void update(const GeneralProblem& p, const Index* stride, const Index* o, const Index* k, int from_axis) {
        if (from_axis == 0) offset[0] = 0, outside_axes[0] = 0;
        for (int a = from_axis; a < p.axis_count; ++a) {
            const Axis& axis = p.axes[a];
            const Index cell =
                border_cell(p.border, o[a] * axis.stride + k[a] * axis.dilation - axis.before, axis.in);
            offset[a + 1] = offset[a] + (cell == outside ? 0 : cell * stride[a]);
            outside_axes[a + 1] = outside_axes[a] + (cell == outside);
        }
    }
};

template <class T>
void correlate(const GeneralProblem& p, const GeneralView<const T>& x, const GeneralView<const T>& weight,
               const T* bias, const GeneralView<T>& y, bool accumulates, Index n, Index g, Index oc) {
    const Sizes sizes(p);
    if (!sizes.has_outputs) return;
    const T* const x_first = x.data + n * x.outer[0] + g * x.outer[1];
    const T* const w_first = weight.data + g * weight.outer[0] + oc * weight.outer[1];
    T* const y_first = y.data + n * y.outer[0] + g * y.outer[1] + oc * y.outer[2];
    Odometer o;
    Index products = 0;
    do {
        T& out = y_first[dot(o.at, y.spatial, p.axis_count)];
        T sum = accumulates ? out : T(0);
        if (bias) sum = accumulates ? sum + bias[g * p.out_channels + oc] : bias[g * p.out_channels + oc];
        for (Index ic = 0; sizes.has_taps && ic < p.in_channels; ++ic) {
            Odometer k;
            Cell cell;
            int changed = 0;
            do {
                if (++products % products_between_looks == 0 && is_interrupted()) return;
                cell.update(p, x.spatial, o.at, k.at, changed);
                const bool is_outside = cell.outside_axes[p.axis_count] > 0;
                if (is_outside && p.border == Border::absent) continue;
                const T value = is_outside ? T(0) : x_first[ic * x.outer[2] + cell.offset[p.axis_count]];
                sum += w_first[ic * weight.outer[2] + dot(k.at, weight.spatial, p.axis_count)] * value;
            } while ((changed = k.advance(sizes.kernel, p.axis_count)) >= 0);
        }
        out = sum;
    } while (o.advance(sizes.out, p.axis_count) >= 0);
}

template <class T>
void weight_gradient(const GeneralProblem& p, const GeneralView<const T>& x, const GeneralView<const T>& grad,
                     const GeneralView<T>& gw, Index g, Index oc, Index ic) {
    const Sizes sizes(p);
    if (!sizes.has_taps) return;
    T* const gw_first = gw.data + g * gw.outer[0] + oc * gw.outer[1] + ic * gw.outer[2];
    const int last = p.axis_count - 1;
    Odometer k;
    Index products = 0;
    do {
        T sum = T(0);
        for (Index n = 0; sizes.has_outputs && n < p.batch; ++n) {
            const T* const x_first = x.data + n * x.outer[0] + g * x.outer[1] + ic * x.outer[2];
            const T* const grad_first =
                grad.data + n * grad.outer[0] + g * grad.outer[1] + oc * grad.outer[2];
            Odometer o;
            Cell cell;
            int changed = 0;
            T row_sum = T(0);
            do {
                if (++products % products_between_looks == 0 && is_interrupted()) return;
                if (changed < last) sum += row_sum, row_sum = T(0);
                cell.update(p, x.spatial, o.at, k.at, changed);
                const bool is_outside = cell.outside_axes[p.axis_count] > 0;
                if (is_outside && p.border == Border::absent) continue;
                const T value = is_outside ? T(0) : x_first[cell.offset[p.axis_count]];
                row_sum += grad_first[dot(o.at, grad.spatial, p.axis_count)] * value;
            } while ((changed = o.advance(sizes.out, p.axis_count)) >= 0);
            sum += row_sum;
        }
        gw_first[dot(k.at, gw.spatial, p.axis_count)] = sum;
    } while (k.advance(sizes.kernel, p.axis_count) >= 0);
}

}  // namespace

template <class T>
GeneralKernel<T> general_kernel() {
    return {correlate<T>, weight_gradient<T>};
}

template GeneralKernel<float> general_kernel();
template GeneralKernel<double> general_kernel();
template GeneralKernel<std::uint64_t> general_kernel();

}  // namespace faltung::FALTUNG_ISA
