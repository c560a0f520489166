// Whether a sample's data let a spectral correlation keep its error bound.
//
// A transform of n cells errs by about u log2(n) of its norm (Higham, "Accuracy and Stability of Numerical
// Algorithms", 2nd ed., theorem 24.2), and so does the product of two: an output errs by at most a few u
// log2(n) times the norm of the cells that are transformed for it, times the norm of the kernel. The bound is
// relative to the largest sum of |input||weight| at an output. A huge cell in a corner may meet small taps
// alone, while its products with the large ones belong to no output: then the norms are far larger than any
// sum, and the convolution must be summed directly.
#include <cmath>

#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/spectral/spectral.h"

namespace faltung {

namespace {

constexpr Index measured_columns = 64;  // of a run, where a row is longer than what is transformed together
constexpr Index measured_cells = 512;   // at least, where rows are measured whole
constexpr int most_probes = 4;
constexpr Index parallel_cells = 100000;
constexpr Index cells_a_task = 16384;

}  // namespace

// The input as strips of whole rows, each cut into runs of columns: energies and largest magnitudes of the
// runs.
template <class T>
struct SpectralCorrelation<T>::Guard {
    const SpectralCorrelation& op;
    const Array& x;
    const Axis &rows, &columns;
    Index x_row, x_column;
    Index window_rows = 1, window_columns = 1;  // transformed together for one output, padding included
    Index strip_rows = 1, strips = 1;
    Index run_cells = 1, runs = 1;
    Index runs_a_task = 1, strips_a_task = 1, tasks_a_strip = 1;
    T *energy = nullptr, *peak = nullptr,
      *line = nullptr;  // [group][strip][run] twice, [worker][cells of a strip]

    Guard(const SpectralCorrelation& operation, const Array& array);

