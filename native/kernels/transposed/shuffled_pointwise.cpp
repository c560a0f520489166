#include "kernels/transposed/shuffled_pointwise.h"

#include <stdexcept>

#include "core/ahead.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/flat_stride.h"
#include "kernels/held_by_worker.h"
#include "kernels/run_call.h"
#include "kernels/transposed/covering.h"

namespace faltung {

namespace {

constexpr Index most_members = 4096;

// Sums of this many input channels stay in the panel; longer ones are left to one phase after the other.
constexpr Index most_terms = 2048;

// Outputs of a row's phases stay in L1 until they are interleaved.
constexpr Index scratch_budget_bytes = 16 << 10;

constexpr Index parallel_pack_bytes = 128 << 10;

constexpr Index tasks_per_thread = 12;
constexpr Index least_task_multiply_adds = 1 << 16;

Problem one_phase(const Problem& problem) {
    Problem one = problem;
    one.phases.clear();
    for (Axis& axis : one.axes) axis = {axis.in, axis.in, 1, 1, 1, 0};
    return one;
}

}  // namespace

const char* why_not_shuffled(const Problem& problem) {
    for (std::size_t a = 0; a < problem.axes.size(); ++a) {
        Index first = 0;
        for (const Phase& phase : problem.phases[a]) {
            if (phase.taps != 1) return "it needs exactly one tap in each phase of the stride";
            if (phase.before != 0 || phase.count != problem.axes[a].in || phase.first != first++)
                return "it needs every phase to read every input cell, without padding";
        }
    }
    return count_choices(problem.phases) > most_members ? "there would be unreasonably many phases" : nullptr;
}

template <class T>
Index ShuffledPointwise<T>::Member::tap_offset(const Array& weight) const {
    Index offset = 0;
    for (std::size_t a = 0; a < axes.size(); ++a) offset += axes[a]->tap * weight.stride[outer_axes + a];
    return offset;
}

template <class T>
Index ShuffledPointwise<T>::Member::first_offset(const Array& y) const {
    Index offset = 0;
    for (std::size_t a = 0; a < axes.size(); ++a) offset += axes[a]->first * y.stride[outer_axes + a];
    return offset;
}

template <class T>
ShuffledPointwise<T>::ShuffledPointwise(const Problem& problem, const PointwiseKernel<T>& kernel,
                                        const PhaseRows<T>& rows)
    : problem_(problem), kernel_(kernel), rows_(rows), one_(one_phase(problem), kernel) {
    for (const Axis& axis : problem_.axes) sizes_.push_back(axis.in);
    column_phases_ = static_cast<Index>(problem_.phases.back().size());
    const Index count = count_choices(problem_.phases);
    for (Index number = 0; number < count; ++number)
        members_.push_back({choice_of_phases(problem_.phases, number)});
    if (saturating_multiply(packed_pitch(), count) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
}

template <class T>
Index ShuffledPointwise<T>::panel_bytes_for(const Problem& problem, const PointwiseKernel<T>& kernel) {
    return PointwiseCorrelation<T>::panel_bytes_for(one_phase(problem), kernel);
}

template <class T>
PositionBlocks ShuffledPointwise<T>::blocks() const {
    return PositionBlocks::whole(outputs(one_phase(problem_).axes), kernel_.lanes, kernel_.most_vectors);
}

template <class T>
Index ShuffledPointwise<T>::panel_elements() const {
    return round_up(problem_.in_channels * kernel_.most_vectors * kernel_.lanes, workspace_alignment);
}

// Blocks of output channels of one row of phases.
template <class T>
Index ShuffledPointwise<T>::scratch_blocks() const {
    const Index block_bytes =
        column_phases_ * kernel_.panel.channel_block * scratch_pitch() * Index(sizeof(T));
    return min_index(channel_blocks(), max_index(1, scratch_budget_bytes / block_bytes));
}

template <class T>
Index ShuffledPointwise<T>::scratch_elements() const {
    return round_up(column_phases_ * scratch_blocks() * kernel_.panel.channel_block * scratch_pitch(),
                    workspace_alignment);
}

template <class T>
Index ShuffledPointwise<T>::workspace_bytes(int threads) const {
    return max_index(saturating_multiply(thread_bytes(), threads), one_.workspace_bytes(threads));
}

template <class T>
Index ShuffledPointwise<T>::packed_bytes() const {
    return packed_pitch() * static_cast<Index>(members_.size());
}

template <class T>
std::vector<Index> ShuffledPointwise<T>::packed_layout() const {
    std::vector<Index> key = one_.packed_layout();
    for (const auto& axis : problem_.phases) {
        key.push_back(static_cast<Index>(axis.size()));
        for (const Phase& phase : axis) key.push_back(phase.tap);
    }
    return key;
}

// As `one_` reads them, phase after phase; all taps of a channel while its cache lines are at hand.
template <class T>
void ShuffledPointwise<T>::pack(const Array& weight, void* packed, int threads) const {
    const Index width = kernel_.panel.channel_block, blocks = channel_blocks(), terms = problem_.in_channels;
    std::vector<Index> tap;
    std::vector<T*> to;
    for (const Member& member : members_) {
        char* const own = static_cast<char*>(packed) + static_cast<Index>(to.size()) * packed_pitch();
        write_packed_head(own, sizes_.size());
        to.push_back(reinterpret_cast<T*>(own + packed_head_bytes(sizes_.size())));
        tap.push_back(member.tap_offset(weight));
    }
    auto pack_block = [&](Index task, int) {
        const Index g = task / blocks, first = task % blocks * width;
        const Index channels = min_index(width, problem_.out_channels - first);
        const T* const from =
            static_cast<const T*>(weight.data) + g * weight.stride[0] + first * weight.stride[1];
        for (Index ic = 0; ic < terms; ++ic)
            for (std::size_t m = 0; m < to.size(); ++m) {
                const T* const kernel = from + ic * weight.stride[2] + tap[m];
                T* const row = to[m] + (task * terms + ic) * width;
                for (Index oc = 0; oc < width; ++oc)
                    row[oc] = oc < channels ? kernel[oc * weight.stride[1]] : T(0);
            }
    };
    parallel_for(problem_.groups * blocks, packed_bytes() < parallel_pack_bytes ? 1 : threads, pack_block);
}

// One call's arrays and its division into tasks; the division never touches the order of a sum.
template <class T>
struct ShuffledPointwise<T>::Call {
    const ShuffledPointwise& op;
    const Array &x, &y;
    const char* packed;
    const Epilogue& epilogue;
    bool accumulates;
    PositionBlocks blocks;

    char* workspace = nullptr;
    HeldByWorker held_by_worker = {};  // which panel each worker holds
    Index chunks = 1;                  // of output channels

    void share_out(Index batch, int threads) {
        const Index work = saturating_multiply(batch, scattered_multiply_adds(op.problem_));
        const Index wanted =
            min_index(tasks_per_thread * threads, max_index(threads, work / least_task_multiply_adds));
        if (threads > 1)
            chunks = min_index(ceil_divide(op.channel_blocks(), op.scratch_blocks()),
                               ceil_divide(wanted, task_count(batch)));
    }
    Index task_count(Index batch) const { return batch * op.problem_.groups * blocks.count() * chunks; }

    void operator()(Index task, int worker);

  private:
    // Positions of one row of the input, and where their first phase's outputs begin.
    struct Segment {
        Index first, count, y;
    };
    std::vector<Segment> segments_of(Index first, Index count) const;
    const T* block_of(Index panel_task) const;
};

template <class T>
std::vector<typename ShuffledPointwise<T>::Call::Segment> ShuffledPointwise<T>::Call::segments_of(
    Index first, Index count) const {
    std::vector<Segment> segments;
    const Index columns = op.sizes_.back();
    for (Index at = 0; at < count;) {
        const Index position = first + at, length = min_index(columns - position % columns, count - at);
        Segment segment{at, length, 0};
        Index rest = position;
        for (std::size_t a = op.sizes_.size(); a-- > 0;) {
            segment.y += rest % op.sizes_[a] * static_cast<Index>(op.problem_.phases[a].size()) *
                         y.stride[outer_axes + a];
            rest /= op.sizes_[a];
        }
        segments.push_back(segment);
        at += length;
    }
    return segments;
}

// The cells that a task's panel holds.
template <class T>
const T* ShuffledPointwise<T>::Call::block_of(Index panel_task) const {
    const Index plane = panel_task / blocks.count();
    return static_cast<const T*>(x.data) + plane / op.problem_.groups * x.stride[0] +
           plane % op.problem_.groups * x.stride[1] + blocks.first(panel_task % blocks.count());
}

template <class T>
void ShuffledPointwise<T>::Call::operator()(Index task, int worker) {
    const Problem& problem = op.problem_;
    const Index chunk = task % chunks, panel_task = task / chunks;
    const Index block = panel_task % blocks.count(), plane = panel_task / blocks.count();
    const Index g = plane % problem.groups, n = plane / problem.groups;
    const Index width = op.kernel_.panel.channel_block, pitch = op.scratch_pitch(),
                phases = op.column_phases_;
    const std::vector<Segment> segments = segments_of(blocks.first(block), blocks.size(block));

    T* const panel = reinterpret_cast<T*>(workspace + worker * op.thread_bytes());
    T* const scratch = panel + op.panel_elements();
    Index& held = held_by_worker[worker];
    bool is_held = held == panel_task;
    held = panel_task;

    PointwiseBlock<T> product;
    product.x = block_of(panel_task);
    product.x_pitch = x.stride[2];
    product.panel = panel;
    product.terms = problem.in_channels;
    product.positions = blocks.size(block);
    product.y_channel_stride = pitch;
    product.resumes = accumulates;

    const Index all_blocks = op.channel_blocks(), last_block = (chunk + 1) * all_blocks / chunks;
    const std::size_t row_members = op.members_.size() / static_cast<std::size_t>(phases);
    for (Index b = chunk * all_blocks / chunks, count; b < last_block; b += count) {
        count = min_index(op.scratch_blocks(), last_block - b);
        const Index first_channel = b * width;
        const Index channels = min_index(count * width, problem.out_channels - first_channel);
        const Index phase_pitch = count * width * pitch;
        product.out_channels = channels;
        product.bias = epilogue.bias
                           ? static_cast<const T*>(epilogue.bias) + g * problem.out_channels + first_channel
                           : nullptr;
        for (std::size_t row = 0; row < row_members; ++row) {
            const std::size_t first_member = row * static_cast<std::size_t>(phases);
            T* const to = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] +
                          first_channel * y.stride[2] + op.members_[first_member].first_offset(y);
            auto each_row = [&](auto visit) {
                for (const Segment& segment : segments)
                    for (Index oc = 0; oc < channels; ++oc)
                        visit(scratch + oc * pitch + segment.first, phases * segment.count,
                              to + segment.y + oc * y.stride[2]);
            };
            if (accumulates)
                each_row([&](T* from, Index outputs, T* out) {
                    op.rows_.separate(out, phases, outputs, from, phase_pitch);
                });
            // Rows of outputs lie far apart; while products keep the processor busy, they arrive.
            std::vector<RowsAhead> ahead;
            for (const Segment& segment : segments)
                ahead.emplace_back(to + segment.y, channels, y.stride[2] * Index(sizeof(T)), 1, 0,
                                   phases * segment.count * Index(sizeof(T)), phases);
            for (Index p = 0; p < phases; ++p) {
                for (RowsAhead& rows : ahead) rows.fetch();
                product.is_packed = is_held;
                is_held = true;
                ProductWeights<T> weights(packed + (static_cast<Index>(first_member) + p) * op.packed_pitch(),
                                          problem, problem.in_channels, width);
                weights.give(product, weights.at(g, b, 0));
                product.y = scratch + p * phase_pitch;
                op.kernel_.multiply(product);
            }
            each_row([&](T* from, Index outputs, T* out) {
                op.rows_.interleave(from, phase_pitch, phases, outputs, out);
            });
            for (const Segment& segment : segments)
                epilogue.finish(to + segment.y, channels, y.stride[2], 1, 0, phases * segment.count, 1);
        }
    }
}

template <class T>
bool ShuffledPointwise<T>::is_interleaved(const Array& x, const Array& y) const {
    return problem_.in_channels <= most_terms && flat_stride(sizes_, x.stride) == Index(1) &&
           y.stride.back() == 1;
}

template <class T>
void ShuffledPointwise<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                               const Array& y, bool accumulate, int threads) const {
    const char* const weights = static_cast<const char*>(packed);
    if (!is_interleaved(x, y)) {
        for (std::size_t m = 0; m < members_.size(); ++m) {
            Array part{static_cast<T*>(y.data) + members_[m].first_offset(y), y.stride};
            for (std::size_t a = 0; a < sizes_.size(); ++a)
                part.stride[outer_axes + a] *= static_cast<Index>(problem_.phases[a].size());
            one_.run(batch, x, weights + static_cast<Index>(m) * packed_pitch(), epilogue, part, accumulate,
                     threads);
        }
        return;
    }
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || blocks().positions == 0) return;
    Call call{*this, x, y, weights, epilogue, accumulate, blocks()};
    run_call(call, batch, saturating_multiply(batch, scattered_multiply_adds(problem_)), threads);
}

template class ShuffledPointwise<float>;
template class ShuffledPointwise<double>;
template class ShuffledPointwise<std::uint64_t>;

}  // namespace faltung
