#include "kernels/gradient_winograd/winograd_gradient.h"

#include <cstring>

#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

namespace {

constexpr Index points_budget_bytes = 8
                                      << 20;  // they stay in the last cache, the sums pass through it seldom
constexpr Index tasks_per_thread = 2;
constexpr Index taps_of_tile = 9;

}  // namespace

const char* why_not_winograd_gradient(const Problem& problem, Type type) {
    if (type == Type::uint64) return "it rounds, and integers are summed exactly";
    const Layout layout(problem);
    if (layout.far_axes() > 0) return "there are more than two axes";
    for (const Axis& axis : layout.axes)
        if (axis.kernel != 3 || axis.stride != 1 || axis.dilation != 1)
            return "it needs 3 taps with stride 1 and dilation 1 along both axes";
    if (problem.border != Border::zeros && problem.border != Border::absent)
        return "it pads with zeros alone";
    if (problem.in_channels == 0 || problem.out_channels == 0 || outputs(problem.axes) == 0)
        return "there is nothing to multiply";
    return nullptr;
}

template <class T>
WinogradGradient<T>::WinogradGradient(const Problem& problem, const GradientProductKernel<T>& product,
                                      const WinogradGradientKernel<T>& kernel)
    : problem_(problem), layout_(problem), product_(product), kernel_(kernel) {}

template <class T>
Index WinogradGradient<T>::block_rows() const {
    const Index channels = (in_blocks() + out_blocks()) * product_.block;
    const Index tile_bytes = gradient_points * Index(sizeof(T)) * channels;
    const Index tiles = max_index(16, points_budget_bytes / max_index(1, tile_bytes));
    return max_index(1, tiles / tile_columns());
}

template <class T>
Index WinogradGradient<T>::points_elements() const {
    return saturating_multiply((in_blocks() + out_blocks()) * gradient_points, tile_elements());
}

template <class T>
Index WinogradGradient<T>::sums_elements() const {
    return gradient_points * product_.block * product_.block;
}

// Cells of a row of tiles; then the sums of a pair of channel blocks, and their taps.
template <class T>
Index WinogradGradient<T>::thread_elements() const {
    const Index sums = sums_elements() + taps_of_tile * product_.block * product_.block;
    return round_up(max_index(gradient_cells * row_pitch(), sums), 16);
}

template <class T>
Index WinogradGradient<T>::panel_bytes() const {
    const Index shared = saturating_add(points_elements(), saturating_multiply(pairs(), sums_elements()));
    return saturating_multiply(saturating_add(shared, thread_elements()), sizeof(T));
}

template <class T>
Index WinogradGradient<T>::workspace_bytes(int threads) const {
    return saturating_add(panel_bytes(),
                          saturating_multiply(thread_elements() * Index(sizeof(T)), threads - 1));
}

template <class T>
struct WinogradGradient<T>::Call {
    const WinogradGradient& op;
    const Array &x, &grad, &gw;
    std::vector<Index> x_spatial, grad_spatial, gw_spatial;
    T *points, *sums, *scratch;  // sums: of all pairs of channel blocks, or null where they are not kept
    Index g = 0, first_row = 0, rows = 0;  // of tiles, of all samples

    T* grad_points(Index block) const { return points + block * gradient_points * op.tile_elements(); }
    T* x_points(Index block) const { return grad_points(op.out_blocks() + block); }
    void pack_row(const Array& array, const std::vector<Index>& spatial, Index sample, Index channel,
                  Index channels, Index first_cell_row, Index cell_rows, const Axis* axes, bool is_grad,
                  T* cells) const;
    void transform(Index task, int worker) const;
    void multiply(Index pair, Index first_point, Index last_point, T* to) const;
    void transform_back(Index pair, const T* from, T* taps) const;
};

