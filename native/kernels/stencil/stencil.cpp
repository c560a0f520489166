// Filters along lines: bands of rows, each taken across its columns, then along its rows, while it is in the
// cache.
#include "kernels/stencil/stencil.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/interruption.h"
#include "core/isa_switch.h"
#include "kernels/stencil/stencil_parts.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(StencilLoops<float> float_stencil_loops();
                        StencilLoops<double> double_stencil_loops();
                        CellLoops<float> float_cell_loops(Cell cell);
                        CellLoops<double> double_cell_loops(Cell cell);)

template <>
StencilLoops<float> stencil_loops(Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, float_stencil_loops())
    return {};
}

template <>
StencilLoops<double> stencil_loops(Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, double_stencil_loops())
    return {};
}

template <>
CellLoops<float> cell_loops(Cell cell, Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, float_cell_loops(cell))
    return {};
}

template <>
CellLoops<double> cell_loops(Cell cell, Isa isa) {
    FALTUNG_RETURN_FOR_ISA(isa, double_cell_loops(cell))
    return {};
}

Index cell_bytes(Cell cell) {
    constexpr Index bytes[cell_types] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    return bytes[static_cast<int>(cell)];
}

BeyondEnds::BeyondEnds(const StencilPass& pass, Index size) : before_(pass.before), size_(size) {
    const Index behind = pass.size - 1 - pass.before;
    try {
        places_.reserve(static_cast<std::size_t>(before_ + behind));  // at once: no memory is filled in vain
    } catch (const std::bad_alloc&) {
        throw OutOfMemory((before_ + behind) * Index(sizeof(Index)));
    }
    for (Index at = -before_; at < 0; ++at) places_.push_back(border_cell(pass.border, at, size));
    for (Index at = size; at < size + behind; ++at) places_.push_back(border_cell(pass.border, at, size));
}

namespace {

constexpr Index rows_of_a_band = 32;
constexpr Index bytes_of_a_block = Index(36) << 10;
constexpr Index bytes_of_sums = Index(24) << 10;  // in the nearest cache, where means are made
constexpr Index rows_of_sums = 4;                 // that wait to be stored as cells
constexpr Index columns_of_a_task = 8192;

// Rows of a large array often lie a power of two apart, where the caches have room for few of them: where
// each is read more often, they are copied first.
constexpr Index most_taps_in_place = 12;
constexpr Index cells_of_a_task = 1 << 14;

// As SciPy decides it.
Symmetry symmetry_of(const StencilPass& pass) {
    if (pass.size % 2 == 0 || !pass.weight) return Symmetry::none;
    const Index half = pass.size / 2;
    const double* const middle = pass.weight + half;
    bool is_symmetric = true, is_antisymmetric = true;
    for (Index k = 1; k <= half; ++k) {
        const double epsilon = std::numeric_limits<double>::epsilon();
        if (!(std::fabs(middle[k] - middle[-k]) <= epsilon)) is_symmetric = false;
        if (!(std::fabs(middle[k] + middle[-k]) <= epsilon)) is_antisymmetric = false;
    }
    return is_symmetric ? Symmetry::symmetric : is_antisymmetric ? Symmetry::antisymmetric : Symmetry::none;
}

template <class T>
struct Pass {
    Index size, before;
    std::vector<T> weight;
    Symmetry symmetry;
    T beyond;
    BeyondEnds ends;

    Pass(const StencilPass& pass, Index places)
        : size(pass.size),
          before(pass.before),
          weight(pass.weight ? std::vector<T>(pass.weight, pass.weight + pass.size) : std::vector<T>()),
          symmetry(symmetry_of(pass)),
          beyond(static_cast<T>(pass.beyond)),
          ends(pass.size ? BeyondEnds(pass, places) : BeyondEnds()) {}

