#include "kernels/panel_correlation.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "core/interruption.h"
#include "kernels/panel_tasks.h"
#include "kernels/run_call.h"
#include "kernels/weight_packing.h"

namespace faltung {

namespace {

// What sharing out reckons with, in cycles of one core; only their ratios matter.
constexpr double vector_bytes_a_cycle = 64, row_start_cycles = 40, row_cell_cycles = 1.2, task_cycles = 300;
constexpr double plane_start_cycles =
    400;                              // until the first rows of a channel arrive that no other task has read
constexpr double uneven_turns = 0.1;  // of a task: what a thread waits for another at the end
constexpr Index most_row_splits = 8, most_channel_chunks = 32;

// Channels side by side: fewer leave most of a vector empty, fewer positions are not worth turning weights.
constexpr Index least_pixel_channels = 8, least_pixels = 32;

}  // namespace

template <class T>
PanelRules PanelCorrelation<T>::rules_for(const Problem& problem, const CorrelationKernel<T>& kernel) {
    PanelRules rules{
        sizeof(T), kernel.column_tile,         kernel.column_multiple,  kernel.row_tile, kernel.panel_bytes,
        0,         kernel.most_panel_channels, kernel.whole_panel_bytes};
    if (kernel.most_channel_columns > 0) {
        const Index channels = max_index(1, min_index(problem.in_channels, kernel.most_panel_channels));
        const Index tiles = kernel.most_channel_columns / channels / kernel.column_tile;
        rules.most_columns = kernel.column_tile * max_index(1, tiles);
    }
    return rules;
}

template <class T>
Index PanelCorrelation<T>::panel_bytes_for(const Problem& problem, const CorrelationKernel<T>& kernel) {
    PanelShape shape = Panel::shape_for(Layout::with_long_columns(problem, kernel.few_columns),
                                        problem.in_channels, rules_for(problem, kernel));
    return saturating_multiply(saturating_add(shape.elements, kernel.read_ahead), sizeof(T));
}

template <class T>
PanelCorrelation<T>::PanelCorrelation(const Problem& problem, const CorrelationKernel<T>& kernel)
    : problem_(problem),
      packed_layout_(problem),
      layout_(Layout::with_long_columns(problem, kernel.few_columns)),
      kernel_(kernel),
      panel_(layout_, problem.border, problem.in_channels, rules_for(problem, kernel),
             keeps_order() ? nullptr : &packed_layout_) {
    Index block = saturating_multiply(saturating_multiply(problem.in_channels, panel_.tap_count()),
                                      kernel.channel_block * Index(sizeof(T)));
    if (kernel.row_tile > 1 && keeps_order()) make_steps();
    if (kernel.pixels.multiply && problem.out_channels >= least_pixel_channels)
        pixels_.emplace(problem_, packed_layout_, kernel.pixels);
    if (saturating_multiply(saturating_multiply(problem.groups, channel_blocks()), block) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
}

template <class T>
void PanelCorrelation<T>::make_steps() {
    const Index column_taps = layout_.columns().kernel, taps = panel_.tap_count(), tile = kernel_.row_tile;
    std::vector<std::size_t> starts{0};
    for (Index row = 0; row + tile <= panel_.shape().rows; row += tile) {
        // Slots lie in the order of their far tap, then input row; so do the taps of an output row.
        std::map<std::int32_t, RowStep> by_slot;
        for (Index r = 0; r < tile; ++r)
            for (Index tap = 0; tap < taps; tap += column_taps) {
                const std::int32_t cells = panel_.offset(row + r)[tap];
                RowStep& step = by_slot.emplace(cells, RowStep{cells, 0, {}}).first->second;
                step.users |= 1 << r;
                step.tap[r] = static_cast<std::int32_t>(tap);
            }
        for (const auto& entry : by_slot) steps_.push_back(entry.second);
        starts.push_back(steps_.size());
    }
    for (std::size_t start : starts) step_starts_.push_back(steps_.data() + start);
}

template <class T>
Index PanelCorrelation<T>::panel_bytes() const {
    return round_up((panel_.shape().elements + kernel_.read_ahead) * Index(sizeof(T)), 64);
}

template <class T>
Index PanelCorrelation<T>::workspace_bytes(int threads) const {
    const Index panels = saturating_multiply(thread_bytes(), threads);
    if (!pixels_) return panels;
    return max_index(panels,
                     saturating_add(pixels_->workspace_bytes(threads), pixel_weights() * Index(sizeof(T))));
}

// Weights in the blocks of the product over pixels.
template <class T>
Index PanelCorrelation<T>::pixel_weights() const {
    const Index width = kernel_.pixels.channel_block;
    return problem_.groups * round_up(problem_.out_channels, width) * problem_.in_channels *
           panel_.tap_count();
}

template <class T>
bool PanelCorrelation<T>::serves_pixels(Index batch, const Array& x, const Array& y) const {
    return pixels_ && saturating_multiply(batch, outputs(layout_.axes)) >= least_pixels &&
           pixels_->serves(x, y);
}

template <class T>
void PanelCorrelation<T>::run_pixels(Index batch, const Array& x, const T* packed, const Epilogue& epilogue,
                                     const Array& y, bool accumulate, int threads) const {
    const Index terms = problem_.in_channels * panel_.tap_count();
    const Index from_width = kernel_.channel_block, to_width = kernel_.pixels.channel_block;
    const Index part = min_index(from_width, to_width),
                parts = ceil_divide(problem_.out_channels, to_width) * to_width / part;
    const AlignedBuffer weights(pixel_weights() * Index(sizeof(T)));
    T* const first = reinterpret_cast<T*>(weights.data());
    for (Index g = 0; g < problem_.groups; ++g)
        for (Index i = 0; i < parts; ++i) {
            const Index oc = i * part;
            const T* from = packed + g * channel_blocks() * packed_block() +
                            oc / from_width * terms * from_width + oc % from_width;
            T* to = first + (g * parts * part + oc / to_width * to_width) * terms + oc % to_width;
            for (Index term = 0; term < terms; ++term, from += from_width, to += to_width) {
                if (oc < problem_.out_channels) {
                    std::copy_n(from, part, to);
                } else {
                    std::fill_n(to, part, T(0));
                }
            }
        }
    pixels_->run(batch, x, first, epilogue, y, accumulate, threads);
}

template <class T>
Index PanelCorrelation<T>::packed_bytes() const {
    return problem_.groups * channel_blocks() * packed_block() * Index(sizeof(T));
}

template <class T>
std::vector<Index> PanelCorrelation<T>::packed_layout() const {
    return correlation_weights_layout(problem_, packed_layout_, kernel_.channel_block, sizeof(T));
}

template <class T>
void PanelCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    pack_correlation_weights(problem_, packed_layout_, kernel_.channel_block, weight, static_cast<T*>(packed),
                             threads);
}

// One call's arrays and its division into tasks; the division never touches the order of a sum.
template <class T>
struct PanelCorrelation<T>::Call : PanelCall {
    const PanelCorrelation& op;
    const T* packed;

