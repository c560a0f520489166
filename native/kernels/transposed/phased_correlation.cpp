#include "kernels/transposed/phased_correlation.h"

#include <stdexcept>

#include "core/ahead.h"
#include "core/threads.h"
#include "kernels/panel_tasks.h"
#include "kernels/run_call.h"
#include "kernels/transposed/covering.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 4;

// Weights beyond this do not stay in L2 from one task to the next: then tasks share out channels before rows.
constexpr Index many_weight_bytes = 512 << 10;

// Outputs of the phases of some rows, before they are interleaved.
constexpr Index scratch_budget_bytes = 64 << 10, most_row_bytes = 64 << 10;
constexpr Index scratch_line = 16;  // elements; no vector holds more

Index column_phases(const Problem& problem, const Layout& layout) {
    const int axis = layout.origin.back();
    return axis < 0 ? 1 : static_cast<Index>(problem.phases[static_cast<std::size_t>(axis)].size());
}

}  // namespace

template <class T>
PanelRules PhasedCorrelation<T>::rules_for(const Problem& problem, const CorrelationKernel<T>& kernel) {
    const Index phases = column_phases(problem, Layout(covering(problem)));
    const Index columns =
        most_row_bytes / Index(sizeof(T)) / kernel.channel_block / max_index(phases, 1) / kernel.column_tile;
    return {sizeof(T),
            kernel.column_tile,
            kernel.column_multiple,
            1,
            kernel.panel_bytes,
            kernel.column_tile * max_index(1, columns),
            kernel.most_panel_channels,
            kernel.whole_panel_bytes};
}

template <class T>
Index PhasedCorrelation<T>::panel_bytes_for(const Problem& problem, const CorrelationKernel<T>& kernel) {
    const Problem cover = covering(problem);
    const PanelShape shape = Panel::shape_for(Layout(cover), cover.in_channels, rules_for(problem, kernel));
    return saturating_multiply(saturating_add(shape.elements, kernel.read_ahead), sizeof(T));
}

