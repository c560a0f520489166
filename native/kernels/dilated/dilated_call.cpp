#include "core/threads.h"
#include "kernels/call_arrays.h"
#include "kernels/dilated/dilated.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 4;

// Of transformed input, so much stays in L1 while it is written piece by piece.
constexpr Index written_bytes = 16 << 10;

}  // namespace

// One call's arrays; its division into tasks never touches the order of a sum.
template <class T>
struct DilatedCorrelation<T>::Call : CallArrays {
    const DilatedCorrelation& op;
    const T* packed;

    // Some rows of tiles of one part, of one sample or several.
    struct Job {
        const Part* part;
        Index group, first_unit, units;
        char* v;

        Index tiles() const { return units * part->across; }
    };
    // A job's products for some blocks of channels.
    struct Task {
        std::size_t job;
        Index first_block, last_block;
    };

    std::vector<Job> jobs = {};
    std::vector<Task> tasks = {};
    char* products = nullptr;

    // A row of tiles: its sample, where its tiles' cells begin, and what it has of outputs.
    struct Unit {
        Index sample;
        const TilePiece* piece;
        Index phase;
    };

    Unit unit(const Job& job, Index number) const;
    void transform(const Job& job, Index first_term, Index last_term) const;
    void transform(const Job& job, Index unit_number, Index term, DilatedInput<T>& input) const;
    void multiply(const Task& task, char* own) const;
    void store(const Job& job, Index channel_block, const T* m) const;
    void share_out(int threads);
};

template <class T>
typename DilatedCorrelation<T>::Call::Unit DilatedCorrelation<T>::Call::unit(const Job& job,
                                                                             Index number) const {
    const Index rest = (job.first_unit + number) % job.part->units;
    const std::vector<TilePiece>& pieces = op.tiling_.rows.pieces[job.part->rows];
    std::size_t i = 0;
    while (rest >= pieces[i].tile + pieces[i].phases) ++i;
    return {(job.first_unit + number) / job.part->units, &pieces[i],
            pieces[i].phase + (rest - pieces[i].tile)};
}

// Some terms of a job's tiles; few at a time, so that lines of the transformed input are written whole.
template <class T>
void DilatedCorrelation<T>::Call::transform(const Job& job, Index first_term, Index last_term) const {
    const Index term_bytes = job.part->points * job.tiles() * Index(sizeof(T));
    const Index at_once = max_index(1, written_bytes / term_bytes);
    DilatedInput<T> input;
    input.rows = op.rows_of(*job.part).form;
    input.columns = op.columns_of(*job.part).form;
    input.channel_stride = x.stride[2];
    input.tile_stride = x_spatial[1];
    input.term_pitch = job.tiles();
    input.point_pitch = op.v_pitch(job.tiles());
    for (Index term = first_term; term < last_term; term += at_once) {
        input.channels = min_index(at_once, last_term - term);
        input.following = last_term - term;
        for (Index u = 0; u < job.units; ++u) transform(job, u, term, input);
    }
}

// Those of a row of tiles.
template <class T>
void DilatedCorrelation<T>::Call::transform(const Job& job, Index unit_number, Index term,
                                            DilatedInput<T>& input) const {
    const Axis &rows = op.layout_.rows(), &columns = op.layout_.columns();
    const Index row_step = op.tiling_.rows.apart, column_step = op.tiling_.columns.apart;
    const Index first_row = op.rows_of(*job.part).first, first_column = op.columns_of(*job.part).first;
    const Unit here = unit(job, unit_number);
    for (Index i = 0; i < tile_cells(input.rows); ++i) {
        const Index cell = here.phase - rows.before + (here.piece->output + first_row + i) * row_step;
        const bool is_inside = i >= here.piece->begin && i < here.piece->end;
        input.row[i] = is_inside ? cell * x_spatial[0] : absent_row;
    }
    input.x = static_cast<const T*>(x.data) + here.sample * x.stride[0] + job.group * x.stride[1] +
              term * x.stride[2];
    T* const v = reinterpret_cast<T*>(job.v) + term * input.term_pitch + unit_number * job.part->across;
    for (const TilePiece& piece : op.tiling_.columns.pieces[job.part->columns]) {
        for (Index j = 0; j < tile_cells(input.columns); ++j) {
            const Index cell = piece.phase - columns.before + (piece.output + first_column + j) * column_step;
            input.column[j] = j >= piece.begin && j < piece.end ? cell * x_spatial[1] : absent_row;
        }
        input.tiles = piece.phases;
        input.v = v + piece.tile;
        op.kernel_.transform_input(input);
    }
}

template <class T>
void DilatedCorrelation<T>::Call::store(const Job& job, Index channel_block, const T* m) const {
    const Index row_step = op.tiling_.rows.apart, column_step = op.tiling_.columns.apart;
    const Index block = op.kernel_.channel_block, first_channel = channel_block * block;
    DilatedOutput<T> output;
    output.rows = op.rows_of(*job.part).form;
    output.columns = op.columns_of(*job.part).form;
    output.m_pitch = op.m_pitch(job.tiles());
    output.channel_stride = y.stride[2];
    output.row_stride = y_spatial[0] * row_step;
    output.column_stride = y_spatial[1] * column_step;
    output.tile_stride = y_spatial[1];
    output.channels = min_index(block, op.problem_.out_channels - first_channel);
    output.accumulates = accumulates;
    const T* const bias = static_cast<const T*>(epilogue.bias);
    output.bias = bias ? bias + job.group * op.problem_.out_channels + first_channel : nullptr;
    for (Index u = 0; u < job.units; ++u) {
        const Unit here = unit(job, u);
        output.row_outputs = here.piece->outputs;
        T* const row = static_cast<T*>(y.data) + here.sample * y.stride[0] + job.group * y.stride[1] +
                       first_channel * y.stride[2] +
                       (here.phase + here.piece->output * row_step) * y_spatial[0];
        for (const TilePiece& piece : op.tiling_.columns.pieces[job.part->columns]) {
            output.m = m + (u * job.part->across + piece.tile) * block;
            output.tiles = piece.phases;
            output.column_outputs = piece.outputs;
            output.y = row + (piece.phase + piece.output * column_step) * y_spatial[1];
            op.kernel_.transform_output(output);
            for (Index j = 0; j < piece.outputs; ++j)
                epilogue.finish(output.y + j * output.column_stride, output.channels, output.channel_stride,
                                output.row_outputs, output.row_stride, output.tiles, output.tile_stride);
        }
    }
}

