#include "kernels/separable/separable.h"

#include <cstring>
#include <stdexcept>

#include "core/border.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/call_arrays.h"

namespace faltung {

namespace {

constexpr Index header_bytes = 64;  // of packed factors: their rank
constexpr Index most_elements = Index(1) << 28;
constexpr Index scratch_bytes = 256 << 10;  // of L2, for rows between the passes
constexpr Index tasks_per_thread = 16;
constexpr Index least_strip = 16, most_strip = 256;
constexpr Index few_columns = 4;  // Layout may take another axis for the columns where there are fewer

}  // namespace

const char* why_not_separable(const Problem& problem) {
    if (problem.in_channels != 1) return "it has several input channels a group";
    if (problem.axes.size() < 2) return "it has one axis";
    if (problem.axes.back().out < few_columns) return "it has fewer than four columns";
    return nullptr;
}

// What a thread needs, in elements but for the pointers.
template <class T>
struct SeparableCorrelation<T>::Sizes {
    Index rows;                 // that go through both passes together
    Index begin, reach;         // the positions of a row, as cells of an endless one, that outputs read
    Index first_cell, cells;    // of them, or for borders that wrap of all, those that lie inside
    Index first_outside;        // the first position behind these
    Index before, after;        // positions that lie outside
    Index pitch;                // of a row between the passes
    Index phases, phase_pitch;  // of the same with its columns apart by their phase modulo the stride; or 0
    Index strip, slots;         // rows of outputs of a task, and rows of cells that these reach
    Index far_taps;
    Index gathered;  // of a row of cells that lie apart, copied

    Sizes(const Layout& layout, Border border, const SeparableKernel<T>& kernel) {
        const Axis& axis = layout.columns();
        const Axis& row_axis = layout.rows();
        reach = saturating_add(saturating_multiply(max_index(axis.out - 1, 0), axis.stride),
                               saturating_multiply(max_index(axis.kernel - 1, 0), axis.dilation));
        begin = -axis.before;
        const Index end = reach >= most_elements ? most_elements : begin + ++reach;
        const bool wraps = border != Border::zeros && border != Border::absent;
        first_cell = wraps ? 0 : max_index(begin, min_index(0, end));
        const Index last_cell = wraps ? axis.in : max_index(first_cell, min_index(end, axis.in));
        cells = last_cell - first_cell;
        first_outside = max_index(begin, last_cell);
        before = max_index(0, first_cell - begin);
        after = max_index(0, end - last_cell);
        const Index longest = min_index(most_elements, before + cells + after);
        pitch = odd_lines(longest + 2 * kernel.lanes + kernel.read_ahead + 1, sizeof(T));
        phases = axis.stride == 1 ? 0 : min_index(axis.stride, longest);
        phase_pitch = phases ? odd_lines(longest / axis.stride + 2 + kernel.read_ahead, sizeof(T)) : 0;
        for (rows = kernel.most_rows; rows > 1 && rows * pitch * Index(sizeof(T)) > scratch_bytes;) rows /= 2;
        far_taps = 1;
        for (std::size_t a = 0; a < layout.far_axes(); ++a)
            far_taps = saturating_multiply(far_taps, layout.axes[a].kernel);
        const Index row_reach = saturating_multiply(max_index(row_axis.kernel - 1, 0), row_axis.dilation);
        strip = min_index(most_strip,
                          max_index(least_strip, round_up(min_index(2 * row_reach, most_strip), rows)));
        strip = min_index(strip, round_up(max_index(1, row_axis.out), rows));
        slots = min_index(most_elements,
                          saturating_add(saturating_multiply(strip - 1, row_axis.stride), row_reach) + 1);
        gathered = odd_lines(min_index(cells, most_elements) + 1, sizeof(T));
    }

    Index pointers() const { return saturating_multiply(far_taps, slots); }

    Index elements(bool gathers) const {
        const Index fixed = saturating_add(rows * pitch + phases * phase_pitch, gathered);
        return gathers ? saturating_add(fixed, saturating_multiply(pointers(), gathered)) : fixed;
    }

