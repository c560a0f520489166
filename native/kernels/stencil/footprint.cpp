// Correlation with a kernel of several axes: the rows that a band of outputs meets are converted once, with
// what stands beyond their ends, and each output row is a sum over taps that point into them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/interruption.h"
#include "kernels/stencil/stencil_parts.h"

namespace faltung {

namespace {

constexpr Index rows_of_a_band = 32;
constexpr Index least_rows_of_a_band = 4;
constexpr Index bytes_of_rows = Index(384) << 10;  // converted for one task
constexpr Index columns_of_a_task = 2048;
constexpr Index cells_of_a_task = 1 << 13;

template <class T>
class Footprint {
  public:
    Footprint(const StencilFootprint& call, Isa isa)
        : call_(call),
          loops_(stencil_loops<T>(isa)),
          x_loops_(cell_loops<T>(call.x_cell, isa)),
          y_loops_(cell_loops<T>(call.y_cell, isa)),
          axes_(call.size.size()),
          rows_(call.size[axes_ - 2]),
          columns_(call.size[axes_ - 1]),
          taps_down_(call.kernel[axes_ - 2]),
          taps_along_(call.kernel[axes_ - 1]),
          is_plain_(call.y_cell == cell_of<T> && call.y_stride[axes_ - 1] == 1) {
        list_taps();
        const Index planes = max_index(1, static_cast<Index>(plane_.size()));
        part_columns_ = min_index(columns_, columns_of_a_task);
        pitch_ = odd_lines(part_columns_ + taps_along_ - 1 + loops_.slack, sizeof(T));
        band_ = bytes_of_rows / (planes * pitch_ * Index(sizeof(T))) - (taps_down_ - 1);
        band_ = min_index(rows_, max_index(least_rows_of_a_band, min_index(band_, rows_of_a_band)));
        tall_ = band_ + taps_down_ - 1;
        bands_ = ceil_divide(rows_, band_);
        parts_ = ceil_divide(columns_, part_columns_);
        for (std::size_t a = 0; a + 2 < axes_; ++a) slices_ *= call.size[a];
        Pieces pieces;
        rows_at_ = pieces.take(saturating_multiply(planes * tall_, pitch_) + loops_.slack, sizeof(T));
        pointers_at_ = pieces.take(static_cast<Index>(tap_.size()), sizeof(T*));
        sums_at_ = pieces.take(part_columns_ + loops_.slack, sizeof(T));
        scratch_bytes_ = pieces.bytes();
    }

    void run(int threads) {
        const Index taps = static_cast<Index>(tap_.size()) + 4;
        const Index products =
            saturating_multiply(saturating_multiply(slices_, taps), saturating_multiply(rows_, columns_));
        const Index together = cells_of_a_task / max_index(1, band_ * part_columns_);
        run_parts(slices_ * bands_ * parts_, together, products, scratch_bytes_, threads,
                  [this](Index i, char* scratch) { part(i, scratch); });
    }

  private:
    // Into the rows that were converted: of a plane of the kernel, down and along it.
    struct Tap {
        Index plane, row, column;
    };

    void list_taps() {
        const Index of_plane = taps_down_ * taps_along_;
        Index planes = 1;
        for (std::size_t a = 0; a + 2 < axes_; ++a) planes *= call_.kernel[a];
        for (Index p = 0; p < planes; ++p) {
            const std::size_t before = tap_.size();
            for (Index i = 0; i < of_plane; ++i) {
                const double weight = call_.weight[p * of_plane + i];
                if (!(std::fabs(weight) > std::numeric_limits<double>::epsilon())) continue;
                tap_.push_back({static_cast<Index>(plane_.size()), i / taps_along_, i % taps_along_});
                weight_.push_back(static_cast<T>(weight));
            }
            if (tap_.size() > before) plane_.push_back(p);
        }
    }

    Index place(std::size_t axis, Index at) const {
        return border_cell(call_.border[axis], at, call_.size[axis]);
    }