    void share_out(Index batch, int threads);
    void operator()(Index task, int worker);
};

template <class T>
void PanelCorrelation<T>::Call::operator()(Index task, int worker) {
    const Problem& problem = op.problem_;
    const Layout& layout = op.layout_;
    const PanelShape& shape = op.panel_.shape();
    const std::size_t far_axes = layout.far_axes();
    const PanelTasks::Task at = tasks.at(task);
    const Index g = at.group, n = at.sample;
    const Index first_row = at.origin[far_axes], first_column = at.origin[far_axes + 1];
    Index y_offset = 0;
    for (std::size_t a = 0; a < far_axes + 2; ++a) y_offset += at.origin[a] * y_spatial[a];

    char* own = workspace + worker * op.thread_bytes();
    T* panel = reinterpret_cast<T*>(own);
    Index& packed_panel = held_by_worker[worker];
    const bool is_packed = tasks.holds_all_channels() && packed_panel == at.panel;
    packed_panel = at.panel;
    Panel::Source source{};
    if (!is_packed) source = op.panel_.locate(at.origin, x_spatial.data(), own + op.panel_bytes());
    const T* x_group = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1];
    T* y_group = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] + y_offset;

    CorrelationBlock<T> block;
    block.panel = panel;
    block.channel_pitch = shape.channel_pitch;
    block.offset = op.panel_.offset(0);
    block.taps = op.panel_.tap_count();
    block.steps = op.step_starts_.empty() ? nullptr : op.step_starts_.data();
    block.column_taps = layout.columns().kernel;
    block.y_channel_stride = y.stride[2];
    block.y_row_stride = y_spatial[far_axes];
    block.y_column_stride = y_spatial[far_axes + 1];
    block.rows = min_index(tasks.rows, layout.rows().out - first_row);
    block.columns = min_index(shape.columns, layout.columns().out - first_column);

    const T* const bias = static_cast<const T*>(epilogue.bias);
    const Index width = op.kernel_.channel_block;
    const Index first_block = at.chunk * tasks.chunk_blocks;
    const Index last_block = min_index(first_block + tasks.chunk_blocks, op.channel_blocks());
    // Passes of about the same number of channels.
    const Index most_terms = op.kernel_.most_terms > 0 ? op.kernel_.most_terms : saturated;
    const Index pass_limit = max_index(1, most_terms / max_index(1, block.taps));
    Index ic = 0;
    do {  // at least once: without input channels there is still the bias
        const Index panel_channels = min_index(shape.channels, problem.in_channels - ic);
        if (!is_packed)
            op.panel_.pack(source, x_group + ic * x.stride[2], x.stride[2], x_spatial[far_axes + 1],
                           panel_channels, panel, op.kernel_.copy);
        const Index passes = max_index(1, ceil_divide(panel_channels, pass_limit));
        for (Index pass = 0; pass < passes; ++pass) {
            const Index first = pass * panel_channels / passes, end = (pass + 1) * panel_channels / passes;
            block.panel = panel + first * shape.channel_pitch;
            block.channels = end - first;
            block.resumes = accumulates || ic + first > 0;
            if (ic + first > 0 && is_interrupted()) return;
            const bool is_last = ic + end == problem.in_channels;
            for (Index b = first_block; b < last_block; ++b) {
                block.weight = packed + (g * op.channel_blocks() + b) * op.packed_block() +
                               (ic + first) * block.taps * width;
                block.out_channels = min_index(width, problem.out_channels - b * width);
                block.y = y_group + b * width * y.stride[2];
                block.bias = bias && ic + first == 0 ? bias + g * problem.out_channels + b * width : nullptr;
                op.kernel_.compute(block);
                if (is_last)
                    epilogue.finish(block.y, block.out_channels, block.y_channel_stride, block.rows,
                                    block.y_row_stride, block.columns, block.y_column_stride);
            }
        }
        ic += shape.channels;
    } while (ic < problem.in_channels);
}

