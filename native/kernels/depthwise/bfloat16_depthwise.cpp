#include "kernels/depthwise/bfloat16_depthwise.h"

#include "core/ahead.h"
#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

namespace {

constexpr Index tasks_per_thread = 16, least_units_per_thread = 4;
constexpr Index strip_rows = 64;  // lines of x and y that are still in L1 for the strip beside it

}  // namespace

struct Bfloat16Depthwise::Call {
    const Bfloat16Depthwise& op;
    const Array &x, &y;
    const float* weights;
    const Epilogue& epilogue;

    const Axis &row_axis = op.problem_.axes[0], &column_axis = op.problem_.axes[1];
    Index channels = op.problem_.groups * op.problem_.out_channels, pairs = ceil_divide(channels, 2);
    bool are_strips =
        row_axis.kernel == 3 && column_axis.kernel == 3 && row_axis.stride == column_axis.stride;
    Index row_tiles = ceil_divide(row_axis.out, are_strips ? strip_rows : bfloat16_tile_rows);
    Index parts = 1;  // of the tiles of rows
    Index units = 1, tasks = 1;

    void share_out(Index batch, int threads) {
        const Index whole = batch * pairs;
        if (threads > 1 && whole < least_units_per_thread * threads) {
            const Index wanted = ceil_divide(least_units_per_thread * threads, whole);
            parts = min_index(ceil_divide(row_axis.out, bfloat16_tile_rows), wanted);
            row_tiles = max_index(row_tiles, parts);
        }
        units = whole * parts;
        tasks = threads == 1 ? 1 : min_index(units, tasks_per_thread * threads);
    }

    // A channel's arrays; of the one after the last, those of the last.
    struct Channel {
        const Half* cells;
        const float *weight, *bias;
        Half* y;
        const Half* residual;
    };

    Channel channel_of(Index n, Index channel) const {
        const Index g = channel / op.problem_.out_channels, oc = channel % op.problem_.out_channels;
        const auto* const bias = static_cast<const float*>(epilogue.bias);
        Half* const own = static_cast<Half*>(y.data) + n * y.stride[0] + g * y.stride[1] + oc * y.stride[2];
        return {static_cast<const Half*>(x.data) + n * x.stride[0] + g * x.stride[1],
                weights + channel * op.summed_.taps(), bias ? bias + channel : nullptr, own,
                static_cast<const Half*>(epilogue.residual_of(own))};
    }

    // Columns from `column` on of one channel, or of two that share vectors.
    void compute(Bfloat16DepthwiseTile& tile, const Channel& first, const Channel& second, Index first_row,
                 Index column, Index columns) const {
        const Index row = first_row * row_axis.stride - row_axis.before;
        const Index cell = column * column_axis.stride - column_axis.before;
        const Index cells_at = row * tile.cells_row_stride + cell,
                    y_at = first_row * tile.y_row_stride + column;
        const bool is_pair = &first != &second;
        for (int i = 0; i < 2; ++i) {
            const Channel& from = i ? second : first;
            tile.cells[i] = from.cells + cells_at;
            tile.weight[i] = from.weight;
            tile.bias[i] = from.bias;
            tile.y[i] = from.y + y_at;
            tile.residual[i] = from.residual ? from.residual + y_at : nullptr;
        }
        tile.columns = columns;
        tile.cells_above = -row;
        tile.cells_below = row_axis.in - row;
        tile.cells_left = -cell;
        tile.cells_right = column_axis.in - cell;
        const bool has_all_rows =
            row >= 0 && row + (tile.rows - 1) * row_axis.stride + row_axis.kernel <= row_axis.in;
        if (are_strips) return op.kernel_.strip(column_axis.stride, columns, is_pair)(tile);
        op.kernel_.tile(tile.rows, op.summed_.most_taps(), has_all_rows, column_axis.stride, columns,
                        is_pair)(tile);
    }