template <class T>
void DilatedCorrelation<T>::Call::multiply(const Task& task, char* own) const {
    const Job& job = jobs[task.job];
    const Index points = job.part->points, v_pitch = op.v_pitch(job.tiles()),
                m_pitch = op.m_pitch(job.tiles());
    const Index block = op.kernel_.channel_block;
    const auto products_of = [&](Index b) {
        return reinterpret_cast<T*>(own) + (b - task.first_block) * points * m_pitch;
    };
    const auto weights_of = [&](Index point, Index b) {
        return packed + (job.group * op.channel_blocks() + b) * op.packed_block() +
               (job.part->first_point + point) * op.packed_panel();
    };
    WinogradProduct<T> product;
    product.u_term = product.next_pitch = block;
    product.u_vector = op.kernel_.lanes;
    product.terms = op.terms();
    product.tile_rows = 1;
    product.tile_columns = product.tile_pitch = product.term_pitch = job.tiles();
    product.continues = false;
    for (Index point = 0; point < points; ++point)
        for (Index b = task.first_block; b < task.last_block; ++b) {
            const bool is_last = b + 1 == task.last_block;
            product.u = weights_of(point, b);
            product.next = is_last && point + 1 == points
                               ? product.u
                               : weights_of(point + is_last, is_last ? task.first_block : b + 1);
            product.v = reinterpret_cast<const T*>(job.v) + point * v_pitch;
            product.next_v = product.v + (is_last && point + 1 < points ? v_pitch : 0);
            product.m = products_of(b) + point * m_pitch;
            product.channels = min_index(block, op.problem_.out_channels - b * block);
            op.kernel_.multiply(product);
        }
    for (Index b = task.first_block; b < task.last_block; ++b) store(job, b, products_of(b));
}

// Those that share weights follow on one another.
template <class T>
void DilatedCorrelation<T>::Call::share_out(int threads) {
    tasks.clear();
    const Index blocks = op.channel_blocks();
    const Index wanted =
        threads > 1 ? ceil_divide(tasks_per_thread * threads, static_cast<Index>(jobs.size())) : 1;
    for (std::size_t first = 0; first < jobs.size();) {
        std::size_t last = first;
        Index units = 0;
        for (; last < jobs.size() && jobs[last].part == jobs[first].part; ++last)
            units = max_index(units, jobs[last].units);
        const Index bytes = op.product_bytes(*jobs[first].part, units);
        const Index fitting = max_index(1, op.product_bytes_ / bytes);
        const Index chunks = min_index(blocks, max_index(wanted, ceil_divide(blocks, fitting)));
        for (Index chunk = 0; chunk < chunks; ++chunk)
            for (std::size_t job = first; job < last; ++job)
                tasks.push_back({job, chunk * blocks / chunks, (chunk + 1) * blocks / chunks});
        first = last;
    }
}

template <class T>
void DilatedCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0) return;
    const Index work = saturating_multiply(batch, work_of(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    Workspace workspace(input_bytes_ + product_bytes_ * threads);
    Call call{{layout_, x, y, epilogue, accumulate}, *this, static_cast<const T*>(packed)};
    call.products = workspace.data() + input_bytes_;
    Index place = 0;
    const auto compute = [&] {
        const Index jobs = static_cast<Index>(call.jobs.size());
        if (jobs == 0) return;
        const Index slices =
            threads == 1 ? 1 : min_index(terms(), ceil_divide(tasks_per_thread * threads, jobs));
        auto transform = [&](Index task, int) {
            const Index slice = task % slices;
            call.transform(call.jobs[static_cast<std::size_t>(task / slices)], slice * terms() / slices,
                           (slice + 1) * terms() / slices);
        };
        parallel_for(jobs * slices, threads, transform);
        call.share_out(threads);
        auto multiply = [&](Index task, int worker) {
            call.multiply(call.tasks[static_cast<std::size_t>(task)],
                          call.products + worker * product_bytes_);
        };
        parallel_for(static_cast<Index>(call.tasks.size()), threads, multiply);
        call.jobs.clear();
        place = 0;
    };
    for (Index group = 0; group < problem_.groups; ++group)
        for (const Part& part : parts_) {
            const Index units = batch * part.units, blocks = ceil_divide(units, part.block_units);
            for (Index b = 0; b < blocks; ++b) {
                const Index first = b * units / blocks, some = (b + 1) * units / blocks - first;
                const Index bytes = block_bytes(part, some);
                if (place + bytes > input_bytes_) compute();
                call.jobs.push_back({&part, group, first, some, workspace.data() + place});
                place += bytes;
            }
        }
    compute();
}

template void DilatedCorrelation<float>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                             bool, int) const;
template void DilatedCorrelation<double>::run(Index, const Array&, const void*, const Epilogue&, const Array&,
                                              bool, int) const;

}  // namespace faltung
