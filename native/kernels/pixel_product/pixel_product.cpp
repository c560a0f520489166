#include "kernels/pixel_product/pixel_product.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "core/lines.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/pixel_product/pixel_call.h"

namespace faltung {

namespace {

constexpr Index least_pixels = 4, least_channels = 4;  // fewer leave most of a tile empty
constexpr Index most_taps = 1 << 12;
constexpr Index least_copied_channels = 128;
// Copied cells are summed in passes, so that those of a tile stay in L1 and the weights that meet them in L2.
constexpr Index pass_terms = 256, pass_channels_out = 256;
constexpr Index kept_weight_bytes = 256 << 10;  // stay in L2 from one tile of pixels to the next
constexpr Index most_row_terms = 512;
constexpr Index padded_bytes = 16 << 10;  // of the cells of a tile, with the zeros around them

bool reads_outside(const Axis& axis) {
    const Index last = (axis.out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation - axis.before;
    return axis.before > 0 || last >= axis.in;
}

}  // namespace

template <class T>
PixelProduct<T>::PixelProduct(const Problem& problem, const Layout& layout, const PixelKernel<T>& kernel)
    : problem_(problem),
      layout_(layout),
      kernel_(kernel),
      taps_(taps(layout.axes)),
      pixels_(outputs(layout.axes)),
      reads_outside_(std::any_of(layout.axes.begin(), layout.axes.end(), reads_outside)) {}

template <class T>
bool PixelProduct<T>::serves(const Array& x, const Array& y) const {
    if (y.stride[2] != 1 || pixels_ < least_pixels || problem_.out_channels < least_channels) return false;
    if (taps_ == 0 || taps_ > most_taps || layout_.axes.size() > Call::most_axes) return false;
    return x.stride[2] == 1 || !reads_outside_;  // there are zeros for channels side by side alone
}

template <class T>
Index PixelProduct<T>::zeros_bytes() const {
    return reads_outside_ ? round_up(saturating_multiply(problem_.in_channels, sizeof(T)), 64) : 0;
}

template <class T>
Index PixelProduct<T>::table_bytes() const {
    return round_up(
        saturating_multiply(min_index(taps_, most_taps), Call::most_tile_pixels * sizeof(const T*)), 64);
}

// Input channels that are summed at once: as many as have copied cells, or weights of one panel, in cache.
template <class T>
Index PixelProduct<T>::pass_channels(bool copies) const {
    const Index most_terms =
        copies ? pass_terms : kept_weight_bytes / (kernel_.tile_channels * Index(sizeof(T)));
    return max_index(1, min_index(problem_.in_channels, most_terms / max_index(1, taps_)));
}

// Output channels whose weights in one pass are kept.
template <class T>
Index PixelProduct<T>::kept_channels(bool copies) const {
    const Index bytes = saturating_multiply(pass_channels(copies), taps_ * Index(sizeof(T)));
    const Index kept = copies ? pass_channels_out : kept_weight_bytes / max_index(1, bytes);
    return max_index(1, kept / kernel_.tile_channels) * kernel_.tile_channels;
}

// Of a thread's panels of weights.
template <class T>
Index PixelProduct<T>::weights_bytes() const {
    const Index all_channels = round_up(problem_.out_channels, kernel_.channel_block);
    const auto bytes = [&](bool copies) {
        const Index channels = min_index(all_channels, kept_channels(copies));
        return saturating_multiply(pass_channels(copies) * min_index(taps_, most_taps),
                                   channels * Index(sizeof(T)));
    };
    return round_up(max_index(bytes(false), bytes(true)), 64);
}

template <class T>
Index PixelProduct<T>::copied_pitch() const {
    return odd_lines(pass_channels(true), sizeof(T));
}

// Of a tile's cells: of one pass where they may be copied, or as they lie where they are padded.
template <class T>
Index PixelProduct<T>::panel_bytes() const {
    Index bytes = padded_bytes_for(kernel_.most_pixels);
    if (problem_.out_channels >= least_copied_channels)
        bytes = max_index(
            bytes, copied_pitch() * min_index(taps_, most_taps) * kernel_.most_pixels * Index(sizeof(T)));
    return round_up(bytes, 64);
}

// Cells of one row under the windows of so many pixels side by side.
template <class T>
Index PixelProduct<T>::reach(Index pixels) const {
    const Axis& columns = layout_.columns();
    return saturating_add(saturating_multiply(pixels - 1, columns.stride),
                          saturating_multiply(max_index(columns.kernel, 1) - 1, columns.dilation) + 1);
}

// Of all cells under the windows of so many pixels of a row; 0 where they are too many to be copied.
template <class T>
Index PixelProduct<T>::padded_bytes_for(Index pixels) const {
    if (!reads_outside_ || !is_by_rows()) return 0;
    const Index rows = taps_ / max_index(1, layout_.columns().kernel);
    const Index cells = saturating_multiply(rows, reach(pixels));
    const Index bytes =
        saturating_multiply(cells, saturating_multiply(problem_.in_channels, Index(sizeof(T))));
    return bytes <= padded_bytes ? bytes : 0;
}

// Whether no tile goes over the end of a row: where that would take longer than tiles of fewer pixels.
template <class T>
bool PixelProduct<T>::is_by_rows() const {
    if (layout_.columns().out == pixels_) return true;
    return taps_ > 1 && terms() <= most_row_terms && layout_.columns().out >= 2 * kernel_.most_pixels;
}

// Whether the cells under the windows of a tile, or of one tap alone, contend for a few sets of the L1 cache.
template <class T>
bool PixelProduct<T>::should_copy(const Array& x, Index column_stride) const {
    if (problem_.out_channels < least_copied_channels || x.stride[2] != 1) return false;
    const Axis& columns = layout_.columns();
    const auto fit = [&](Index cells, Index step) {
        const Index apart = std::abs(column_stride) * step * Index(sizeof(T));
        return cells <=
               l1_ways() * (l1_way_bytes / max_index(cache_line_bytes, std::gcd(apart, l1_way_bytes)));
    };
    const Index pixels = min_index(kernel_.most_pixels, pixels_), rows = taps_ / columns.kernel;
    return !fit(pixels, columns.stride) || !fit(min_index(taps_ * pixels, rows * reach(pixels)), 1);
}

template <class T>
Index PixelProduct<T>::worker_bytes() const {
    return saturating_add(table_bytes() + panel_bytes(), weights_bytes());
}

template <class T>
Index PixelProduct<T>::workspace_bytes(int threads) const {
    return saturating_add(zeros_bytes(), saturating_multiply(worker_bytes(), threads));
}

template <class T>
void PixelProduct<T>::run(Index batch, const Array& x, const T* packed, const Epilogue& epilogue,
                          const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0) return;
    const Index work = saturating_multiply(batch, work_of(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    Call call{{layout_, x, y, epilogue, accumulate},
              *this,
              packed,
              should_copy(x, layout_.spatial_strides(x.stride).back())};
    call.share_out(batch, threads);
    const Index tasks = call.task_count(batch);
    threads = static_cast<int>(min_index(tasks, threads));
    Workspace workspace(workspace_bytes(threads));
    call.workspace = workspace.data();
    std::fill_n(workspace.data(), zeros_bytes(), char(0));
    parallel_for(tasks, threads, call);
}

template class PixelProduct<float>;
template class PixelProduct<double>;
template class PixelProduct<std::uint64_t>;

}  // namespace faltung