    void operator()(Index task, int) const {
        Bfloat16DepthwiseTile tile{};
        tile.loop = epilogue.loop();
        tile.segments = op.summed_.segments().data();
        tile.segment_count = static_cast<Index>(op.summed_.segments().size());
        tile.columns_of_taps = op.summed_.columns_at_a_time();
        tile.cells_row_stride = x.stride[3];
        tile.y_row_stride = y.stride[3];
        tile.row_stride = row_axis.stride;
        // What is left of two channels shares vectors: half of one, and a quarter.
        const Index width = bfloat16_vector_cells / column_axis.stride, rest = column_axis.out % width;
        const Index shared = rest <= (column_axis.stride == 1 ? 3 * width / 4 : width / 2) ? rest : 0;
        for (Index unit = task * units / tasks; unit < (task + 1) * units / tasks; ++unit) {
            const Index part = unit % parts, pair = unit / parts % pairs, n = unit / parts / pairs;
            const bool has_two = 2 * pair + 1 < channels;
            const Channel first = channel_of(n, 2 * pair), second = channel_of(n, 2 * pair + has_two);
            const Index alone = column_axis.out - (has_two ? shared : 0);
            for (Index i = part * row_tiles / parts; i < (part + 1) * row_tiles / parts; ++i) {
                const Index row = i * row_axis.out / row_tiles;
                tile.rows = (i + 1) * row_axis.out / row_tiles - row;
                if (alone > 0) compute(tile, first, first, row, 0, alone);
                if (alone > 0 && has_two) compute(tile, second, second, row, 0, alone);
                for (Index column = alone; column < column_axis.out; column += width / 2)
                    compute(tile, first, second, row, column, min_index(width / 2, column_axis.out - column));
            }
        }
    }
};

bool Bfloat16Depthwise::serves(const Problem& problem, const DepthwiseKernel<float>& summed) {
    if (problem.axes.size() != 2 || problem.in_channels != 1 || !problem.phases.empty()) return false;
    if (problem.border != Border::zeros && problem.border != Border::absent) return false;
    for (const Axis& axis : problem.axes)
        if (axis.dilation != 1 || axis.kernel < 1 || axis.out < 1) return false;
    if (problem.axes[1].stride > 2) return false;
    return DepthwiseCorrelation<float>(problem, summed).has_rows();
}

Bfloat16Depthwise::Bfloat16Depthwise(const Problem& problem, const CorrelationFamily& family,
                                     const DepthwiseKernel<float>& summed,
                                     const Bfloat16DepthwiseKernel& kernel, Isa isa)
    : problem_(problem),
      isa_(isa),
      kernel_(kernel),
      converted_(problem, family, Type::bfloat16, isa),
      summed_(problem, summed) {}

std::vector<Index> Bfloat16Depthwise::packed_layout() const {
    std::vector<Index> key = converted_.packed_layout();
    const std::vector<Index> own = summed_.packed_layout();
    key.insert(key.end(), own.begin(), own.end());
    return key;
}

void Bfloat16Depthwise::pack(const Array& weight, void* packed, int threads) const {
    converted_.pack(weight, packed, threads);
    const std::vector<Index> size{problem_.groups, problem_.out_channels, 1, problem_.axes[0].kernel,
                                  problem_.axes[1].kernel};
    const std::vector<Index> stride = compact_strides(size, {});
    if (problem_.groups == 0 || problem_.out_channels == 0) return;
    AlignedBuffer wide(size[0] * stride[0] * Index(sizeof(float)));
    const Array own{wide.data(), stride};
    widen(Type::bfloat16, isa_, size, weight, own, threads);
    summed_.pack(own, static_cast<char*>(packed) + weights_place(), threads);
}

void Bfloat16Depthwise::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                            const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    const char* const own = static_cast<const char*>(packed) + weights_place();
    if (accumulate || x.stride.back() != 1 || y.stride.back() != 1 || !summed_.are_finite(own))
        return converted_.run(batch, x, packed, epilogue, y, accumulate, threads);
    const Index work = saturating_multiply(batch, work_of(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    Call call{*this, x, y, summed_.weights(own), epilogue};
    call.share_out(batch, threads);
    parallel_for(call.tasks, static_cast<int>(min_index(call.tasks, threads)), call);
}

}  // namespace faltung