    explicit operator bool() const { return size > 0; }
    bool is_mean() const { return weight.empty(); }
    StencilTaps<T> taps() const { return {weight.data(), size, symmetry}; }
};

template <class T>
class Lines {
  public:
    Lines(const StencilLines& call, Isa isa)
        : x_(call.x, isa),
          y_(call.y, isa),
          loops_(stencil_loops<T>(isa)),
          across_(call.across, call.size[1]),
          along_(call.along, call.size[2] / call.step),
          slices_(call.size[0]),
          rows_(call.size[1]),
          columns_(call.size[2]),
          step_(call.step),
          is_rounded_(call.y.cell != cell_of<T>) {
        reads_in_place_ = x_.is_plain && !across_.is_mean() && across_.size <= most_taps_in_place;
        left_ = along_ ? along_.before * step_ : 0;
        right_ = along_ ? (along_.size - 1 - along_.before) * step_ : 0;
        band_ = min_index(rows_, rows_of_a_band);
        task_columns_ =
            across_ && along_ ? columns_ : min_index(columns_, round_up(columns_of_a_task, step_));
        bands_ = ceil_divide(rows_, band_);
        parts_ = ceil_divide(columns_, task_columns_);
        const Index tall = band_ + (across_ ? across_.size - 1 : 0);
        const Index budget = across_ && across_.is_mean() ? bytes_of_sums : bytes_of_a_block;
        constexpr Index least = 256 / Index(sizeof(T));
        block_ = max_index(least, budget / Index(sizeof(T)) / tall / least * least);
        block_ = min_index(block_, round_up(task_columns_, least));
        sums_ = max_index(1024, 2 * (left_ + right_));
        Pieces pieces;
        const Index slack = loops_.slack;
        line_pitch_ = odd_lines(left_ + task_columns_ + right_ + slack, sizeof(T));
        lines_ = across_ && along_ && !is_rounded_ ? band_ : 1;
        lines_at_ = pieces.take(lines_ * line_pitch_ + slack, sizeof(T));
        block_at_ = across_ ? pieces.take(tall * block_ + slack, sizeof(T)) : 0;
        beyond_at_ = across_ ? pieces.take(block_, sizeof(T)) : 0;
        sums_at_ =
            pieces.take(max_index(sums_ + left_ + right_, across_ ? band_ * block_ : 0) + slack, sizeof(T));
        row_at_ = pieces.take(task_columns_ + slack, sizeof(T));
        pointers_at_ = pieces.take(tall, sizeof(T*));
        cells_at_ = pieces.take(across_ && along_ && is_rounded_ ? band_ * columns_ : 0, y_.bytes);
        scratch_bytes_ = pieces.bytes();
    }

    void run(int threads) {
        const Index taps = across_.size + along_.size + 4;
        const Index products =
            saturating_multiply(saturating_multiply(slices_, taps), saturating_multiply(rows_, columns_));
        const Index together = cells_of_a_task / max_index(1, band_ * task_columns_);
        run_parts(slices_ * bands_ * parts_, together, products, scratch_bytes_, threads,
                  [this](Index i, char* scratch) { part(i, scratch); });
    }

  private:
    // Some rows and columns of one slice.
    struct Part {
        Index slice, first, rows, column, columns;
        char* scratch;
    };

    template <class U>
    U* scratch(const Part& part, Index at) const {
        return reinterpret_cast<U*>(part.scratch + at);
    }
    // Of a row as T: each has its own only where the sums across the rows wait there.
    T* line(const Part& part, Index r) const {
        return scratch<T>(part, lines_at_) + (lines_ > 1 ? r : 0) * line_pitch_ + left_;
    }
    // The sums across the rows as cells of y.
    char* stored(const Part& part, Index r, Index c) const {
        return part.scratch + cells_at_ + (r * columns_ + c) * y_.bytes;
    }

    void part(Index i, char* scratch) const {
        const Index band = i / parts_ % bands_, column = i % parts_ * task_columns_, first = band * band_;
        const Part part{i / parts_ / bands_,
                        first,
                        min_index(band_, rows_ - first),
                        column,
                        min_index(task_columns_, columns_ - column),
                        scratch};
        if (across_)
            for (Index c = 0; c < part.columns && !is_interrupted(); c += block_)
                take_across(part, c, min_index(block_, part.columns - c));
        if (!along_) return;
        for (Index r = 0; r < part.rows && !is_interrupted(); ++r) {
            T* const cells = line(part, r);
            if (!across_) {
                load_line(part, r, cells);
            } else {
                if (is_rounded_) y_.loops.load(stored(part, r, 0), 1, columns_, cells);
                extend(cells);
            }
            take_along(part, r, cells - left_);
        }
    }