// Some rows of cells of a block of channels, zeros where there are none.
template <class T>
void WinogradGradient<T>::Call::pack_row(const Array& array, const std::vector<Index>& spatial, Index sample,
                                         Index channel, Index channels, Index first_cell_row, Index cell_rows,
                                         const Axis* axes, bool is_grad, T* cells) const {
    const Index width = op.product_.block, pitch = op.row_pitch();
    const Index height = is_grad ? axes[0].out : axes[0].in, size = is_grad ? axes[1].out : axes[1].in;
    const Index before = is_grad ? 0 : axes[1].before;  // negative where columns are cropped
    const Index begin = max_index(0, before), skipped = max_index(0, -before);
    const Index wanted = gradient_tile * op.tile_columns() + (is_grad ? 0 : 2);
    const Index count = max_index(0, min_index(wanted - begin, size - skipped));
    const T* from = static_cast<const T*>(array.data) + sample * array.stride[0] + g * array.stride[1] +
                    channel * array.stride[2] + skipped * spatial[1];
    for (Index r = 0; r < cell_rows; ++r, cells += pitch) {
        const Index row = first_cell_row + r;
        if (row < 0 || row >= height || count == 0) {
            std::memset(cells, 0, static_cast<std::size_t>(pitch) * sizeof(T));
            continue;
        }
        const Index left = min_index(begin, wanted);
        std::memset(cells, 0, static_cast<std::size_t>(left * width) * sizeof(T));
        op.product_.pack({from + row * spatial[0], array.stride[2], 0, spatial[1], 1, count, channels,
                          cells + left * width});
        std::memset(cells + (left + count) * width, 0,
                    static_cast<std::size_t>(pitch - (left + count) * width) * sizeof(T));
    }
}

template <class T>
void WinogradGradient<T>::Call::transform(Index task, int worker) const {
    const Index width = op.product_.block, blocks = op.out_blocks() + op.in_blocks();
    const Index row = task / blocks, which = task % blocks;
    const bool is_grad = which < op.out_blocks();
    const Index block = is_grad ? which : which - op.out_blocks();
    const Index all = is_grad ? op.problem_.out_channels : op.problem_.in_channels;
    const Index sample = (first_row + row) / op.tile_rows(), tile_row = (first_row + row) % op.tile_rows();
    T* cells = scratch + worker * op.thread_elements();
    const Axis axes[2] = {op.layout_.rows(), op.layout_.columns()};
    const Index lanes = min_index(width, all - block * width);
    const Index first_cell_row = tile_row * gradient_tile - (is_grad ? 0 : axes[0].before);
    pack_row(is_grad ? grad : x, is_grad ? grad_spatial : x_spatial, sample, block * width, lanes,
             first_cell_row, is_grad ? gradient_tile : gradient_cells, axes, is_grad, cells);
    GradientTransform<T> transform;
    transform.cells = cells;
    transform.row_pitch = op.row_pitch();
    transform.tiles = op.tile_columns();
    transform.lanes = lanes;
    transform.points = (is_grad ? grad_points(block) : x_points(block)) + row * op.tile_columns() * width;
    transform.point_pitch = op.tile_elements();
    (is_grad ? op.kernel_.transform_grad : op.kernel_.transform_input)(transform);
}

template <class T>
void WinogradGradient<T>::Call::multiply(Index pair, Index first_point, Index last_point, T* to) const {
    const Index width = op.product_.block, out_block = pair / op.in_blocks(),
                in_block = pair % op.in_blocks();
    GradientProduct<T> product;
    product.wide_row = 0;
    product.wide_column = width;
    product.channel_stride = 1;
    product.row_stride = 0;
    product.column_stride = width;
    product.rows = 1;
    product.columns = rows * op.tile_columns();
    product.channels = min_index(width, op.problem_.in_channels - in_block * width);
    product.lanes = min_index(width, op.problem_.out_channels - out_block * width);
    product.sums_pitch = width;
    for (Index point = first_point; point < last_point; ++point) {
        product.wide = grad_points(out_block) + point * op.tile_elements();
        product.scalar = x_points(in_block) + point * op.tile_elements();
        product.sums = to + point * width * width;
        if (first_row == 0) std::memset(product.sums, 0, static_cast<std::size_t>(width * width) * sizeof(T));
        op.product_.multiply(product);
    }
}