template <class T>
void PanelCorrelation<T>::Call::share_out(Index batch, int threads) {
    if (threads == 1) return;
    const PanelShape& shape = op.panel_.shape();
    const double products = double(op.problem_.in_channels) * double(op.panel_.tap_count() * shape.columns) *
                            double(op.kernel_.channel_block * Index(sizeof(T))) / vector_bytes_a_cycle;
    const double row_cycles =
        double(op.problem_.in_channels) * (row_start_cycles + row_cell_cycles * double(shape.row_pitch));
    const double start_cycles = double(op.problem_.in_channels) * plane_start_cycles;
    tasks.choose(batch, threads, {most_row_splits, 1, most_channel_chunks, op.kernel_.row_tile},
                 [&](Index rows, Index blocks, double turns, double packs) {
                     return (row_cycles * double(op.panel_.slots_for(rows)) + start_cycles) * packs +
                            products * double(rows * blocks) * (turns + uneven_turns) + task_cycles * turns;
                 });
}

template <class T>
void PanelCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                              const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || outputs(problem_.axes) == 0)
        return;
    if (serves_pixels(batch, x, y))
        return run_pixels(batch, x, static_cast<const T*>(packed), epilogue, y, accumulate, threads);

    Call call{{{layout_, x, y, epilogue, accumulate}, {problem_, layout_, panel_.shape(), channel_blocks()}},
              *this,
              static_cast<const T*>(packed)};
    run_call(call, batch, saturating_multiply(batch, multiply_adds(problem_)), threads);
}

template class PanelCorrelation<float>;
template class PanelCorrelation<double>;
template class PanelCorrelation<std::uint64_t>;

}  // namespace faltung
