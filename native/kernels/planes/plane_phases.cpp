#include "kernels/planes/plane_phases.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/border.h"
#include "kernels/call_arrays.h"
#include "kernels/run_call.h"
#include "kernels/transposed/covering.h"

namespace faltung {

namespace {

constexpr Index band_bytes = 48 << 10;  // of planes and sums, so that they stay in a cache
constexpr Index most_members = 64, most_taps = 1 << 12;
constexpr Index most_elements = Index(1) << 28;  // shifts are 32 bits wide

// A correlation of stride 1 is its own only phase.
Problem in_phases(Problem problem) {
    if (problem.phases.empty())
        for (const Axis& axis : problem.axes)
            problem.phases.push_back(
                {{0, axis.out, axis.kernel - 1, -1, axis.kernel, axis.dilation, axis.before}});
    return problem;
}

}  // namespace

const char* why_not_plane_phases(const Problem& problem) {
    for (const Axis& axis : problem.axes) {
        if (problem.phases.empty() && axis.stride != 1) return "the stride is not 1 along every axis";
        if (axis.out == 0 || axis.kernel == 0) return "there is nothing to sum";
    }
    Index members = 1;
    for (const auto& phases : problem.phases)
        members = saturating_multiply(members, static_cast<Index>(phases.size()));
    if (members > most_members) return "there are too many phases";
    if (taps(problem.axes) > most_taps) return "there are too many taps";
    if (Layout(covering(in_phases(problem))).far_axes() > 0) return "there are more than two axes";
    return nullptr;
}

template <class T>
PlanePhases<T>::PlanePhases(const Problem& problem, const PlaneKernel<T>& kernel, const PhaseRows<T>& rows)
    : problem_(in_phases(problem)),
      layout_(covering(problem_)),
      kernel_(kernel),
      rows_(rows),
      phases_(phases_of(problem_, layout_)) {
    const Index fits = band_bytes / Index(sizeof(T));
    band_rows_ = layout_.rows().out;
    while (band_rows_ > 1 && elements(band_rows_) > fits) band_rows_ = ceil_divide(band_rows_, 2);
    if (elements(band_rows_) > most_elements)
        throw std::invalid_argument("the planes would be unreasonably large");
    const Index bands = ceil_divide(layout_.rows().out, band_rows_);
    band_rows_ = ceil_divide(layout_.rows().out, bands);
    make_groups();
    if (saturating_multiply(saturating_multiply(problem.groups, problem.out_channels),
                            saturating_multiply(problem.in_channels, taps_ * Index(sizeof(T)))) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
}

template <class T>
void PlanePhases<T>::make_groups() {
    struct Tap {
        Index shift, member, row, column;
    };
    Index weight = 0;
    for (Index first = 0; first < members();) {
        const Index left = members() - first;
        Group group{first, left >= 4 ? 4 : left >= 2 ? 2 : 1, {}, {}, weight};
        std::vector<Tap> taps;
        for (Index m = 0; m < group.members; ++m) {
            const Phase &down = row_phase(first + m), &along = column_phase(first + m);
            for (Index r = 0; r < down.taps; ++r)
                for (Index c = 0; c < along.taps; ++c)
                    taps.push_back({(r * down.dilation - down.before + layout_.rows().before) * pitch() +
                                        c * along.dilation - along.before + layout_.columns().before,
                                    m, down.tap + (down.taps - 1 - r) * down.tap_step,
                                    along.tap + (along.taps - 1 - c) * along.tap_step});
        }
        std::stable_sort(taps.begin(), taps.end(),
                         [](const Tap& a, const Tap& b) { return a.shift < b.shift; });
        for (const Tap& tap : taps) {
            if (group.steps.empty() || group.steps.back().shift != tap.shift)
                group.steps.push_back({static_cast<std::int32_t>(tap.shift), 0});
            group.steps.back().members |= 1 << tap.member;
            group.taps.push_back(tap.row);
            group.taps.push_back(tap.column);
        }
        taps_ += static_cast<Index>(taps.size());
        weight += static_cast<Index>(taps.size()) * problem_.in_channels;
        first += group.members;
        groups_.push_back(std::move(group));
    }
}

template <class T>
Index PlanePhases<T>::positions(Index rows) const {
    return round_up(saturating_multiply(rows, pitch()), kernel_.lanes);
}

// Behind the last row the last vector reads on.
template <class T>
Index PlanePhases<T>::plane_elements(Index rows) const {
    const Index cells = saturating_multiply(saturating_add(rows, halo(0)), pitch());
    return round_up(saturating_add(saturating_add(cells, halo(1)), kernel_.lanes), 16);
}

// Interleaving reads on behind the last sum.
template <class T>
Index PlanePhases<T>::sum_pitch(Index rows) const {
    return round_up(positions(rows), 16) + 2 * kernel_.lanes;
}

template <class T>
Index PlanePhases<T>::elements(Index rows) const {
    const Index sums = saturating_multiply(members(), sum_pitch(rows));
    return saturating_add(saturating_multiply(problem_.in_channels, plane_elements(rows)), sums);
}

template <class T>
Index PlanePhases<T>::panel_bytes() const {
    return round_up(saturating_multiply(elements(band_rows_), sizeof(T)), 64);
}

template <class T>
Index PlanePhases<T>::packed_bytes() const {
    return problem_.groups * problem_.out_channels * problem_.in_channels * taps_ * Index(sizeof(T));
}

template <class T>
std::vector<Index> PlanePhases<T>::packed_layout() const {
    std::vector<Index> key{Index(sizeof(T)), problem_.groups, problem_.out_channels, problem_.in_channels};
    for (const Group& group : groups_) {
        key.push_back(group.members);
        for (const PlaneStep& step : group.steps) key.push_back(step.members);
        key.insert(key.end(), group.taps.begin(), group.taps.end());
    }
    return key;
}

// [group and output channel][group of members][input channel][tap]
template <class T>
void PlanePhases<T>::pack(const Array& weight, void* packed, int) const {
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    std::vector<Index> places;  // of all groups' taps
    for (const Group& group : groups_)
        for (std::size_t tap = 0; tap < group.taps.size(); tap += 2)
            places.push_back(group.taps[tap] * spatial[0] + group.taps[tap + 1] * spatial[1]);
    T* to = static_cast<T*>(packed);
    for (Index channel = 0; channel < problem_.groups * problem_.out_channels; ++channel) {
        const Index g = channel / problem_.out_channels, oc = channel % problem_.out_channels;
        const T* from = static_cast<const T*>(weight.data) + g * weight.stride[0] + oc * weight.stride[1];
        const Index* place = places.data();
        for (const Group& group : groups_) {
            const Index count = static_cast<Index>(group.taps.size() / 2);
            for (Index ic = 0; ic < problem_.in_channels; ++ic, to += count) {
                const T* kernel = from + ic * weight.stride[2];
                for (Index tap = 0; tap < count; ++tap) to[tap] = kernel[place[tap]];
            }
            place += count;
        }
    }
}

template <class T>
struct PlanePhases<T>::Call : CallArrays {
    const PlanePhases& op;
    const T* packed;
    Index bands = 1;

    void operator()(Index task, int worker) const;
    // The rows of outputs in a band that one phase of the rows writes.
    struct PhaseBand {
        T* sums;                  // of the first phase of the columns
        Index rows, first, step;  // of y: element offset of the first row, and from one to the next
    };

    void copy_plane(const T* from, Index first_row, Index rows, T* cells) const;
    template <class Visit>
    void each_phase(Index band, Index rows, T* sums, Visit visit) const;
};

// Input rows first_row, ... with the border on all sides.
template <class T>
void PlanePhases<T>::Call::copy_plane(const T* from, Index first_row, Index rows, T* cells) const {
    const Axis &down = op.layout_.rows(), &along = op.layout_.columns();
    const Index pitch = op.pitch(), step = x_spatial[1];
    const Index begin = min_index(pitch, max_index(0, along.before));
    const Index end = max_index(begin, min_index(pitch, along.in + along.before));
    const bool wraps = op.problem_.border != Border::zeros && op.problem_.border != Border::absent;
    const T* const cells_end = cells + op.plane_elements(op.band_rows_);
    for (Index r = 0; r < rows; ++r, cells += pitch) {
        const Index row = border_cell(op.problem_.border, first_row + r - down.before, down.in);
        if (row == outside) {
            std::fill(cells, cells + pitch, T(0));
            continue;
        }
        const T* cell = from + row * x_spatial[0];
        auto fill = [&](Index i, Index last) {
            for (; i < last; ++i) {
                const Index at =
                    wraps ? border_cell(op.problem_.border, i - along.before, along.in) : outside;
                cells[i] = at == outside ? T(0) : cell[at * step];
            }
        };
        fill(0, begin);
        if (step == 1) {
            std::memcpy(cells + begin, cell + (begin - along.before),
                        static_cast<std::size_t>(end - begin) * sizeof(T));
        } else {
            for (Index i = begin; i < end; ++i) cells[i] = cell[(i - along.before) * step];
        }
        fill(end, pitch);
    }
    std::fill(cells, const_cast<T*>(cells_end), T(0));
}

template <class T>
template <class Visit>
void PlanePhases<T>::Call::each_phase(Index band, Index rows, T* sums, Visit visit) const {
    const std::vector<Phase>& phases = op.phases_[0];
    const Index pitch = static_cast<Index>(op.column_phases()) * op.sum_pitch(op.band_rows_);
    const Index step = static_cast<Index>(phases.size()) * y_spatial[0], first_row = band * op.band_rows_;
    for (const Phase& phase : phases) {
        const Index count = min_index(rows, phase.count - first_row);
        if (count > 0) visit(PhaseBand{sums, count, phase.first * y_spatial[0] + first_row * step, step});
        sums += pitch;
    }
}

template <class T>
void PlanePhases<T>::Call::operator()(Index task, int worker) const {
    const Problem& problem = op.problem_;
    const Index band = task % bands, g = task / bands % problem.groups, n = task / bands / problem.groups;
    const Index rows = min_index(op.band_rows_, op.layout_.rows().out - band * op.band_rows_);
    const Index plane = op.plane_elements(op.band_rows_);
    T* const cells = reinterpret_cast<T*>(workspace + worker * op.panel_bytes());
    T* const sums = cells + problem.in_channels * plane;
    const T* from = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1];
    for (Index ic = 0; ic < problem.in_channels; ++ic)
        copy_plane(from + ic * x.stride[2], band * op.band_rows_, rows + op.halo(0), cells + ic * plane);

    PlaneSums<T> b;
    b.cells = cells;
    b.cell_pitch = plane;
    b.channels = problem.in_channels;
    b.sum_pitch = op.sum_pitch(op.band_rows_);
    b.vectors = op.positions(rows) / op.kernel_.lanes;
    b.resumes = accumulates;
    const Index column_step = y_spatial[1], phases = static_cast<Index>(op.column_phases()),
                pitch = op.pitch();
    Index outputs = 0;  // of a row
    for (const Phase& phase : op.phases_[1]) outputs += phase.count;
    for (Index oc = 0; oc < problem.out_channels; ++oc) {
        const Index channel = g * problem.out_channels + oc;
        T* const to = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] + oc * y.stride[2];
        if (accumulates)
            each_phase(band, rows, sums, [&](const PhaseBand& own) {
                for (Index r = 0; r < own.rows; ++r)
                    for (Index i = 0; i < outputs; ++i)
                        own.sums[i % phases * b.sum_pitch + r * pitch + i / phases] =
                            to[own.first + r * own.step + i * column_step];
            });
        b.bias = epilogue.bias ? static_cast<const T*>(epilogue.bias) + channel : nullptr;
        for (const Group& group : op.groups_) {
            b.steps = group.steps.data();
            b.steps_end = b.steps + group.steps.size();
            b.members = group.members;
            b.weight = packed + channel * op.taps_ * problem.in_channels + group.weight;
            b.sums = sums + group.first * b.sum_pitch;
            op.kernel_.sum(b);
        }
        each_phase(band, rows, sums, [&](const PhaseBand& own) {
            for (Index r = 0; r < own.rows; ++r) {
                T* const row = to + own.first + r * own.step;
                const T* const sum = own.sums + r * pitch;
                if (column_step == 1 && phases > 1) {
                    op.rows_.interleave(sum, b.sum_pitch, phases, outputs, row);
                } else {
                    for (Index i = 0; i < outputs; ++i)
                        row[i * column_step] = sum[i % phases * b.sum_pitch + i / phases];
                }
            }
            epilogue.finish(to + own.first, 1, y.stride[2], own.rows, own.step, outputs, column_step);
        });
    }
}

template <class T>
void PlanePhases<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                         const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    const Index products = saturating_multiply(batch, scattered_multiply_adds(problem_));
    Call call{{layout_, x, y, epilogue, accumulate}, *this, static_cast<const T*>(packed)};
    call.bands = ceil_divide(layout_.rows().out, band_rows_);
    run_tasks_of(call, batch * problem_.groups * call.bands, products < parallel_multiply_adds ? 1 : threads);
}

template class PlanePhases<float>;
template class PlanePhases<double>;
template class PlanePhases<std::uint64_t>;

}  // namespace faltung