    // Columns [c, c + count) of a part, to y, or to where the pass along the rows finds them.
    void take_across(const Part& part, Index c, Index count) const {
        T* const block = scratch<T>(part, block_at_);
        T* const beyond = scratch<T>(part, beyond_at_);
        const T** const pointer = scratch<const T*>(part, pointers_at_);
        const Index taken = part.rows + across_.size - 1, column = part.column + c;
        const bool is_mean = across_.is_mean();
        bool has_beyond = false;
        for (Index i = 0; i < taken; ++i) {
            const Index at = part.first - across_.before + i;
            const Index row = at < 0 || at >= rows_ ? across_.ends.place(at) : at;
            T* const own = block + i * block_;
            if (row == outside) {
                T* const filled = is_mean ? own : beyond;
                if (is_mean || !has_beyond) std::fill(filled, filled + count, across_.beyond);
                has_beyond = true;
                pointer[i] = filled;
            } else if (reads_in_place_) {
                pointer[i] = reinterpret_cast<const T*>(x_.at(part.slice, row, column));
            } else {
                x_.load(part.slice, row, column, count, own);
                pointer[i] = own;
            }
        }
        T* const sums = scratch<T>(part, sums_at_);
        if (is_mean) {
            loops_.mean(block, block_, across_.size, (part.rows - 1) * block_ + count, sums);
            for (Index r = 0; r < part.rows; ++r) deliver(part, r, c, count, sums + r * block_);
        } else if (!along_ && y_.is_plain) {
            loops_.across(pointer, part.rows, count, across_.taps(),
                          reinterpret_cast<T*>(y_.at(part.slice, part.first, column)), y_.stride[1]);
        } else if (along_ && !is_rounded_) {
            loops_.across(pointer, part.rows, count, across_.taps(), line(part, 0) + c, line_pitch_);
        } else {
            for (Index r = 0; r < part.rows; r += rows_of_sums) {
                const Index some = min_index(rows_of_sums, part.rows - r);
                loops_.across(pointer + r, some, count, across_.taps(), sums, block_);
                for (Index k = 0; k < some; ++k) deliver(part, r + k, c, count, sums + k * block_);
            }
        }
    }

    // Some sums of a row that was taken across.
    void deliver(const Part& part, Index r, Index c, Index count, const T* sums) const {
        if (!along_) {
            y_.store(sums, part.slice, part.first + r, part.column + c, count);
        } else if (is_rounded_) {
            y_.loops.store(sums, count, stored(part, r, c), 1);
        } else {
            std::memcpy(line(part, r) + c, sums, static_cast<std::size_t>(count) * sizeof(T));
        }
    }

    // What stands beyond the ends of a whole line.
    void extend(T* line) const {
        const auto copy = [&](Index c) {
            const Index place = along_.ends.place(c / step_);
            for (Index s = 0; s < step_; ++s)
                line[c + s] = place == outside ? along_.beyond : line[place * step_ + s];
        };
        for (Index c = -left_; c < 0; c += step_) copy(c);
        for (Index c = columns_; c < columns_ + right_; c += step_) copy(c);
    }

    // A part of a row of x, and what its windows meet beyond.
    void load_line(const Part& part, Index r, T* cells) const {
        const Index row = part.first + r, column = part.column;
        const Index from = max_index(0, column - left_),
                    to = min_index(columns_, column + part.columns + right_);
        x_.load(part.slice, row, from, to - from, cells + from - column);
        const auto fill = [&](Index c) {
            const Index place = along_.ends.place(c / step_) * step_;
            T* const group = cells + c - column;
            if (place < 0) {
                std::fill(group, group + step_, along_.beyond);
            } else if (place >= from && place < to) {
                std::copy(cells + place - column, cells + place - column + step_, group);
            } else {
                x_.load(part.slice, row, place, step_, group);
            }
        };
        for (Index c = column - left_; c < 0; c += step_) fill(c);
        for (Index c = columns_; c < column + part.columns + right_; c += step_) fill(c);
    }

    void take_along(const Part& part, Index r, const T* cells) const {
        T* to = scratch<T>(part, row_at_);
        const Index row = part.first + r;
        if (!along_.is_mean()) {
            if (y_.is_plain) to = reinterpret_cast<T*>(y_.at(part.slice, row, part.column));
            loops_.along(cells, step_, part.columns, along_.taps(), to);
            if (y_.is_plain) return;
        } else {
            T* const sums = scratch<T>(part, sums_at_);
            for (Index c = 0; c < part.columns; c += sums_) {
                const Index count = min_index(sums_, part.columns - c);
                std::memcpy(sums, cells + c, static_cast<std::size_t>(count + left_ + right_) * sizeof(T));
                loops_.mean(sums, step_, along_.size, count, to + c);
            }
        }
        y_.store(to, part.slice, row, part.column, part.columns);
    }

    StencilCells<T> x_, y_;
    StencilLoops<T> loops_;
    Pass<T> across_, along_;
    Index slices_, rows_, columns_, step_;
    bool is_rounded_, reads_in_place_;
    Index left_, right_, lines_, band_, bands_, task_columns_, parts_, block_, sums_;
    Index line_pitch_, lines_at_, block_at_, beyond_at_, sums_at_, row_at_, pointers_at_, cells_at_,
        scratch_bytes_;
};

}  // namespace

void filter_lines(const StencilLines& lines, Isa isa, int threads) {
    if (lines.size[0] * lines.size[1] * lines.size[2] == 0) return;
    if (lines.is_double) {
        Lines<double>(lines, isa).run(threads);
    } else {
        Lines<float>(lines, isa).run(threads);
    }
}

}  // namespace faltung
