#include "core/panel.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/border.h"
#include "core/lines.h"
#include "core/transposed_copy.h"

namespace faltung {

namespace {

constexpr Index offset_limit = 1 << 20;          // entries of the offset table beyond one row
constexpr Index element_limit = Index(1) << 28;  // a gigabyte of float32; offsets are 32 bits wide
constexpr Index most_rows = 64;
constexpr Index most_columns_of_rows = 512, most_columns = 8192;

// A panel is refused where it holds more than so many elements.
Index limited(Index elements) {
    return min_index(elements, element_limit);
}

// Rows stored for a block of `rows` outputs, counted without listing them.
Index count_row_positions(const Axis& axis, Index rows) {
    // Two pairs (row, tap) meet where rows differ by a multiple of d/gcd and taps by the same multiple of
    // s/gcd.
    Index a = axis.stride, b = axis.dilation;
    while (b) std::swap(a, b), b %= a;
    Index row_step = axis.dilation / a, tap_step = axis.stride / a;
    if (rows <= row_step || axis.kernel <= tap_step) return saturating_multiply(rows, axis.kernel);
    // Of every chain of pairs that meet, one is counted: those without a predecessor.
    return saturating_add(saturating_multiply(rows, tap_step),
                          saturating_multiply(axis.kernel - tap_step, row_step));
}

}  // namespace

void Panel::make_row_positions(const Axis& axis) {
    std::vector<Index>& positions = row_positions_;
    positions.reserve(static_cast<std::size_t>(shape_.rows * axis.kernel));
    for (Index row = 0; row < shape_.rows; ++row)
        for (Index k = 0; k < axis.kernel; ++k) positions.push_back(row * axis.stride + k * axis.dilation);
    std::sort(positions.begin(), positions.end());
    positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
}

void Panel::make_segments(const Axis& axis) {
    struct Start {
        Index phase, column, tap;
        bool operator<(const Start& other) const {
            return phase != other.phase ? phase < other.phase : column < other.column;
        }
    };
    std::vector<Start> starts;
    starts.reserve(static_cast<std::size_t>(axis.kernel));
    for (Index k = 0; k < axis.kernel; ++k)
        starts.push_back({k * axis.dilation % axis.stride, k * axis.dilation / axis.stride, k});
    std::sort(starts.begin(), starts.end());
    tap_places_.resize(starts.size());
    Index place = 0, phase = -1, end = 0;
    for (const Start& start : starts) {
        if (start.phase != phase || start.column > end) {
            segments_.push_back({start.phase + start.column * axis.stride, 0, place});
            phase = start.phase;
            end = start.column;
        }
        Index added = start.column + shape_.columns - end;
        segments_.back().length += added;
        place += added;
        end += added;
        tap_places_[static_cast<std::size_t>(start.tap)] = place - shape_.columns;
    }
}

PanelShape Panel::shape_for(const Layout& layout, Index channels, const PanelRules& rules) {
    const Axis& row_axis = layout.rows();
    const Axis& column_axis = layout.columns();
    Index far_taps = 1;
    for (std::size_t a = 0; a < layout.far_axes(); ++a)
        far_taps = saturating_multiply(far_taps, layout.axes[a].kernel);
    Index all_taps = taps(layout.axes);

    const Index line = cache_line_bytes / rules.element_bytes;
    PanelShape shape;
    auto measure = [&] {
        Index row_pitch = count_row_positions(column_axis, shape.columns);
        Index slots = saturating_multiply(far_taps, count_row_positions(row_axis, shape.rows));
        shape.row_pitch = slots > 1 ? odd_lines(limited(row_pitch), rules.element_bytes)
                                    : round_up(limited(row_pitch), line);
        shape.channel_pitch =
            odd_lines(limited(saturating_multiply(slots, shape.row_pitch)), rules.element_bytes);
        shape.elements = shape.channel_pitch >= element_limit
                             ? saturated
                             : saturating_multiply(shape.channel_pitch, shape.channels);
        return shape.elements;
    };
    const Index budget = rules.budget_bytes / rules.element_bytes,
                whole_budget = rules.whole_bytes / rules.element_bytes,
                hard_budget = max_index(panel_budget_bytes, rules.whole_bytes) / rules.element_bytes;

    shape.channels = max_index(channels, 1);
    if (rules.most_channels > 0)
        shape.channels = ceil_divide(shape.channels, ceil_divide(shape.channels, rules.most_channels));
    shape.rows = max_index(1, min_index(row_axis.out, most_rows));
    while (shape.rows > 1 && saturating_multiply(shape.rows, all_taps) > offset_limit) shape.rows /= 2;
    // A whole number of tiles a block, and blocks of about the same size.
    Index tile = rules.column_tile;
    Index all_columns = max_index(1, column_axis.out);
    auto narrow_to = [&](Index columns) {
        if (columns + columns / 3 >= all_columns) {  // no small remainder in a block of its own
            shape.columns = all_columns;
        } else {
            Index blocks = ceil_divide(all_columns, max_index(columns, 1));
            shape.columns =
                min_index(all_columns, round_up(ceil_divide(all_columns, blocks), rules.column_multiple));
        }
    };
    narrow_to(rules.most_columns > 0 ? rules.most_columns
              : row_axis.out > 1     ? most_columns_of_rows
                                     : most_columns);
    while (measure() > budget) {
        if (shape.rows > 4) {
            const Index half = shape.rows / 2;
            shape.rows = max_index(4, half / rules.row_tile * rules.row_tile);
        } else if (shape.columns > 8 * tile && shape.columns > 64) {
            narrow_to(shape.columns / 2);
        } else if (measure() > whole_budget && shape.channels > 16 &&
                   saturating_multiply(shape.channels, all_taps) > 512) {
            shape.channels = ceil_divide(shape.channels, 2);
        } else if (measure() <= hard_budget) {
            break;
        } else if (shape.rows > 1) {
            shape.rows /= 2;
        } else if (shape.columns > 2 * tile) {
            narrow_to(shape.columns / 2);
        } else if (shape.channels > 1) {
            shape.channels = ceil_divide(shape.channels, 2);
        } else {
            break;
        }
    }
    return shape;
}

Panel::Panel(const Layout& layout, Border border, Index channels, const PanelRules& rules,
             const Layout* summed)
    : axes_(layout.axes), border_(border), shape_(shape_for(layout, channels, rules)) {
    taps_ = taps(axes_);
    if (shape_.elements >= element_limit || taps_ > element_limit / 16)
        throw std::invalid_argument("the panel of input cells would be unreasonably large");
    for (std::size_t a = 0; a < layout.far_axes(); ++a) far_taps_ *= axes_[a].kernel;
    make_row_positions(layout.rows());
    make_segments(layout.columns());

    const Axis& row_axis = layout.rows();
    offset_.reserve(static_cast<std::size_t>(shape_.rows * taps_));
    Index slots = static_cast<Index>(row_positions_.size());
    for (Index row = 0; row < shape_.rows; ++row)
        for (Index far = 0; far < far_taps_; ++far)
            for (Index k = 0; k < row_axis.kernel; ++k) {
                Index position = row * row_axis.stride + k * row_axis.dilation;
                Index slot = std::lower_bound(row_positions_.begin(), row_positions_.end(), position) -
                             row_positions_.begin();
                for (Index place : tap_places_)
                    offset_.push_back(
                        static_cast<std::int32_t>((far * slots + slot) * shape_.row_pitch + place));
            }
    if (!summed) return;
    const std::vector<Index> tap_order = layout.tap_order(*summed);
    const std::vector<std::int32_t> lying = offset_;
    for (std::size_t row = 0; row < offset_.size(); row += tap_order.size())
        for (std::size_t tap = 0; tap < tap_order.size(); ++tap)
            offset_[row + tap] = lying[row + static_cast<std::size_t>(tap_order[tap])];
}

Index Panel::slots_for(Index rows) const {
    return far_taps_ * count_row_positions(axes_[axes_.size() - 2], rows);
}

Index Panel::scratch_bytes() const {
    Index slots = far_taps_ * static_cast<Index>(row_positions_.size());
    Index entries = slots + shape_.row_pitch + 2 * static_cast<Index>(segments_.size());
    return entries * static_cast<Index>(sizeof(Index));
}

Panel::Source Panel::locate(const Index* origin, const Index* stride, void* scratch) const {
    const std::size_t far_axes = axes_.size() - 2;
    const Axis& row_axis = axes_[far_axes];
    const Axis& column_axis = axes_[far_axes + 1];
    Index* slot = static_cast<Index*>(scratch);
    Index* column = slot + far_taps_ * static_cast<Index>(row_positions_.size());
    Index* inside = column + shape_.row_pitch;
    Source source{slot, column, inside};

    for (Index far = 0; far < far_taps_; ++far) {
        Index rest = far, base = 0;
        for (std::size_t a = far_axes; a-- > 0;) {
            const Axis& axis = axes_[a];
            Index k = rest % axis.kernel;
            rest /= axis.kernel;
            Index cell =
                border_cell(border_, origin[a] * axis.stride + k * axis.dilation - axis.before, axis.in);
            if (cell == outside) {
                base = absent_cell;
                break;
            }
            base += cell * stride[a];
        }
        for (Index position : row_positions_) {
            Index cell = border_cell(border_, origin[far_axes] * row_axis.stride + position - row_axis.before,
                                     row_axis.in);
            bool is_absent = base == absent_cell || cell == outside;
            *slot++ = is_absent ? absent_cell : base + cell * stride[far_axes];
        }
    }

    const Index step = column_axis.stride;
    for (const PanelSegment& segment : segments_) {
        Index first = origin[far_axes + 1] * step + segment.first - column_axis.before;
        // The columns i of the segment with 0 <= first + i*step < in.
        Index begin = first >= 0 ? 0 : ceil_divide(-first, step);
        Index end = first >= column_axis.in ? 0 : ceil_divide(column_axis.in - first, step);
        begin = min_index(begin, segment.length);
        end = max_index(begin, min_index(end, segment.length));
        *inside++ = begin;
        *inside++ = end;
        auto place = [&](Index i) {
            Index cell = border_cell(border_, first + i * step, column_axis.in);
            column[segment.place + i] = cell == outside ? absent_cell : cell * stride[far_axes + 1];
        };
        // Of the columns inside, only where the first one lies is asked for.
        for (Index i = 0; i < min_index(begin + 1, segment.length); ++i) place(i);
        for (Index i = end; i < segment.length; ++i) place(i);
    }
    return source;
}

namespace {

template <class T>
void prefetch(const T* first, Index count) {
    constexpr Index line = line_elements<T>;
    for (Index i = 0; i < count; i += line) __builtin_prefetch(first + i);
}

template <class T>
void copy_strided(const T* from, Index step, Index count, T* to) {
    if (step == 1) {
        std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
    } else {
        for (Index i = 0; i < count; ++i) to[i] = from[step * i];
    }
}

}  // namespace

// As `pack`, of channels that lie side by side: the padding channel by channel, the columns inside for all
// channels together.
template <class T>
void Panel::pack_side_by_side(const Source& source, const T* x, Index step, Index channels, T* panel) const {
    const Index slots = far_taps_ * static_cast<Index>(row_positions_.size());
    for (Index slot = 0; slot < slots; ++slot, panel += shape_.row_pitch) {
        if (source.slot[slot] == absent_cell) {
            for (Index channel = 0; channel < channels; ++channel)
                std::memset(panel + channel * shape_.channel_pitch, 0,
                            static_cast<std::size_t>(shape_.row_pitch) * sizeof(T));
            continue;
        }
        const T* row = x + source.slot[slot];
        const Index* inside = source.inside;
        for (const PanelSegment& segment : segments_) {
            const Index begin = *inside++, end = *inside++;
            T* to = panel + segment.place;
            const Index* from = source.column + segment.place;
            auto border = [&](Index i) {
                for (Index channel = 0; channel < channels; ++channel)
                    to[channel * shape_.channel_pitch + i] =
                        from[i] == absent_cell ? T(0) : row[from[i] + channel];
            };
            for (Index i = 0; i < begin; ++i) border(i);
            if (end > begin)
                copy_transposed(row + from[begin], step, end - begin, channels, to + begin,
                                shape_.channel_pitch);
            for (Index i = end; i < segment.length; ++i) border(i);
        }
    }
}

template <class T>
void Panel::pack(const Source& source, const T* x, Index channel_stride, Index column_stride, Index channels,
                 T* panel, const PanelCopy<T>& copy) const {
    const StridedCopy<T> copy_row = copy.row ? copy.row : copy_strided<T>;
    const Index slots = far_taps_ * static_cast<Index>(row_positions_.size());
    const Index step = axes_.back().stride * column_stride;
    if (channel_stride == 1 && column_stride != 1 && channels >= Square<T>::side)
        return pack_side_by_side(source, x, step, channels, panel);
    // Channels lie too far apart for the processor to foresee the next one.
    constexpr Index channels_ahead = 6;
    const bool has_zeros = border_ == Border::zeros || border_ == Border::absent;
    if (copy.rows && column_stride == 1 && has_zeros &&
        copy.rows({x, channel_stride, channels, step, source, slots, segments_.data(),
                   static_cast<Index>(segments_.size()), panel, shape_.channel_pitch, shape_.row_pitch,
                   channels_ahead}))
        return;
    for (Index channel = 0; channel < channels; ++channel, x += channel_stride) {
        const Index ahead = channel + channels_ahead < channels ? channels_ahead * channel_stride : 0;
        T* slot_cells = panel + channel * shape_.channel_pitch;
        for (Index slot = 0; slot < slots; ++slot, slot_cells += shape_.row_pitch) {
            if (source.slot[slot] == absent_cell) {
                std::memset(slot_cells, 0, static_cast<std::size_t>(shape_.row_pitch) * sizeof(T));
                continue;
            }
            const T* row = x + source.slot[slot];
            const Index* inside = source.inside;
            for (const PanelSegment& segment : segments_) {
                Index begin = *inside++, end = *inside++;
                T* to = slot_cells + segment.place;
                const Index* from = source.column + segment.place;
                for (Index i = 0; i < begin; ++i) to[i] = from[i] == absent_cell ? T(0) : row[from[i]];
                if (step >= 1 && step <= 8 && ahead != 0 && end > begin)
                    prefetch(row + ahead + from[begin], step * (end - begin));
                if (end > begin) copy_row(row + from[begin], step, end - begin, to + begin);
                for (Index i = end; i < segment.length; ++i)
                    to[i] = from[i] == absent_cell ? T(0) : row[from[i]];
            }
        }
    }
}

template void Panel::pack(const Source&, const float*, Index, Index, Index, float*,
                          const PanelCopy<float>&) const;
template void Panel::pack(const Source&, const double*, Index, Index, Index, double*,
                          const PanelCopy<double>&) const;
template void Panel::pack(const Source&, const std::uint16_t*, Index, Index, Index, std::uint16_t*,
                          const PanelCopy<std::uint16_t>&) const;
template void Panel::pack(const Source&, const std::uint64_t*, Index, Index, Index, std::uint64_t*,
                          const PanelCopy<std::uint64_t>&) const;

}  // namespace faltung
