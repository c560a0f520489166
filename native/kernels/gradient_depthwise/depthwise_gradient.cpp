#include "kernels/gradient_depthwise/depthwise_gradient.h"

#include <cstring>
#include <numeric>
#include <stdexcept>

#include "core/border.h"
#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

namespace {

constexpr Index tasks_per_thread = 4;
constexpr Index fewest_columns_of_task = 3;  // of taps
constexpr Index scratch_budget_bytes = 128 << 10;
constexpr Index most_rows = 64;  // of a tile: what it reads stays in L1
constexpr Index scratch_columns = 4096;
constexpr Index sum_limit = Index(1) << 31;
constexpr Index cell_limit = Index(1) << 30;

bool is_single(const Axis& axis) {
    return axis.in == 1 && axis.out == 1 && axis.kernel == 1 && axis.before == 0;
}

std::uint32_t first_lanes(Index count) {
    return static_cast<std::uint32_t>((std::uint64_t(1) << count) - 1);
}

}  // namespace

template <class T>
DepthwiseGradient<T>::Scratch::Scratch(const Layout& layout, Index lanes) {
    const Axis &row = layout.rows(), &column = layout.columns();
    columns = max_index(1, min_index(column.out, scratch_columns));
    const Index reach = saturating_multiply(column.kernel - 1, column.dilation) / column.stride;
    phase_cells = round_up(min_index(saturating_add(columns + 1 + lanes, reach), saturated / 2), 16);
    row_pitch = saturating_multiply(phase_cells, min_index(column.stride, column.kernel * column.dilation));
    grad_pitch = round_up(columns, lanes);
    auto resize = [&](Index count) {
        rows = max_index(1, min_index(count, row.out));
        cell_rows = saturating_add(saturating_add(saturating_multiply(rows - 1, row.stride), 1),
                                   saturating_multiply(row.kernel - 1, row.dilation));
        cells = saturating_multiply(cell_rows, row_pitch);
        grads = saturating_multiply(rows, grad_pitch);
    };
    Index count = saturating_multiply(16, row.dilation / std::gcd(row.stride, row.dilation));
    resize(count);
    while (rows < row.out) {
        const Index before = rows;
        resize(saturating_multiply(2, count));
        if (saturating_multiply(cells, sizeof(T)) > scratch_budget_bytes) {
            resize(before);
            break;
        }
        count = saturating_multiply(2, count);
    }
}

template <class T>
DepthwiseGradient<T>::Classes::Classes(const Axis& rows) {
    const Index common = std::gcd(rows.stride, rows.dilation);
    outputs = rows.dilation / common;
    taps = rows.stride / common;
    step = saturating_multiply(rows.stride, outputs);
}

template <class T>
Index DepthwiseGradient<T>::sums_elements(const Problem& problem, Index lanes) {
    return saturating_multiply(saturating_add(taps(problem.axes), 32), lanes + 1);
}

template <class T>
Index DepthwiseGradient<T>::panel_bytes_for(const Problem& problem,
                                            const DepthwiseGradientKernel<T>& kernel) {
    const Scratch scratch(Layout(problem), kernel.lanes);
    const Index elements =
        saturating_add(saturating_add(scratch.cells, scratch.grads), sums_elements(problem, kernel.lanes));
    return saturating_multiply(saturating_add(elements, 64), sizeof(T));
}