template <class T>
void WinogradGradient<T>::Call::transform_back(Index pair, const T* from, T* taps) const {
    const Index width = op.product_.block, out_block = pair / op.in_blocks(),
                in_block = pair % op.in_blocks();
    const Index channels = min_index(width, op.problem_.in_channels - in_block * width);
    const Index lanes = min_index(width, op.problem_.out_channels - out_block * width);
    for (Index channel = 0; channel < channels; ++channel)
        op.kernel_.transform_sums(from + channel * width, width * width, lanes,
                                  taps + channel * taps_of_tile * width);
    T* to = static_cast<T*>(gw.data) + g * gw.stride[0] + out_block * width * gw.stride[1] +
            in_block * width * gw.stride[2];
    if (gw_spatial[1] == 1 && gw_spatial[0] == 3 && gw.stride[2] == taps_of_tile) {
        op.product_.store(taps, channels * taps_of_tile, lanes, to, gw.stride[1], 1);
        return;
    }
    for (Index channel = 0; channel < channels; ++channel)
        for (Index tap = 0; tap < taps_of_tile; ++tap)
            op.product_.store(taps + (channel * taps_of_tile + tap) * width, 1, lanes,
                              to + channel * gw.stride[2] + tap / 3 * gw_spatial[0] + tap % 3 * gw_spatial[1],
                              gw.stride[1], 1);
}

template <class T>
void WinogradGradient<T>::run(Index batch, const Array& x, const Array& grad, const Array& gw,
                              int threads) const {
    if (saturating_multiply(batch, multiply_adds(problem_)) < parallel_multiply_adds) threads = 1;
    threads = static_cast<int>(min_index(threads, thread_limit));
    const Index all_rows = batch * tile_rows();
    // Few pairs share out their points; then, as with several blocks of tiles, their sums are kept.
    const bool shares_points = threads > 1 && pairs() < tasks_per_thread * threads;
    const bool keeps_sums = shares_points || all_rows > block_rows();
    const Index kept = keeps_sums ? pairs() * sums_elements() : 0;
    Workspace workspace((points_elements() + kept + threads * thread_elements()) * Index(sizeof(T)));
    Call call{*this,
              x,
              grad,
              gw,
              layout_.spatial_strides(x.stride),
              layout_.spatial_strides(grad.stride),
              layout_.spatial_strides(gw.stride),
              nullptr,
              nullptr,
              nullptr};
    call.points = reinterpret_cast<T*>(workspace.data());
    call.sums = keeps_sums ? call.points + points_elements() : nullptr;
    call.scratch = call.points + points_elements() + kept;
    auto transform = [&](Index task, int worker) { call.transform(task, worker); };
    auto scratch_of = [&](int worker) { return call.scratch + worker * thread_elements(); };
    auto sums_of = [&](Index pair) { return call.sums + pair * sums_elements(); };
    auto multiply_point = [&](Index task, int) {
        const Index pair = task / gradient_points, point = task % gradient_points;
        call.multiply(pair, point, point + 1, sums_of(pair));
    };
    auto transform_back = [&](Index pair, int worker) {
        call.transform_back(pair, sums_of(pair), scratch_of(worker));
    };
    auto multiply_pair = [&](Index pair, int worker) {
        T* own = scratch_of(worker);
        T* sums = keeps_sums ? sums_of(pair) : own;
        call.multiply(pair, 0, gradient_points, sums);
        if (call.first_row + call.rows == all_rows) call.transform_back(pair, sums, own + sums_elements());
    };
    for (call.g = 0; call.g < problem_.groups; ++call.g) {
        call.first_row = 0;
        do {  // once, for zeros, where there is no sample
            call.rows = min_index(block_rows(), all_rows - call.first_row);
            parallel_for((in_blocks() + out_blocks()) * call.rows, threads, transform);
            if (shares_points) {
                parallel_for(pairs() * gradient_points, threads, multiply_point);
            } else {
                parallel_for(pairs(), threads, multiply_pair);
            }
            call.first_row += call.rows;
        } while (call.first_row < all_rows);
        if (shares_points) parallel_for(pairs(), threads, transform_back);
    }
}

template class WinogradGradient<float>;
template class WinogradGradient<double>;

}  // namespace faltung