    void part(Index i, char* scratch) const {
        const Index column = i % parts_ * part_columns_, first = i / parts_ % bands_ * band_;
        const Index columns = min_index(part_columns_, columns_ - column),
                    rows = min_index(band_, rows_ - first);
        std::vector<Index> output(axes_ - 2);
        Index to = 0;
        for (Index a = static_cast<Index>(axes_) - 3, slice = i / parts_ / bands_; a >= 0; --a) {
            const std::size_t axis = static_cast<std::size_t>(a);
            output[axis] = slice % call_.size[axis];
            slice /= call_.size[axis];
            to += output[axis] * call_.y_stride[axis];
        }
        T* const converted = reinterpret_cast<T*>(scratch + rows_at_);
        for (std::size_t p = 0; p < plane_.size(); ++p)
            convert_plane(output, plane_[p], first, rows + taps_down_ - 1, column, columns,
                          converted + static_cast<Index>(p) * tall_ * pitch_);
        const T** const pointer = reinterpret_cast<const T**>(scratch + pointers_at_);
        T* const sums = reinterpret_cast<T*>(scratch + sums_at_);
        for (Index r = 0; r < rows && !is_interrupted(); ++r) {
            for (std::size_t t = 0; t < tap_.size(); ++t)
                pointer[t] = converted + (tap_[t].plane * tall_ + tap_[t].row + r) * pitch_ + tap_[t].column;
            const Index at =
                to + (first + r) * call_.y_stride[axes_ - 2] + column * call_.y_stride[axes_ - 1];
            char* const y = static_cast<char*>(call_.y) + at * cell_bytes(call_.y_cell);
            loops_.footprint(pointer, weight_.data(), static_cast<Index>(tap_.size()), columns,
                             is_plain_ ? reinterpret_cast<T*>(y) : sums);
            if (!is_plain_) y_loops_.store(sums, columns, y, call_.y_stride[axes_ - 1]);
        }
    }

    // The rows that tap rows of one plane of the kernel meet, of `rows` outputs.
    void convert_plane(const std::vector<Index>& output, Index plane, Index first, Index rows, Index column,
                       Index columns, T* to) const {
        Index from = 0;
        bool is_outside = false;
        for (std::size_t axis = axes_ - 2; axis-- > 0;) {
            const Index at = place(axis, output[axis] - call_.before[axis] + plane % call_.kernel[axis]);
            plane /= call_.kernel[axis];
            is_outside = is_outside || at == outside;
            from += at * call_.x_stride[axis];
        }
        for (Index r = 0; r < rows; ++r, to += pitch_) {
            const Index row = place(axes_ - 2, first - call_.before[axes_ - 2] + r);
            if (is_outside || row == outside) {
                std::fill(to, to + columns + taps_along_ - 1, static_cast<T>(call_.beyond));
            } else {
                convert_row(from + row * call_.x_stride[axes_ - 2], column - call_.before[axes_ - 1],
                            columns + taps_along_ - 1, to);
            }
        }
    }

    // Columns [begin, begin + count) of the row at `row`.
    void convert_row(Index row, Index begin, Index count, T* to) const {
        const Index from = max_index(0, begin), last = min_index(columns_, begin + count);
        const Index stride = call_.x_stride[axes_ - 1];
        const auto load = [&](Index column, Index some, T* there) {
            const char* const x = static_cast<const char*>(call_.x);
            x_loops_.load(x + (row + column * stride) * cell_bytes(call_.x_cell), stride, some, there);
        };
        if (from < last) load(from, last - from, to + from - begin);
        for (Index c = begin; c < begin + count; ++c) {
            if (c == from && from < last) c = last;
            if (c >= begin + count) break;
            const Index at = place(axes_ - 1, c);
            if (at == outside) {
                to[c - begin] = static_cast<T>(call_.beyond);
            } else if (at >= from && at < last) {
                to[c - begin] = to[at - begin];
            } else {
                load(at, 1, to + c - begin);
            }
        }
    }

    const StencilFootprint& call_;
    StencilLoops<T> loops_;
    CellLoops<T> x_loops_, y_loops_;
    std::size_t axes_;
    Index rows_, columns_, taps_down_, taps_along_, slices_ = 1;
    bool is_plain_;
    std::vector<Tap> tap_;
    std::vector<T> weight_;
    std::vector<Index> plane_;  // planes of the kernel that have a tap
    Index part_columns_, pitch_, band_, tall_, bands_, parts_;
    Index rows_at_, pointers_at_, sums_at_, scratch_bytes_;
};

}  // namespace

void filter_footprint(const StencilFootprint& footprint, Isa isa, int threads) {
    for (Index extent : footprint.size)
        if (extent == 0) return;
    if (footprint.is_double) {
        Footprint<double>(footprint, isa).run(threads);
    } else {
        Footprint<float>(footprint, isa).run(threads);
    }
}

}  // namespace faltung