template <class T>
DepthwiseGradient<T>::DepthwiseGradient(const Problem& problem, const DepthwiseGradientKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      scratch_(layout_, kernel.lanes),
      classes_(layout_.rows()),
      taps_(taps(problem.axes)),
      folds_(is_single(layout_.rows())) {
    if (sums_elements(problem, kernel.lanes) > sum_limit || scratch_.cells > cell_limit ||
        scratch_.grads > cell_limit)
        throw std::invalid_argument("the scratch of the weight gradient would be unreasonably large");
    make_tables();
}

template <class T>
void DepthwiseGradient<T>::make_tables() {
    const Axis& axis = layout_.columns();
    const Index L = kernel_.lanes;
    if (folds_ && axis.stride == 1 && L % axis.dilation == 0 && axis.kernel * axis.dilation >= 2 * L)
        fold_ = L / axis.dilation;
    const std::size_t columns = static_cast<std::size_t>(axis.kernel);
    for (Index k = 0; k < axis.kernel; ++k) {
        const Index at = k * axis.dilation;
        place_.push_back(static_cast<std::int32_t>(at));
        scratch_place_.push_back(
            static_cast<std::int32_t>(at % axis.stride * scratch_.phase_cells + at / axis.stride));
    }
    const Index strips = ceil_divide(axis.out, L);
    const std::uint32_t every = first_lanes(L);
    const std::uint32_t left_over = first_lanes(axis.out - (strips - 1) * L);
    lanes_.assign(columns, every);
    lanes_.resize(2 * columns, left_over);
    for (Index strip = 0; strip < strips; ++strip) {
        const Index count = min_index(L, axis.out - strip * L), start = strip * L - axis.before;
        const Index reach = (axis.kernel - 1) * axis.dilation;
        if (count == L && start >= 0 && start + reach + L <= axis.in) {
            table_.push_back(0);
            continue;
        }
        table_.push_back(static_cast<std::int32_t>(lanes_.size() / columns));
        for (Index k = 0; k < axis.kernel; ++k) {
            const Index first = start + k * axis.dilation;
            const Index begin = min_index(max_index(0, -first), count);
            const Index end = max_index(begin, min_index(count, axis.in - first));
            lanes_.push_back(first_lanes(end) & ~first_lanes(begin));
        }
    }
}

template <class T>
Index DepthwiseGradient<T>::thread_bytes() const {
    return round_up(panel_bytes() + 4 * 64, 64);
}

template <class T>
Index DepthwiseGradient<T>::workspace_bytes(int threads) const {
    return saturating_multiply(thread_bytes(), threads);
}

// Where the cells and the rows of grad of one block of outputs are.
template <class T>
struct DepthwiseGradientBlock {
    const T *cells, *grad;  // of the block's first row and column, whichever cell that is
    Index cell_pitch, grad_pitch;
    Index first_row, rows, first_column, columns;  // of outputs
    Index cells_ahead, grad_ahead;  // from this plane to the next, where it lies in place, else 0
    bool is_copied;
};

template <class T>
struct DepthwiseGradient<T>::Call {
    const DepthwiseGradient& op;
    Index batch;
    const Array &x, &grad, &gw;
    std::vector<Index> x_spatial, grad_spatial, gw_spatial;
    std::vector<Index> tap_rows;  // offsets in gw
    bool copies_cells, copies_grad;
    Index splits;
    char* workspace;

    struct Memory {
        T *sums, *totals, *cells, *grad;
    };

    void operator()(Index task, int worker) const;
    void add_plane(const T* x_plane, const T* grad_plane, T* sums, Index first, Index last, Index x_ahead,
                   Index grad_ahead, const Memory& memory) const;
    void copy_cells(const T* x_plane, const DepthwiseGradientBlock<T>& block, T* to) const;
    void copy_grad(const T* grad_plane, const DepthwiseGradientBlock<T>& block, T* to) const;
    void add_rows(const DepthwiseGradientBlock<T>& block, T* sums, Index first, Index last) const;
    void add_folded(const DepthwiseGradientBlock<T>& block, T* sums, Index first, Index last) const;
    void compute(const DepthwiseGradientTile<T>& tile, Index columns) const {
        (columns <= op.kernel_.narrow_lanes ? op.kernel_.compute_narrow : op.kernel_.compute)(tile);
    }
    const std::uint32_t* lanes_of(const DepthwiseGradientBlock<T>& block, Index strip, Index count) const {
        const Index table =
            block.is_copied ? count < op.kernel_.lanes : op.table_[static_cast<std::size_t>(strip)];
        return op.lanes_.data() + table * op.layout_.columns().kernel;
    }
};

// Rows that lie outside are left as they are: they are not read.
template <class T>
void DepthwiseGradient<T>::Call::copy_cells(const T* x_plane, const DepthwiseGradientBlock<T>& block,
                                            T* to) const {
    const Axis &row = op.layout_.rows(), &column = op.layout_.columns();
    const Border border = op.problem_.border;
    const Index row_stride = x_spatial[op.layout_.far_axes()], column_stride = x_spatial.back();
    const Index rows = (block.rows - 1) * row.stride + (row.kernel - 1) * row.dilation + 1;
    const Index cells = block.columns + (column.kernel - 1) * column.dilation / column.stride + 1;
    const Index phases = op.scratch_.row_pitch / op.scratch_.phase_cells;
    for (Index r = 0; r < rows; ++r, to += op.scratch_.row_pitch) {
        const Index source = border_cell(border, block.first_row * row.stride + r - row.before, row.in);
        if (source == outside) continue;
        const T* from = x_plane + source * row_stride;
        for (Index phase = 0; phase < phases; ++phase) {
            T* cell = to + phase * op.scratch_.phase_cells;
            const Index start = block.first_column * column.stride + phase - column.before;
            const Index begin = min_index(cells, start < 0 ? ceil_divide(-start, column.stride) : 0);
            const Index inside = column.in - start;  // up to here
            const Index end =
                max_index(begin, min_index(cells, inside > 0 ? ceil_divide(inside, column.stride) : 0));
            auto fill = [&](Index j, Index last) {
                for (; j < last; ++j) {
                    const Index at = border_cell(border, start + j * column.stride, column.in);
                    cell[j] = at == outside ? T(0) : from[at * column_stride];
                }
            };
            fill(0, begin);
            if (begin < end)
                op.kernel_.copy_cells(from + (start + begin * column.stride) * column_stride,
                                      column.stride * column_stride, end - begin, cell + begin);
            fill(end, cells);
        }
    }
}

template <class T>
void DepthwiseGradient<T>::Call::copy_grad(const T* grad_plane, const DepthwiseGradientBlock<T>& block,
                                           T* to) const {
    const Index row_stride = grad_spatial[op.layout_.far_axes()], column_stride = grad_spatial.back();
    const T* from = grad_plane + block.first_row * row_stride + block.first_column * column_stride;
    for (Index r = 0; r < block.rows; ++r, from += row_stride, to += op.scratch_.grad_pitch) {
        op.kernel_.copy_cells(from, column_stride, block.columns, to);
        for (Index j = block.columns; j < op.scratch_.grad_pitch; ++j) to[j] = T(0);
    }
}

template <class T>
void DepthwiseGradient<T>::Call::add_rows(const DepthwiseGradientBlock<T>& block, T* sums, Index first,
                                          Index last) const {
    const Axis &row = op.layout_.rows(), &column = op.layout_.columns();
    const Classes& classes = op.classes_;
    const Index L = op.kernel_.lanes, strips = ceil_divide(block.columns, L);
    const bool wraps = op.problem_.border != Border::zeros && op.problem_.border != Border::absent;
    DepthwiseGradientTile<T> tile;
    tile.zeros_count = op.problem_.border == Border::zeros;
    tile.grad_pitch = classes.outputs * block.grad_pitch;
    tile.pitch = classes.step * block.cell_pitch;
    tile.place = (block.is_copied ? op.scratch_place_ : op.place_).data();
    tile.first_column = first;
    tile.last_column = last;
    tile.sums_pitch = classes.taps * column.kernel * L;
    for (Index output = 0; output < min_index(classes.outputs, block.rows); ++output) {
        const Index rows = ceil_divide(block.rows - output, classes.outputs);
        for (Index q = 0; q < rows; q += most_rows) {
            tile.rows = min_index(most_rows, rows - q);
            const Index out_row = output + q * classes.outputs;
            for (Index strip = 0; strip < strips; ++strip) {
                const Index count = min_index(L, block.columns - strip * L);
                tile.grad = block.grad + out_row * block.grad_pitch + strip * L;
                tile.grad_lanes = first_lanes(count);
                tile.lanes = lanes_of(block, strip, count);
                for (Index tap = 0; tap < min_index(classes.taps, row.kernel); ++tap) {
                    const Index taps = ceil_divide(row.kernel - tap, classes.taps);
                    for (Index m = 0; m < taps; m += tile.taps) {
                        tile.taps = op.kernel_.next_taps(min_index(taps - m, tile.rows + 1));
                        const Index k = tap + m * classes.taps;
                        const Index cell_row = out_row * row.stride + k * row.dilation;
                        tile.cells = block.cells + cell_row * block.cell_pitch + strip * L;
                        Index begin = 0, end = tile.rows + tile.taps - 1;  // of the rows of cells
                        if (!wraps) {
                            const Index at = block.first_row * row.stride + cell_row - row.before;
                            begin = min_index(end, at < 0 ? ceil_divide(-at, classes.step) : 0);
                            const Index inside = row.in - at;
                            end = max_index(
                                begin, min_index(end, inside > 0 ? ceil_divide(inside, classes.step) : 0));
                        }
                        tile.begin = begin;
                        tile.end = end;
                        tile.sums = sums + k * column.kernel * L;
                        tile.grad_ahead = k == 0 ? block.grad_ahead : 0;
                        tile.cells_ahead = k == 0 ? block.cells_ahead : 0;
                        compute(tile, count);
                    }
                }
            }
        }
    }
}

// One row: vectors of its outputs stand above one another, as do columns of taps that are a vector apart.
template <class T>
void DepthwiseGradient<T>::Call::add_folded(const DepthwiseGradientBlock<T>& block, T* sums, Index first,
                                            Index last) const {
    const Index L = op.kernel_.lanes, strips = ceil_divide(block.columns, L);
    const Index fold = op.fold_ > 0 ? op.fold_ : last, folds = op.fold_ > 0 ? last / fold : 0;
    DepthwiseGradientTile<T> tile;
    tile.zeros_count = false;
    tile.grad_ahead = tile.cells_ahead = 0;
    tile.grad_pitch = tile.pitch = L;
    tile.place = (block.is_copied ? op.scratch_place_ : op.place_).data();
    tile.sums_pitch = fold * L;
    auto is_whole = [&](Index strip) {
        return strip < strips &&
               lanes_of(block, strip, min_index(L, block.columns - strip * L)) == op.lanes_.data();
    };
    for (Index strip = 0; strip < strips; strip += tile.rows) {
        const Index count = min_index(L, block.columns - strip * L);
        tile.rows = 1;
        const bool can_stack = is_whole(strip);
        while (can_stack && tile.rows < most_rows && is_whole(strip + tile.rows)) ++tile.rows;
        tile.grad = block.grad + strip * L;
        tile.grad_lanes = first_lanes(count);
        const std::uint32_t* lanes = lanes_of(block, strip, count);
        auto add = [&](Index m, Index begin, Index end) {
            tile.begin = 0;
            tile.end = tile.rows + tile.taps - 1;
            tile.cells = block.cells + (strip + m) * L;
            tile.lanes = lanes + m * fold;
            tile.first_column = begin;
            tile.last_column = end;
            tile.sums = sums + m * fold * L;
            compute(tile, count);
        };
        for (Index m = 0; m < folds; m += tile.taps) {
            tile.taps = can_stack ? op.kernel_.next_taps(min_index(folds - m, tile.rows + 1)) : 1;
            add(m, 0, fold);
        }
        tile.taps = 1;
        if (folds > 0)
            add(folds, 0, last - folds * fold);
        else
            add(0, first, last);
    }
}

template <class T>
void DepthwiseGradient<T>::Call::add_plane(const T* x_plane, const T* grad_plane, T* sums, Index first,
                                           Index last, Index x_ahead, Index grad_ahead,
                                           const Memory& memory) const {
    const Axis &row = op.layout_.rows(), &column = op.layout_.columns();
    const std::size_t far_axes = op.layout_.far_axes();
    DepthwiseGradientBlock<T> block;
    block.is_copied = copies_cells;
    block.cells_ahead = copies_cells ? 0 : x_ahead;
    block.grad_ahead = copies_grad ? 0 : grad_ahead;
    const bool is_in_place = !copies_cells && !copies_grad;
    const Index rows = is_in_place ? row.out : op.scratch_.rows;
    const Index columns = is_in_place ? column.out : op.scratch_.columns;
    for (block.first_row = 0; block.first_row < row.out; block.first_row += rows)
        for (block.first_column = 0; block.first_column < column.out; block.first_column += columns) {
            block.rows = min_index(rows, row.out - block.first_row);
            block.columns = min_index(columns, column.out - block.first_column);
            if (copies_cells) {
                copy_cells(x_plane, block, memory.cells);
                block.cells = memory.cells;
                block.cell_pitch = op.scratch_.row_pitch;
            } else {
                block.cell_pitch = x_spatial[far_axes];
                block.cells = x_plane + (block.first_row * row.stride - row.before) * block.cell_pitch +
                              block.first_column - column.before;
            }
            if (copies_grad) {
                copy_grad(grad_plane, block, memory.grad);
                block.grad = memory.grad;
                block.grad_pitch = op.scratch_.grad_pitch;
            } else {
                block.grad_pitch = grad_spatial[far_axes];
                block.grad = grad_plane + block.first_row * block.grad_pitch + block.first_column;
            }
            if (op.folds_) {
                add_folded(block, sums, first, last);
            } else {
                add_rows(block, sums, first, last);
            }
        }
}

template <class T>
void DepthwiseGradient<T>::Call::operator()(Index task, int worker) const {
    const Problem& problem = op.problem_;
    const std::vector<Axis>& axes = op.layout_.axes;
    const std::size_t far_axes = op.layout_.far_axes();
    const Index L = op.kernel_.lanes, columns = op.layout_.columns().kernel;
    const Index near_taps = op.layout_.rows().kernel * columns, far_taps = op.taps_ / near_taps;

    const Index split = task % splits, pair = task / splits;
    const Index first = split * columns / splits, last = (split + 1) * columns / splits;
    const Index ic = pair % problem.in_channels;
    const Index oc = pair / problem.in_channels % problem.out_channels;
    const Index g = pair / problem.in_channels / problem.out_channels;

    T* own = reinterpret_cast<T*>(workspace + worker * op.thread_bytes());
    Memory memory;
    memory.sums = own;
    memory.totals = memory.sums + round_up(op.taps_ + 16, 16) * L;
    memory.cells = memory.totals + round_up(op.taps_ + 16, 16);
    memory.grad = memory.cells + round_up(op.scratch_.cells, 16);
    std::memset(memory.sums, 0, static_cast<std::size_t>(op.taps_ * L) * sizeof(T));

    const T* x_first = static_cast<const T*>(x.data) + g * x.stride[1] + ic * x.stride[2];
    const T* grad_first = static_cast<const T*>(grad.data) + g * grad.stride[1] + oc * grad.stride[2];
    const bool zeros_count = problem.border == Border::zeros;
    const Index far_outputs = [&] {
        Index product = 1;
        for (std::size_t a = 0; a < far_axes; ++a) product *= axes[a].out;
        return product;
    }();
    for (Index n = 0; n < batch; ++n) {
        const bool is_last = n + 1 == batch;
        const Index x_ahead =
            is_last ? x.stride[problem.in_channels > 1 ? 2 : 1] - n * x.stride[0] : x.stride[0];
        const Index grad_ahead = is_last ? grad.stride[1] - n * grad.stride[0] : grad.stride[0];
        for (Index far = 0; far < far_outputs; ++far)
            for (Index tap = 0; tap < far_taps; ++tap) {
                Index x_offset = n * x.stride[0], grad_offset = n * grad.stride[0];
                Index far_rest = far, tap_rest = tap;
                bool is_inside = true;
                for (std::size_t a = far_axes; a-- > 0;) {
                    const Index o = far_rest % axes[a].out, k = tap_rest % axes[a].kernel;
                    far_rest /= axes[a].out;
                    tap_rest /= axes[a].kernel;
                    const Index at =
                        border_cell(problem.border,
                                    o * axes[a].stride + k * axes[a].dilation - axes[a].before, axes[a].in);
                    is_inside &= at != outside;
                    x_offset += at * x_spatial[a];
                    grad_offset += o * grad_spatial[a];
                }
                T* sums = memory.sums + tap * near_taps * L;
                if (is_inside) {
                    add_plane(x_first + x_offset, grad_first + grad_offset, sums, first, last, x_ahead,
                              grad_ahead, memory);
                } else if (zeros_count) {
                    op.add_zeros(grad_first + grad_offset, grad_spatial, sums);
                }
            }
    }
    if (splits == 1) {
        op.kernel_.add_lanes(memory.sums, op.taps_, memory.totals);
    } else {
        for (Index k = 0; k < op.taps_; k += columns)
            op.kernel_.add_lanes(memory.sums + (k + first) * L, last - first, memory.totals + k + first);
    }
    T* to = static_cast<T*>(gw.data) + g * gw.stride[0] + oc * gw.stride[1] + ic * gw.stride[2];
    const T* total = memory.totals;
    for (const Index place : tap_rows) {
        for (Index k = first; k < last; ++k) to[place + k * gw_spatial.back()] = total[k];
        total += columns;
    }
}

// The products of a plane of grad with cells outside: NaN where grad is not finite.
template <class T>
void DepthwiseGradient<T>::add_zeros(const T* grad_plane, const std::vector<Index>& strides, T* sums) const {
    const Axis &row = layout_.rows(), &column = layout_.columns();
    const Index row_stride = strides[layout_.far_axes()], column_stride = strides.back();
    T nothing = T(0);
    for (Index r = 0; r < row.out; ++r)
        for (Index j = 0; j < column.out; ++j)
            nothing += grad_plane[r * row_stride + j * column_stride] * T(0);
    if (nothing == T(0)) return;
    for (Index k = 0; k < row.kernel * column.kernel; ++k) sums[k * kernel_.lanes] += nothing;
}

template <class T>
void DepthwiseGradient<T>::run(Index batch, const Array& x, const Array& grad, const Array& gw,
                               int threads) const {
    const Index pairs = problem_.groups * problem_.in_channels * problem_.out_channels;
    if (pairs == 0 || taps_ == 0) return;
    if (saturating_multiply(batch, multiply_adds(problem_)) < parallel_multiply_adds) threads = 1;
    const std::vector<Index> x_spatial = layout_.spatial_strides(x.stride);
    const std::vector<Index> grad_spatial = layout_.spatial_strides(grad.stride);
    const bool wraps = problem_.border != Border::zeros && problem_.border != Border::absent;
    const bool copies_cells =
        wraps || !kernel_.masks || x_spatial.back() != 1 || layout_.columns().stride != 1;
    const bool copies_grad = !kernel_.masks || grad_spatial.back() != 1;
    const std::vector<Index> gw_spatial = layout_.spatial_strides(gw.stride);
    std::vector<Index> tap_rows(static_cast<std::size_t>(taps_ / layout_.columns().kernel));
    for (std::size_t row = 0; row < tap_rows.size(); ++row) {
        Index rest = static_cast<Index>(row);
        for (std::size_t a = layout_.axes.size() - 1; a-- > 0;) {
            tap_rows[row] += rest % layout_.axes[a].kernel * gw_spatial[a];
            rest /= layout_.axes[a].kernel;
        }
    }
    const bool has_outputs = outputs(problem_.axes) > 0;
    Call call{*this,
              has_outputs ? batch : 0,
              x,
              grad,
              gw,
              x_spatial,
              grad_spatial,
              gw_spatial,
              tap_rows,
              copies_cells,
              copies_grad,
              1,
              nullptr};
    // Taps that lie a vector apart share their loads: a task has all of them.
    if (threads > 1 && fold_ == 0)
        call.splits = max_index(1, min_index(layout_.columns().kernel / fewest_columns_of_task,
                                             tasks_per_thread * threads / pairs));
    const Index tasks = pairs * call.splits;
    threads = static_cast<int>(min_index(tasks, min_index(threads, thread_limit)));
    Workspace workspace(workspace_bytes(threads));
    call.workspace = workspace.data();
    parallel_for(tasks, threads, call);
}

template class DepthwiseGradient<float>;
template class DepthwiseGradient<double>;
template class DepthwiseGradient<std::uint64_t>;

}  // namespace faltung