template <class T>
PhasedCorrelation<T>::PhasedCorrelation(const Problem& problem, const CorrelationKernel<T>& kernel,
                                        const PhaseRows<T>& rows)
    : problem_(problem),
      layout_(covering(problem)),
      kernel_(kernel),
      rows_(rows),
      panel_(layout_, problem.border, problem.in_channels, rules_for(problem, kernel)) {
    make_members();
    const PanelShape& shape = panel_.shape();
    column_phases_ = static_cast<Index>(phases_.back().size());
    scratch_pitch_ = round_up(shape.columns, scratch_line) + scratch_line;
    const Index row_bytes = column_phases_ * kernel.channel_block * scratch_pitch_ * Index(sizeof(T));
    scratch_rows_ = max_index(1, min_index(shape.rows, scratch_budget_bytes / row_bytes));
    Index block = saturating_multiply(saturating_multiply(problem.in_channels, taps_),
                                      kernel.channel_block * Index(sizeof(T)));
    if (saturating_multiply(saturating_multiply(problem.groups, channel_blocks()), block) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
}

template <class T>
void PhasedCorrelation<T>::make_members() {
    phases_ = phases_of(problem_, layout_);
    const Index count = count_choices(phases_);
    if (count > 4096) throw std::invalid_argument("there would be unreasonably many phases");
    const std::size_t axes = phases_.size();
    for (Index number = 0; number < count; ++number) {
        Member member{choice_of_phases(phases_, number), 1, taps_, {}};
        for (const Phase* phase : member.axes) member.taps *= phase->taps;
        for (Index row = 0; row < panel_.shape().rows; ++row)
            for (Index tap = 0; tap < member.taps; ++tap) {
                Index left = tap, covered = 0, size = 1;  // the number of the covering correlation's tap
                for (std::size_t a = axes; a-- > 0;) {
                    const Axis& axis = layout_.axes[a];
                    const Phase& phase = *member.axes[a];
                    const Index from = left % phase.taps * phase.dilation - phase.before + axis.before;
                    covered += from / axis.dilation * size;
                    left /= phase.taps;
                    size *= axis.kernel;
                }
                member.offset.push_back(panel_.offset(row)[covered]);
            }
        taps_ += member.taps;
        members_.push_back(std::move(member));
    }
}

template <class T>
Index PhasedCorrelation<T>::scratch_bytes() const {
    if (column_phases_ == 1) return 0;
    return round_up(
        column_phases_ * kernel_.channel_block * scratch_rows_ * scratch_pitch_ * Index(sizeof(T)), 64);
}

template <class T>
Index PhasedCorrelation<T>::panel_bytes() const {
    return round_up((panel_.shape().elements + kernel_.read_ahead) * Index(sizeof(T)), 64);
}

template <class T>
Index PhasedCorrelation<T>::workspace_bytes(int threads) const {
    return saturating_multiply(thread_bytes(), threads);
}

template <class T>
Index PhasedCorrelation<T>::packed_bytes() const {
    return problem_.groups * channel_blocks() * packed_block() * Index(sizeof(T));
}

template <class T>
std::vector<Index> PhasedCorrelation<T>::packed_layout() const {
    std::vector<Index> key{Index(sizeof(T)), kernel_.channel_block, problem_.groups, problem_.out_channels,
                           problem_.in_channels};
    for (std::size_t a = 0; a < phases_.size(); ++a) {
        key.push_back(layout_.origin[a]);
        for (const Phase& phase : phases_[a])
            for (Index number : {phase.tap, phase.tap_step, phase.taps}) key.push_back(number);
    }
    return key;
}

// One call's arrays and its division into tasks; the division never touches the order of a sum.
template <class T>
struct PhasedCorrelation<T>::Call : PanelCall {
    const PhasedCorrelation& op;
    const T* packed;

    void share_out(Index batch, int threads);
    void operator()(Index task, int worker);
    void run_members(CorrelationBlock<T>& block, const Index* origin, Index ic, const Member* members,
                     const T* weight, T* y_block, T* scratch) const;
};

template <class T>
void PhasedCorrelation<T>::Call::operator()(Index task, int worker) {
    const Problem& problem = op.problem_;
    const Layout& layout = op.layout_;
    const PanelShape& shape = op.panel_.shape();
    const std::size_t far_axes = layout.far_axes();
    const PanelTasks::Task at = tasks.at(task);  // outputs are numbered within their phase
    const Index g = at.group, n = at.sample;

    char* own = workspace + worker * op.thread_bytes();
    T* panel = reinterpret_cast<T*>(own);
    T* scratch = reinterpret_cast<T*>(own + op.thread_bytes() - op.scratch_bytes());
    Index& packed_panel = held_by_worker[worker];
    const bool is_packed = tasks.holds_all_channels() && packed_panel == at.panel;
    packed_panel = at.panel;
    Panel::Source source{};
    if (!is_packed) source = op.panel_.locate(at.origin, x_spatial.data(), own + op.panel_bytes());
    const T* x_group = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1];
    T* y_group = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1];

    CorrelationBlock<T> block;
    block.panel = panel;
    block.channel_pitch = shape.channel_pitch;
    block.steps = nullptr;
    const T* const bias = static_cast<const T*>(epilogue.bias);
    const Index width = op.kernel_.channel_block;
    const Index first_block = at.chunk * tasks.chunk_blocks;
    const Index last_block = min_index(first_block + tasks.chunk_blocks, op.channel_blocks());
    Index ic = 0;
    do {  // at least once: without input channels there is still the bias
        block.channels = min_index(shape.channels, problem.in_channels - ic);
        if (!is_packed)
            op.panel_.pack(source, x_group + ic * x.stride[2], x.stride[2], x_spatial[far_axes + 1],
                           block.channels, panel);
        block.resumes = accumulates || ic > 0;
        for (Index b = first_block; b < last_block; ++b) {
            block.out_channels = min_index(width, problem.out_channels - b * width);
            block.bias = bias && ic == 0 ? bias + g * problem.out_channels + b * width : nullptr;
            const T* weight = packed + (g * op.channel_blocks() + b) * op.packed_block();
            T* to = y_group + b * width * y.stride[2];
            for (std::size_t m = 0; m < op.members_.size(); m += static_cast<std::size_t>(op.column_phases_))
                run_members(block, at.origin, ic, &op.members_[m], weight, to, scratch);
        }
        ic += shape.channels;
    } while (ic < problem.in_channels);
}

