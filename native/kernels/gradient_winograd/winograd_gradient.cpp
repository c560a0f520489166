#include "kernels/gradient_winograd/winograd_gradient.h"

#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/gradient_winograd/winograd_gradient_call.h"

namespace faltung {

namespace {

// Of transformed tiles: as many bytes as of the sums, which pass through the caches once for every block.
constexpr Index fewest_points_bytes = 1 << 20, most_points_bytes = 8 << 20;
constexpr Index fewest_tiles = 16;
constexpr Index tasks_per_thread = 2;

}  // namespace

template <class T>
WinogradGradient<T>::WinogradGradient(const Problem& problem, const WinogradGradientForm& form,
                                      const GradientProductKernel<T>& product,
                                      const WinogradGradientKernel<T>& kernel)
    : problem_(problem), form_(form), product_(product), kernel_(kernel) {
    for (Index tap = 0; tap < form.far_taps; ++tap) runs_.push_back(form.runs(problem.border, tap));
}

template <class T>
Index WinogradGradient<T>::row_pitch() const {
    const TiledAxis& columns = form_.columns;
    return (columns.tile() * form_.piece + columns.axis.kernel - 1) * product_.block;
}

template <class T>
Index WinogradGradient<T>::points_elements(Index units) const {
    const Index cells = saturating_add(saturating_multiply(out_blocks(), form_.far_outputs),
                                       saturating_multiply(in_blocks(), form_.far_cells));
    return saturating_multiply(units,
                               saturating_multiply(cells, form_.points() * form_.piece * product_.block));
}

template <class T>
Index WinogradGradient<T>::block_units() const {
    const Index fewest = ceil_divide(fewest_tiles, form_.piece);
    const Index sums_bytes = saturating_multiply(products(), sums_elements() * Index(sizeof(T)));
    const Index budget = max_index(fewest_points_bytes, min_index(sums_bytes, most_points_bytes));
    return max_index(fewest, budget / Index(sizeof(T)) / max_index(1, points_elements(1)));
}

template <class T>
Index WinogradGradient<T>::products() const {
    return saturating_multiply(saturating_multiply(out_blocks(), in_blocks()), form_.far_taps);
}

// Cells of a row of tiles; then the sums of a pair of channel blocks, and their taps.
template <class T>
Index WinogradGradient<T>::thread_elements() const {
    const Index sums = sums_elements() + form_.taps() * product_.block * product_.block;
    return round_up(max_index(form_.rows.cells() * row_pitch(), sums), 16);
}

template <class T>
Index WinogradGradient<T>::panel_bytes() const {
    const Index shared =
        saturating_add(points_elements(block_units()), saturating_multiply(products(), sums_elements()));
    return saturating_multiply(saturating_add(shared, thread_elements()), sizeof(T));
}

template <class T>
Index WinogradGradient<T>::workspace_bytes(int threads) const {
    return saturating_add(panel_bytes(),
                          saturating_multiply(thread_elements() * Index(sizeof(T)), threads - 1));
}

template <class T>
void WinogradGradient<T>::run(Index batch, const Array& x, const Array& grad, const Array& gw,
                              int threads) const {
    if (saturating_multiply(batch, work_of(problem_)) < parallel_multiply_adds) threads = 1;
    threads = static_cast<int>(min_index(threads, thread_limit));
    const Index all_units = saturating_multiply(batch, form_.units());
    const Index points = form_.points();
    // Few products share out their points; then, as with several blocks of tiles, their sums are kept.
    const bool shares_points = threads > 1 && products() < tasks_per_thread * threads;
    const bool keeps_sums = shares_points || all_units > block_units();
    const Index kept = keeps_sums ? products() * sums_elements() : 0;
    const Index units = min_index(block_units(), max_index(1, all_units));
    const Index shared = points_elements(units);
    Workspace workspace((shared + kept + threads * thread_elements()) * Index(sizeof(T)));
    Call call{*this, x, grad, gw};
    call.most_units = units;
    call.points = reinterpret_cast<T*>(workspace.data());
    call.sums = keeps_sums ? call.points + shared : nullptr;
    call.scratch = call.points + shared + kept;
    auto transform = [&](Index task, int worker) { call.transform(task, worker); };
    auto multiply_point = [&](Index task, int) {
        const Index product = task / points, point = task % points;
        call.multiply(product, point, point + 1, call.sums_of(product));
    };
    auto transform_back = [&](Index product, int worker) {
        call.transform_back(product, call.sums_of(product), call.scratch_of(worker));
    };
    auto multiply_all = [&](Index product, int worker) {
        T* own = call.scratch_of(worker);
        T* sums = keeps_sums ? call.sums_of(product) : own;
        call.multiply(product, 0, points, sums);
        if (call.first_unit + call.units == all_units)
            call.transform_back(product, sums, own + sums_elements());
    };
    for (call.g = 0; call.g < problem_.groups; ++call.g) {
        call.first_unit = 0;
        do {  // once, for zeros, where there is no sample
            call.units = min_index(units, all_units - call.first_unit);
            parallel_for(call.transforms(), threads, transform);
            if (shares_points) {
                parallel_for(products() * points, threads, multiply_point);
            } else {
                parallel_for(products(), threads, multiply_all);
            }
            call.first_unit += call.units;
        } while (call.first_unit < all_units);
        if (shares_points) parallel_for(products(), threads, transform_back);
    }
}

template class WinogradGradient<float>;
template class WinogradGradient<double>;

}  // namespace faltung