    Index tasks() const { return op.problem_.groups * ceil_divide(strips, strips_a_task) * tasks_a_strip; }
    Index measured() const { return op.problem_.groups * strips * runs; }
    Index line_cells() const { return x_column == 1 ? 0 : columns.in; }
    const T* group_cells(Index group) const { return static_cast<const T*>(x.data) + group * x.stride[1]; }
    T cell(Index group, Index row, Index column) const {
        return group_cells(group)[row * x_row + column * x_column];
    }
    void operator()(Index task, int worker) const;
    double window_energy(Index group, Index high_rows, Index wide_columns, double* sums) const;
    double largest_energy(Index group, double group_peak, double* sums) const;
    double sum_at(const T* taps, Index group, Index first_row, Index first_column) const;
    double sum_beside_peak(const T* taps, Index group) const;
};

template <class T>
SpectralCorrelation<T>::Guard::Guard(const SpectralCorrelation& operation, const Array& array)
    : op(operation), x(array), rows(op.layout_.rows()), columns(op.layout_.columns()) {
    const std::vector<Index> spatial = op.layout_.spatial_strides(x.stride);
    const SpectralShape& s = op.shape_;
    x_row = spatial[spatial.size() - 2];
    x_column = spatial.back();
    // Two vectors of lines are transformed as one: rows that follow one another, or others as large at most.
    window_rows = s.folds ? 1 : s.reach + (s.rows_in_lanes ? 1 : 3);
    window_columns = (s.folds ? (s.row_taps + (s.rows_in_lanes ? -1 : 1)) * s.outputs : 0) + s.cells;
    run_cells = measured_columns;
    if (2 * window_columns >= columns.in) {
        run_cells = columns.in;
        if (x_column == 1 && x_row == columns.in) {
            strip_rows = min_index(rows.in, ceil_divide(measured_cells, columns.in));
            run_cells *= strip_rows;
        }
    }
    strips = ceil_divide(rows.in, strip_rows);
    runs = ceil_divide(columns.in * strip_rows, run_cells);
    runs_a_task = min_index(runs, ceil_divide(cells_a_task, run_cells));
    tasks_a_strip = ceil_divide(runs, runs_a_task);
    strips_a_task = min_index(strips, max_index(1, cells_a_task / (run_cells * runs)));
}

template <class T>
void SpectralCorrelation<T>::Guard::operator()(Index task, int worker) const {
    const Index first_run = task % tasks_a_strip * runs_a_task,
                last_run = min_index(first_run + runs_a_task, runs);
    const Index tasks_a_group = ceil_divide(strips, strips_a_task);
    const Index part = task / tasks_a_strip % tasks_a_group, group = task / tasks_a_strip / tasks_a_group;
    for (Index strip = part * strips_a_task; strip < min_index((part + 1) * strips_a_task, strips); ++strip) {
        const Index row = strip * strip_rows, begin = first_run * run_cells;
        const Index all = columns.in * min_index(strip_rows, rows.in - row);
        const Index cells = min_index(last_run * run_cells, all) - begin;
        const T* from = group_cells(group) + row * x_row + begin * x_column;
        if (x_column != 1) {
            T* own = line + worker * line_cells();
            for (Index c = 0; c < cells; ++c) own[c] = from[c * x_column];
            from = own;
        }
        const Index at = (group * strips + strip) * runs + first_run;
        op.kernel_.measure(from, cells, run_cells, energy + at, peak + at);
    }
}

// At most the largest energy of so many rows and columns of the input.
template <class T>
double SpectralCorrelation<T>::Guard::window_energy(Index group, Index high_rows, Index wide_columns,
                                                    double* sums) const {
    const Index wide = min_index(runs, max_index(wide_columns - 2, 0) / run_cells + 2);
    const Index high = strip_rows == 1 ? high_rows : max_index(high_rows - 2, 0) / strip_rows + 2;
    for (Index run = 0; run < runs; ++run) sums[run] = 0;
    double largest = 0;
    for (Index strip = 0; strip < strips; ++strip) {
        const T* entering = energy + (group * strips + strip) * runs;
        const T* leaving = strip >= high ? entering - high * runs : nullptr;
        double window = 0;
        for (Index run = 0; run < runs; ++run) {
            sums[run] += double(entering[run]) - (leaving ? double(leaving[run]) : 0.0);
            window += sums[run] - (run >= wide ? sums[run - wide] : 0.0);
            if (window > largest) largest = window;
        }
    }
    return largest;
}

// An upper bound of the energy of the cells that are transformed together for one output.
template <class T>
double SpectralCorrelation<T>::Guard::largest_energy(Index group, double group_peak, double* sums) const {
    const double lines = op.shape_.rows_in_lanes ? 2 : 1;
    const double at_most = lines * double(window_rows) * double(window_columns) * group_peak * group_peak;
    double found = window_energy(group, window_rows, window_columns, sums);
    const Border border = op.problem_.border;
    if (border != Border::zeros && border != Border::absent) {
        // A border that repeats cells once brings in other windows, as wide as it is.
        Index repeated[2];
        for (int which = 0; which < 2; ++which) {
            const Axis& axis = which == 0 ? rows : columns;
            const Index after = axis.out + (axis.kernel - 1) * axis.dilation - axis.before - axis.in;
            if (axis.before <= 0 && after <= 0) {
                repeated[which] = 0;
                continue;
            }
            if (border == Border::replicate || axis.before > axis.in || after > axis.in) return at_most;
            const bool is_spanned = (which == 0 ? window_rows : window_columns) >= axis.in;
            repeated[which] = max_index(axis.before, 0) + max_index(after, 0);
            if (!is_spanned) repeated[which] = max_index(axis.before, after);
        }
        if (repeated[0] > 0) found += window_energy(group, repeated[0], window_columns, sums);
        if (repeated[1] > 0) found += window_energy(group, window_rows, repeated[1], sums);
        if (repeated[0] > 0 && repeated[1] > 0) found += window_energy(group, repeated[0], repeated[1], sums);
    }
    return lines * found < at_most ? lines * found : at_most;
}

// The sum of |x||weight| at the output whose window begins at a cell of the extended input.
template <class T>
double SpectralCorrelation<T>::Guard::sum_at(const T* taps, Index group, Index first_row,
                                             Index first_column) const {
    double sum = 0;
    for (Index j = 0; j < rows.kernel; ++j) {
        const Index r = first_row + j * rows.dilation;
        if (r < 0 || r >= rows.in) continue;
        for (Index k = 0; k < columns.kernel; ++k) {
            const Index c = first_column + k * columns.dilation;
            if (c < 0 || c >= columns.in) continue;
            sum += std::abs(double(cell(group, r, c)) * double(taps[j * columns.kernel + k]));
        }
    }
    return sum;
}

// The larger of two such sums at outputs that meet the largest |x|: where the window lies inside the input if
// it can, and where that cell meets the largest tap that it meets at all.
template <class T>
double SpectralCorrelation<T>::Guard::sum_beside_peak(const T* taps, Index group) const {
    const T* peaks = peak + group * strips * runs;
    Index place = 0;
    for (Index i = 1; i < strips * runs; ++i)
        if (peaks[i] > peaks[place]) place = i;
    const Index first = place % runs * run_cells, row_of_strip = place / runs * strip_rows;
    const Index cells =
        min_index(run_cells, columns.in * min_index(strip_rows, rows.in - row_of_strip) - first);
    Index peak_row = row_of_strip, peak_column = first;
    for (Index i = 0; i < cells; ++i) {
        const Index r = row_of_strip + (first + i) / columns.in, c = (first + i) % columns.in;
        if (std::abs(cell(group, r, c)) >= peaks[place]) {
            peak_row = r;
            peak_column = c;
            break;
        }
    }
    auto begin_of = [](const Axis& axis, Index at) {
        const Index reach = (axis.kernel - 1) * axis.dilation, room = axis.in - 1 - reach;
        Index begin = min_index(max_index(at - reach / 2, 0), room >= 0 ? room : -((1 - room) / 2));
        const Index tap =
            min_index(max_index((at - begin + axis.dilation / 2) / axis.dilation, 0), axis.kernel - 1);
        return min_index(max_index(at - tap * axis.dilation, -axis.before), axis.out - 1 - axis.before);
    };
    const double inside = sum_at(taps, group, begin_of(rows, peak_row), begin_of(columns, peak_column));
    auto is_output = [](const Axis& axis, Index begin) {
        return begin >= -axis.before && begin < axis.out - axis.before;
    };
    Index best_row = 0, best_column = 0;
    T best = -1;
    for (Index j = 0; j < rows.kernel; ++j) {
        if (!is_output(rows, peak_row - j * rows.dilation)) continue;
        for (Index k = 0; k < columns.kernel; ++k) {
            const T tap = std::abs(taps[j * columns.kernel + k]);
            if (tap <= best || !is_output(columns, peak_column - k * columns.dilation)) continue;
            best = tap;
            best_row = peak_row - j * rows.dilation;
            best_column = peak_column - k * columns.dilation;
        }
    }
    return best < 0 ? inside : std::fmax(inside, sum_at(taps, group, best_row, best_column));
}

template <class T>
bool SpectralCorrelation<T>::keeps_bound(const Array& x, const void* packed, int threads) const {
    const Index groups = problem_.groups, outs = problem_.out_channels;
    Guard guard(*this, x);
    const Index cells = saturating_multiply(groups, guard.rows.in * guard.columns.in);
    threads = cells < parallel_cells ? 1 : static_cast<int>(min_index(threads, thread_limit));
    threads = static_cast<int>(min_index(threads, guard.tasks()));
    const Index elements = 2 * guard.measured() + threads * guard.line_cells();
    const Index bytes = round_up(elements * Index(sizeof(T)), 64);
    Workspace workspace(bytes + (guard.runs + groups) * Index(sizeof(double)));
    guard.energy = reinterpret_cast<T*>(workspace.data());
    guard.peak = guard.energy + guard.measured();
    guard.line = guard.peak + guard.measured();
    parallel_for(guard.tasks(), threads, guard);

    double* const sums = reinterpret_cast<double*>(workspace.data() + bytes);
    double* const scales = sums + guard.runs;  // of each group
    double largest = 0;
    for (Index g = 0; g < groups; ++g) {
        T peak = 0, norm = 0;
        for (Index i = 0; i < guard.strips * guard.runs; ++i)
            peak = std::fmax(peak, guard.peak[g * guard.strips * guard.runs + i]);
        for (Index oc = 0; oc < outs; ++oc) norm = std::fmax(norm, norms(packed)[g * outs + oc]);
        scales[g] = std::sqrt(guard.largest_energy(g, double(peak), sums)) * double(norm);
        largest = std::fmax(largest, scales[g]);
    }
    const Index kernel_taps = guard.rows.kernel * guard.columns.kernel;
    for (int probe = 0; probe < most_probes; ++probe) {
        Index group = 0, channel = 0;
        for (Index g = 1; g < groups; ++g)
            if (scales[g] > scales[group]) group = g;
        for (Index oc = 1; oc < outs; ++oc)
            if (norms(packed)[group * outs + oc] > norms(packed)[group * outs + channel]) channel = oc;
        const T* taps = plain_taps(packed) + (group * outs + channel) * kernel_taps;
        if (largest <= shape_.norm_ratio * guard.sum_beside_peak(taps, group)) return true;
        scales[group] = -1;
    }
    return false;
}

template bool SpectralCorrelation<float>::keeps_bound(const Array&, const void*, int) const;
template bool SpectralCorrelation<double>::keeps_bound(const Array&, const void*, int) const;

}  // namespace faltung