// The members that differ in their phase of the columns alone.
template <class T>
void PhasedCorrelation<T>::Call::run_members(CorrelationBlock<T>& block, const Index* origin, Index ic,
                                             const Member* members, const T* weight, T* y_block,
                                             T* scratch) const {
    const std::size_t far_axes = op.layout_.far_axes();
    const PanelShape& shape = op.panel_.shape();
    const std::vector<const Phase*>& axes = members->axes;
    T* to = y_block;
    for (std::size_t a = 0; a < far_axes; ++a) {
        if (origin[a] >= axes[a]->count) return;
        to += (axes[a]->first + origin[a] * static_cast<Index>(op.phases_[a].size())) * y_spatial[a];
    }
    const Index row_step = static_cast<Index>(op.phases_[far_axes].size()) * y_spatial[far_axes];
    const Index phases = op.column_phases_, column_step = y_spatial[far_axes + 1];
    to += axes[far_axes]->first * y_spatial[far_axes] + origin[far_axes] * row_step +
          origin[far_axes + 1] * phases * column_step;
    const Index all_rows = min_index(tasks.rows, axes[far_axes]->count - origin[far_axes]);
    const Index width = op.kernel_.channel_block, pitch = op.scratch_pitch_;

    const T* const panel = block.panel;
    const T* const bias = block.bias;
    const Index channels = block.channels;
    const bool is_last = ic + channels == op.problem_.in_channels, resumes = block.resumes;
    auto compute = [&](const Member& member, Index first_row) {
        block.columns = min_index(shape.columns, member.axes.back()->count - origin[far_axes + 1]);
        if (block.columns <= 0) return;
        block.taps = block.column_taps = member.taps;
        block.offset = member.offset.data() + first_row * member.taps;
        // Passes of about the same number of channels, whose weights stay in the cache.
        const Index most_terms = op.kernel_.most_terms > 0 ? op.kernel_.most_terms : saturated;
        const Index limit = max_index(1, most_terms / max_index(1, member.taps));
        const Index passes = max_index(1, ceil_divide(channels, limit));
        for (Index pass = 0; pass < passes; ++pass) {
            const Index start = pass * channels / passes, end = (pass + 1) * channels / passes;
            block.panel = panel + start * shape.channel_pitch;
            block.channels = end - start;
            block.resumes = resumes || start > 0;
            block.bias = start > 0 ? nullptr : bias;
            block.weight =
                weight + (member.first_tap * op.problem_.in_channels + (ic + start) * member.taps) * width;
            op.kernel_.compute(block);
        }
        block.panel = panel;
        block.channels = channels;
        block.resumes = resumes;
        block.bias = bias;
    };
    if (all_rows <= 0) return;
    if (phases == 1 || y.stride[2] == 1) {  // channels side by side are stored as they are
        block.y_channel_stride = y.stride[2];
        block.y_row_stride = row_step;
        block.y_column_stride = phases * column_step;
        block.rows = all_rows;
        Index outputs = 0;
        for (Index p = 0; p < phases; ++p) {
            block.y = to + p * column_step;
            compute(members[p], 0);
            outputs += max_index(0, block.columns);
        }
        if (is_last && outputs > 0)
            epilogue.finish(to, block.out_channels, y.stride[2], all_rows, row_step, outputs, column_step);
        return;
    }

    Index outputs = 0;  // of a row
    for (Index p = 0; p < phases; ++p)
        outputs +=
            max_index(0, min_index(shape.columns, members[p].axes.back()->count - origin[far_axes + 1]));
    block.y_row_stride = pitch;
    block.y_column_stride = 1;
    for (Index first = 0; first < all_rows; first += op.scratch_rows_) {
        block.rows = min_index(op.scratch_rows_, all_rows - first);
        block.y_channel_stride = block.rows * pitch;
        const Index phase_pitch = block.out_channels * block.y_channel_stride;
        auto each_row = [&](auto visit) {
            for (Index oc = 0; oc < block.out_channels; ++oc)
                for (Index row = 0; row < block.rows; ++row)
                    visit(scratch + oc * block.y_channel_stride + row * pitch,
                          to + oc * y.stride[2] + (first + row) * row_step);
        };
        if (block.resumes)
            each_row([&](T* from, T* row) {
                if (column_step == 1) {
                    op.rows_.separate(row, phases, outputs, from, phase_pitch);
                } else {
                    for (Index i = 0; i < outputs; ++i)
                        from[i % phases * phase_pitch + i / phases] = row[i * column_step];
                }
            });
        // Rows of outputs lie far apart; while products keep the processor busy, they arrive.
        RowsAhead ahead(to + first * row_step, block.out_channels, y.stride[2] * Index(sizeof(T)), block.rows,
                        row_step * Index(sizeof(T)), column_step == 1 ? outputs * Index(sizeof(T)) : 0,
                        phases);
        for (Index p = 0; p < phases; ++p) {
            ahead.fetch();
            block.y = scratch + p * phase_pitch;
            compute(members[p], first);
        }
        each_row([&](T* from, T* row) {
            if (column_step == 1) {
                op.rows_.interleave(from, phase_pitch, phases, outputs, row);
            } else {
                for (Index i = 0; i < outputs; ++i)
                    row[i * column_step] = from[i % phases * phase_pitch + i / phases];
            }
        });
        if (is_last)
            epilogue.finish(to + first * row_step, block.out_channels, y.stride[2], block.rows, row_step,
                            outputs, column_step);
    }
}

template <class T>
void PhasedCorrelation<T>::Call::share_out(Index batch, int threads) {
    if (threads == 1) return;
    const Index wanted = tasks_per_thread * threads, all_rows = op.layout_.rows().out;
    auto split_rows = [&] {
        const Index blocks = min_index(all_rows, tasks.row_blocks * ceil_divide(wanted, tasks.count(batch)));
        tasks.divide(min_index(op.panel_.shape().rows, ceil_divide(all_rows, blocks)), tasks.chunk_blocks);
    };
    auto split_channels = [&] {
        const Index chunks = min_index(op.channel_blocks(), ceil_divide(wanted, tasks.count(batch)));
        tasks.divide(tasks.rows, ceil_divide(op.channel_blocks(), chunks));
    };
    if (op.packed_block() * op.channel_blocks() * Index(sizeof(T)) > many_weight_bytes) {
        split_channels();
        split_rows();
    } else {
        split_rows();
        split_channels();
    }
}

template <class T>
void PhasedCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                               const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    const Index products = saturating_multiply(batch, scattered_multiply_adds(problem_));
    Call call{{{layout_, x, y, epilogue, accumulate}, {problem_, layout_, panel_.shape(), channel_blocks()}},
              *this,
              static_cast<const T*>(packed)};
    run_call(call, batch, products, threads);
}

template class PhasedCorrelation<float>;
template class PhasedCorrelation<double>;
template class PhasedCorrelation<std::uint64_t>;

}  // namespace faltung