    Index bytes(bool gathers) const {
        const Index tables = saturating_multiply(pointers(), Index(sizeof(T*)));
        const Index all = saturating_add(saturating_multiply(elements(gathers), Index(sizeof(T))), tables);
        return all >= saturated - 64 ? saturated : round_up(all, 64);
    }
};

template <class T>
Index SeparableCorrelation<T>::panel_bytes_for(const Problem& problem, const SeparableKernel<T>& kernel) {
    return Sizes(Layout(problem), problem.border, kernel).bytes(true);
}

template <class T>
SeparableCorrelation<T>::SeparableCorrelation(const Problem& problem, const SeparableKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      column_taps_(1),
      row_taps_(layout_.columns().kernel) {
    for (std::size_t a = 0; a + 1 < layout_.axes.size(); ++a)
        column_taps_ = saturating_multiply(column_taps_, layout_.axes[a].kernel);
    if (panel_bytes_for(problem, kernel) >= most_elements ||
        saturating_add(column_taps_, row_taps_) >= most_elements)
        throw std::invalid_argument("the rows of input cells would be unreasonably large");
    const Index channels = saturating_multiply(problem.groups, problem.out_channels);
    if (saturating_multiply(saturating_multiply(channels, column_taps_ + row_taps_), 64) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
    const Sizes sizes(layout_, problem.border, kernel);
    const Axis& axis = layout_.columns();
    for (Index k = 0; k < row_taps_; ++k) {
        const Index cell = k * axis.dilation;
        place_.push_back(static_cast<std::int32_t>(
            sizes.phases ? cell % axis.stride * sizes.phase_pitch + cell / axis.stride : cell));
    }
}

template <class T>
Index SeparableCorrelation<T>::panel_bytes() const {
    return Sizes(layout_, problem_.border, kernel_).bytes(true);
}

template <class T>
Index SeparableCorrelation<T>::workspace_bytes(int threads) const {
    return saturating_multiply(panel_bytes(), threads);
}

template <class T>
Index SeparableCorrelation<T>::packed_bytes() const {
    return factors_bytes(1);
}

template <class T>
Index SeparableCorrelation<T>::factors_bytes(Index rank) const {
    const Index values = problem_.groups * problem_.out_channels * (column_taps_ + row_taps_);
    return saturating_add(header_bytes, saturating_multiply(saturating_multiply(values, rank), sizeof(T)));
}

template <class T>
std::vector<Index> SeparableCorrelation<T>::packed_layout() const {
    return {Index(sizeof(T)), problem_.groups, problem_.out_channels, column_taps_, row_taps_};
}

template <class T>
void SeparableCorrelation<T>::pack(const Array&, void*, int) const {
    throw std::invalid_argument("algorithm 'separable' takes weights as factors");
}

template <class T>
void SeparableCorrelation<T>::pack_factors(const Array& factors, Index rank, void* packed) const {
    std::memset(packed, 0, header_bytes);
    *static_cast<Index*>(packed) = rank;
    T* to = reinterpret_cast<T*>(static_cast<char*>(packed) + header_bytes);
    for (Index term = 0; term < rank; ++term)
        for (Index g = 0; g < problem_.groups; ++g)
            for (Index oc = 0; oc < problem_.out_channels; ++oc) {
                const T* from = static_cast<const T*>(factors.data) + term * factors.stride[0] +
                                g * factors.stride[1] + oc * factors.stride[2];
                for (Index k = 0; k < column_taps_ + row_taps_; ++k) *to++ = from[k * factors.stride[3]];
            }
}

template <class T>
struct SeparableCorrelation<T>::Call : CallArrays {
    const SeparableCorrelation& op;
    Index rank;
    const T* factors;
    Sizes sizes;
    Index far_outputs = 1, strips = 1, units = 0, tasks = 0;

    bool gathers() const { return x_spatial.back() != 1; }

    void share_out(Index batch, int threads) {
        for (std::size_t a = 0; a < op.layout_.far_axes(); ++a) far_outputs *= op.layout_.axes[a].out;
        strips = ceil_divide(op.layout_.rows().out, sizes.strip);
        units = batch * op.problem_.groups * op.problem_.out_channels * far_outputs * strips;
        tasks = threads == 1 ? 1 : min_index(units, tasks_per_thread * threads);
    }

    void operator()(Index task, int worker) const {
        const Index first = task * units / tasks, last = (task + 1) * units / tasks;
        for (Index unit = first; unit < last; ++unit) compute(unit, worker);
    }

    struct Scratch {
        T *between, *apart, *zeros, *gathered;
        const T** rows;
        const T* first;  // cell of a row
    };

    void compute(Index unit, int worker) const {
        Index rest = unit;
        const Index strip = rest % strips;
        rest /= strips;
        const Index far = rest % far_outputs;
        rest /= far_outputs;
        const Index oc = rest % op.problem_.out_channels;
        rest /= op.problem_.out_channels;
        const Index g = rest % op.problem_.groups, n = rest / op.problem_.groups;

        const Layout& layout = op.layout_;
        const std::size_t far_axes = layout.far_axes();
        constexpr std::size_t axes_limit = 64;
        Index origin[axes_limit];
        T* out = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] + oc * y.stride[2];
        Index position = far;
        for (std::size_t a = far_axes; a-- > 0;) {
            origin[a] = position % layout.axes[a].out;
            position /= layout.axes[a].out;
            out += origin[a] * y_spatial[a];
        }
        const T* in = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1];

        char* at = workspace + worker * sizes.bytes(gathers());
        Scratch scratch;
        scratch.between = reinterpret_cast<T*>(at);
        scratch.apart = scratch.between + sizes.rows * sizes.pitch;
        scratch.zeros = scratch.apart + sizes.phases * sizes.phase_pitch;
        scratch.gathered = scratch.zeros + sizes.gathered;
        scratch.rows = reinterpret_cast<const T**>(scratch.between + sizes.elements(gathers()));
        scratch.first = in + (sizes.cells ? sizes.first_cell * x_spatial.back() : 0);
        std::memset(scratch.zeros, 0, static_cast<std::size_t>(sizes.gathered) * sizeof(T));

        const Index first = strip * sizes.strip, last = min_index(layout.rows().out, first + sizes.strip);
        locate(in, origin, first, last, scratch);
        const Index value = g * op.problem_.out_channels + oc;
        for (Index row = first; row < last; row += sizes.rows)
            compute_rows(scratch, value, row - first, min_index(sizes.rows, last - row),
                         out + row * y_spatial[far_axes]);
    }

    // The rows of cells of a strip; those that lie outside are zeros.
    void locate(const T* in, const Index* origin, Index first, Index last, const Scratch& scratch) const {
        const Layout& layout = op.layout_;
        const std::size_t far_axes = layout.far_axes();
        const Border border = op.problem_.border;
        const Axis& axis = layout.rows();
        const Index used =
            (last - first - 1) * axis.stride + max_index(axis.kernel - 1, 0) * axis.dilation + 1;
        T* copy = scratch.gathered;
        for (Index far = 0; far < sizes.far_taps; ++far) {
            Index rest = far, base = sizes.cells ? sizes.first_cell * x_spatial.back() : 0;
            bool is_inside = true;
            for (std::size_t a = far_axes; a-- > 0;) {
                const Axis& far_axis = layout.axes[a];
                const Index k = rest % far_axis.kernel;
                rest /= far_axis.kernel;
                const Index cell =
                    border_cell(border, origin[a] * far_axis.stride + k * far_axis.dilation - far_axis.before,
                                far_axis.in);
                is_inside &= cell != outside;
                base += cell * x_spatial[a];
            }
            const T** rows = scratch.rows + far * sizes.slots;
            for (Index i = 0; i < used; ++i) {
                const Index cell =
                    is_inside ? border_cell(border, first * axis.stride + i - axis.before, axis.in) : outside;
                rows[i] = cell == outside ? scratch.zeros : in + (base + cell * x_spatial[far_axes]);
                if (!gathers() || cell == outside) continue;
                for (Index c = 0; c < sizes.cells; ++c) copy[c] = rows[i][c * x_spatial.back()];
                rows[i] = copy;
                copy += sizes.gathered;
            }
        }
    }

    void compute_rows(const Scratch& scratch, Index value, Index first_row, Index rows, T* out) const {
        const Axis& row_axis = op.layout_.rows();
        const Axis& axis = op.layout_.columns();
        const Index lanes = op.kernel_.lanes, length = op.column_taps_ + op.row_taps_;
        const Index values = op.problem_.groups * op.problem_.out_channels;
        const Index y_pitch = y_spatial[op.layout_.far_axes()];
        const T* bias = static_cast<const T*>(epilogue.bias);
        const T* const* cell_rows = scratch.rows + first_row * row_axis.stride;
        // Whole cache lines are read where all rows begin alike.
        const Index misplaced =
            static_cast<Index>(reinterpret_cast<std::uintptr_t>(scratch.first) / sizeof(T)) % lanes;
        const bool is_alike = !gathers() && x_spatial[op.layout_.far_axes()] % lanes == 0;
        const Index ahead = is_alike ? min_index(sizes.cells, (lanes - misplaced) % lanes) : 0;
        const Index inside =
            round_up(sizes.before, lanes) + (lanes - ahead) % lanes;  // place of the first cell inside
        for (Index term = 0; term < rank; ++term) {
            const T* factor = factors + (term * values + value) * length;
            SeparableColumns<T> down{cell_rows,
                                     sizes.far_taps,
                                     sizes.slots,
                                     row_axis.kernel,
                                     row_axis.dilation,
                                     row_axis.stride,
                                     factor,
                                     scratch.between + inside,
                                     sizes.pitch,
                                     rows,
                                     0,
                                     ahead};
            if (ahead > 0) op.kernel_.columns(down);
            down.first = ahead;
            down.last = sizes.cells;
            op.kernel_.columns(down);
            for (Index r = 0; r < rows; ++r) {
                T* between = scratch.between + r * sizes.pitch + inside;
                extend(between);
                const T* cells = between + (sizes.begin - sizes.first_cell);
                if (sizes.phases) cells = set_apart(cells, scratch.apart);
                op.kernel_.row({cells, op.place_.data(), op.row_taps_, axis.stride == 1 && axis.dilation == 1,
                                factor + op.column_taps_, out + r * y_pitch, y_spatial.back(), axis.out,
                                bias && term == 0 ? bias[value] : T(0), accumulates || term > 0});
            }
        }
        epilogue.finish(out, 1, 0, rows, y_pitch, axis.out, y_spatial.back());
    }

    // What lies outside continues the sums as it continues the cells.
    void extend(T* between) const {
        const Index end = sizes.begin + sizes.reach;
        const Index front = min_index(end, sizes.first_cell);
        const Border border = op.problem_.border;
        T* at = between - sizes.first_cell;
        if (border == Border::zeros || border == Border::absent) {
            for (Index p = sizes.begin; p < front; ++p) at[p] = T(0);
            for (Index p = sizes.first_outside; p < end; ++p) at[p] = T(0);
        } else {
            const Index size = op.layout_.columns().in;
            for (Index p = sizes.begin; p < front; ++p) at[p] = at[border_cell(border, p, size)];
            for (Index p = sizes.first_outside; p < end; ++p) at[p] = at[border_cell(border, p, size)];
        }
    }

    // Columns apart by their phase modulo the stride.
    const T* set_apart(const T* cells, T* apart) const {
        const Index stride = op.layout_.columns().stride;
        for (Index phase = 0; phase < sizes.phases; ++phase) {
            T* to = apart + phase * sizes.phase_pitch;
            for (Index i = phase; i < sizes.reach; i += stride) *to++ = cells[i];
        }
        return apart;
    }
};

template <class T>
void SeparableCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                  const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || outputs(problem_.axes) == 0)
        return;
    const Index channels = problem_.groups * problem_.out_channels;
    const Index products = saturating_multiply(outputs(problem_.axes), column_taps_ + row_taps_);
    const Index work = saturating_multiply(saturating_multiply(batch, channels), products);
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    Call call{{layout_, x, y, epilogue, accumulate},
              *this,
              *static_cast<const Index*>(packed),
              reinterpret_cast<const T*>(static_cast<const char*>(packed) + header_bytes),
              Sizes(layout_, problem_.border, kernel_)};
    call.share_out(batch, threads);
    threads = static_cast<int>(min_index(call.tasks, threads));
    Workspace workspace(saturating_multiply(call.sizes.bytes(call.gathers()), threads));
    call.workspace = workspace.data();
    parallel_for(call.tasks, threads, call);
}

template class SeparableCorrelation<float>;
template class SeparableCorrelation<double>;
template class SeparableCorrelation<std::uint64_t>;

}  // namespace faltung
