#include "kernels/spectral/spectral_shape.h"

#include <algorithm>
#include <cmath>

#include "kernels/spectral/fourier_plan.h"

namespace faltung {

namespace {

constexpr Index smallest_size = 12, largest_size = 4096;
constexpr Index most_spectra_bytes = Index(1) << 20;
constexpr Index most_bands_counted = 32, most_tiles_counted = 256;

// Over white, smooth, constant, alternating and single-cell data and heavy tails the largest found was 0.8.
constexpr double rounding_a_level = 1.5;

// White noise has a ratio of a few, a few outliers among small values raise it to twenty.
constexpr double least_norm_ratio = 32;

constexpr double call_cycles = 20000;  // and for the call of the guard
constexpr double guard_cycles = 0.7;
constexpr double cached_bytes = 6 << 20;

bool has_zeros(const Problem& problem) {
    return problem.border == Border::zeros || problem.border == Border::absent;
}

Index count_multiples(Index value, Index prime) {
    Index count = 0;
    for (; value % prime == 0; value /= prime) ++count;
    return count;
}

// Sizes that the steps of the transform make up.
std::vector<Index> transform_sizes() {
    std::vector<Index> sizes;
    for (Index size = smallest_size; size <= largest_size; size += 4) {
        const Index threes = count_multiples(size, 3), fives = count_multiples(size, 5);
        Index rest = size >> count_multiples(size, 2);
        for (Index i = 0; i < threes; ++i) rest /= 3;
        for (Index i = 0; i < fives; ++i) rest /= 5;
        if (rest == 1 && threes + fives <= 2) sizes.push_back(size);
    }
    return sizes;
}

// Lines a multiple of half a page apart contend for the same few sets of the L1 cache.
double contention(Index pitch) {
    return pitch % 2048 == 0 ? 1.8 : 1.0;
}

// Cycles of one core with 64-byte vectors, measured; of shorter ones for as many vectors.
struct Costs {
    double transform;        // of two vectors of lines
    double gather, scatter;  // of two vectors, into the lanes and back
    double split, merge;     // of the spectra of two vectors

    // Pitches: bytes from one line of the input or the output to the next.
    Costs(Index size, Index cells, Index outputs, Index lanes, Index vector_bytes, Index in_pitch,
          Index out_pitch) {
        const bool is_in_l1 = 2 * size * vector_bytes <= 24 << 10;
        transform = double(size) * (2.0 + 2.1 * std::log2(double(size))) * (is_in_l1 ? 1.0 : 1.3) + 20;
        const double square = 5.5 * double(lanes) * (is_in_l1 ? 1.0 : 1.2);
        gather =
            2 * (square * contention(in_pitch) * double(ceil_divide(cells, lanes)) + double(size - cells)) +
            200;
        scatter = 2 * (square * contention(out_pitch) * double(ceil_divide(outputs, lanes))) + 200;
        const double bins = double(size / 2 + 1);
        split = 14 * bins;
        merge = 14 * bins;
    }
};

struct Candidate {
    SpectralShape shape;
    const Problem& problem;
    const Layout& layout;
    Index lanes, element_bytes, row_tile;

    void set_band(Index band);
    void estimate();
    double products(Index rows, const RowRange& inside) const;
    bool is_reasonable() const;
};

void Candidate::set_band(Index band) {
    SpectralShape& s = shape;
    s.band = band;
    s.bands = ceil_divide(s.rows, band);
    s.reach = (s.row_taps - 1) * s.row_dilation;
    if (s.rows_in_lanes) {
        s.y_rows = round_up(band, lanes);
        s.x_rows = s.y_rows + round_up(s.reach, lanes);
        s.x_part = s.x_rows;
        s.y_part = s.y_rows;
        s.w_part = round_up(s.row_taps, lanes);
        // Frequencies an odd number of lines apart spread over all sets of the caches.
        s.x_bin = 2 * s.x_rows + lanes;
        s.y_bin = 2 * s.y_rows + lanes;
        s.w_bin = 2 * s.w_part;
    } else {
        s.y_rows = band;
        s.x_rows = band + s.reach;
        s.x_part = s.y_part = s.w_part = lanes;
        s.x_bin = (2 * s.x_rows + 1) * lanes;
        s.y_bin = (2 * s.y_rows + 1) * lanes;
        s.w_bin = (2 * s.row_taps + (s.row_taps > 1)) * lanes;
    }
}

// Multiply-adds of vectors at one frequency.
double Candidate::products(Index rows, const RowRange& inside) const {
    const Index step = shape.rows_in_lanes ? lanes * row_tile : row_tile;
    double sum = 0;
    // Of very many tiles some stand for all.
    const Index stride = step * max_index(1, rows / step / most_tiles_counted);
    for (Index row = 0; row < rows; row += stride) {
        const Index count = min_index(step, rows - row);
        const TapRange taps =
            taps_that_meet(row, count, inside.begin, inside.end, shape.row_taps, shape.row_dilation);
        const Index vectors = shape.rows_in_lanes ? ceil_divide(count, lanes) : count;
        // A step has two loads a vector beside two of weights; whatever is less than four products waits for
        // loads.
        sum += 12 +
               double(taps.last - taps.first) * std::max(4.3 * double(vectors), 2.0 * double(vectors) + 2.5);
    }
    return sum * double(stride) / double(step);
}

void Candidate::estimate() {
    SpectralShape& s = shape;
    const Axis &row_axis = layout.rows(), &column_axis = layout.columns();
    auto line_pitch = [&](Index rows, Index columns) {
        return element_bytes * (!s.rows_in_lanes ? rows * columns : s.folds ? s.outputs : columns);
    };
    const Costs costs(s.size, s.cells, s.outputs, lanes, lanes * element_bytes,
                      line_pitch(row_axis.in, column_axis.in), line_pitch(row_axis.out, column_axis.out));
    auto pairs = [&](Index rows) {
        return ceil_divide(s.rows_in_lanes ? ceil_divide(rows, lanes) : rows, 2);
    };
    double cycles = 0;
    const Index counted = min_index(s.bands, most_bands_counted);
    for (Index i = 0; i < counted; ++i) {
        const Index band = i * s.bands / counted, first = band * s.band,
                    rows = min_index(s.band, s.rows - first);
        const RowRange inside = rows_inside(s, problem, layout, first, rows);
        const double in = double(pairs(inside.end - inside.begin)),
                     out = double(pairs(rows)) * double(problem.out_channels);
        double one = in * (costs.gather + costs.transform) + out * (costs.scatter + costs.transform) + 150;
        if (s.is_single() && problem.out_channels == 1) {
            one += in * 12 * double(s.bins);
        } else {
            one += in * costs.split + out * costs.merge;
            one += double(problem.out_channels) * double(s.bins) * products(rows, inside);
            if (s.spectra_elements() * element_bytes > (Index(640) << 10)) one *= 1.25;
        }
        cycles += one;
    }
    const double tasks = double(s.column_blocks) * double(s.channel_units);
    s.cycles = call_cycles + cycles * double(s.bands) / double(counted) * tasks;
    // The guard reads every cell before; arrays that no cache holds are waited for.
    const double in_cells = double(problem.groups) * double(row_axis.in) * double(column_axis.in);
    const double out_cells =
        double(problem.groups * problem.out_channels) * double(row_axis.out) * double(column_axis.out);
    s.cycles += guard_cycles * in_cells * double(element_bytes) / 4;
    const double bytes = (in_cells + out_cells) * double(element_bytes);
    if (bytes > cached_bytes) s.cycles += 0.2 * bytes;
    const double weights = double(pairs(s.row_taps)) * double(problem.out_channels) * double(s.channel_units);
    const Costs packing(s.size, s.taps, s.taps, lanes, lanes * element_bytes, 1, 1);
    s.packing_cycles =
        500 + weights * (packing.gather + packing.transform + packing.split + 4.0 * double(lanes));
    // Weights that do not stay in L2 are fetched at every call.
    const double weight_bytes = double(s.weight_elements()) * double(element_bytes) *
                                double(problem.out_channels) * double(s.channel_units);
    s.cycles += weight_bytes / 16;
}

bool Candidate::is_reasonable() const {
    const Index weight = saturating_multiply(saturating_multiply(shape.weight_elements(), element_bytes),
                                             saturating_multiply(problem.out_channels, shape.channel_units));
    return weight <= Index(256) << 20 && shape.spectra_elements() * element_bytes <= Index(16) << 20;
}

// Bands of rows whose spectra stay in L2, of about the same number of rows each.
void each_band(const Candidate& candidate, double& least, SpectralShape& best) {
    const SpectralShape& s = candidate.shape;
    const Index multiple = s.rows_in_lanes ? candidate.lanes : 1;
    const Index reach = (s.row_taps - 1) * s.row_dilation;
    const Index row_bytes = 2 * s.bins * candidate.element_bytes * (s.rows_in_lanes ? 1 : candidate.lanes);
    const Index fitting = max_index(1, (most_spectra_bytes / row_bytes - reach) / 2);
    const bool is_single = s.is_single() && candidate.problem.out_channels == 1;
    const Index pair = s.rows_in_lanes ? 2 * candidate.lanes : 2;
    Index last = 0;
    for (const Index wanted :
         {is_single ? pair : s.rows, fitting, fitting / 2, 4 * (reach + 1), 2 * (reach + 1)}) {
        Index band = min_index(s.rows, max_index(pair, wanted));
        band = round_up(ceil_divide(s.rows, ceil_divide(s.rows, band)), multiple);
        if (band == last) continue;
        last = band;
        Candidate one = candidate;
        one.set_band(band);
        if (!one.is_reasonable()) continue;
        one.estimate();
        const double cost = one.shape.cycles + 0.3 * one.shape.packing_cycles;
        if (best.size == 0 || cost < least) {
            least = cost;
            best = one.shape;
        }
        if (is_single) break;
    }
}

}  // namespace

const char* why_not_spectral(const Problem& problem, Type type) {
    if (type == Type::uint64) return "integers are summed exactly, and a transform rounds";
    if (problem.in_channels != 1) return "it has more or fewer than one input channel a group";
    if (problem.out_channels == 0 || problem.groups == 0) return "there are no channels";
    const Layout layout(problem);
    if (layout.far_axes() > 0) return "it has more than two axes";
    for (const Axis& axis : layout.axes) {
        if (axis.stride != 1) return "its stride is not 1, and a transform computes every position";
        if (axis.in == 0 || axis.out == 0 || axis.kernel == 0) return "there is nothing to transform";
    }
    if (layout.columns().kernel == 1) return "the kernel has one column only";
    return nullptr;
}

RowRange rows_inside(const SpectralShape& s, const Problem& problem, const Layout& layout, Index first_row,
                     Index rows) {
    const Index all = rows + s.reach;
    if (!has_zeros(problem)) return {0, all};
    Index begin, end;
    if (s.folds) {  // row i of the band begins at column (first_row + i) * outputs - before
        const Axis& axis = layout.columns();
        const Index origin = first_row * s.outputs - axis.before;
        const Index missing = 1 - s.cells - origin;  // the first row ends inside
        begin = missing <= 0 ? 0 : ceil_divide(missing, s.outputs);
        end = origin >= axis.in ? 0 : ceil_divide(axis.in - origin, s.outputs);
    } else {
        const Axis& axis = layout.rows();
        const Index origin = first_row - axis.before;
        begin = max_index(0, -origin);
        end = max_index(0, axis.in - origin);
    }
    end = min_index(end, all);
    return {min_index(begin, end), end};
}

SpectralShape best_spectral_shape(const Problem& problem, const Layout& layout, Index lanes,
                                  Index element_bytes, Index row_tile) {
    static const std::vector<Index> sizes = transform_sizes();
    const Axis &rows = layout.rows(), &columns = layout.columns();
    SpectralShape best;
    double least = 0;
    if (columns.kernel >= (Index(1) << 30) / columns.dilation ||
        rows.kernel >= (Index(1) << 30) / rows.dilation)
        return best;
    const Index span = (columns.kernel - 1) * columns.dilation + 1;
    const bool folds = rows.in == 1 && rows.out == 1 && rows.kernel == 1 && rows.before == 0;
    // One block, of which the padding is not transformed.
    const Index whole = has_zeros(problem) && columns.before >= 0
                            ? max_index(columns.out + span - 1 - columns.before,
                                        min_index(columns.before + columns.in, columns.out + span - 1))
                            : columns.out + span - 1;
    for (const bool rows_in_lanes : {false, true}) {
        if (!rows_in_lanes && problem.groups == 1) continue;
        bool is_whole_done = false;
        for (const Index size : sizes) {
            Candidate one{{}, problem, layout, lanes, element_bytes, row_tile};
            SpectralShape& s = one.shape;
            s.rows_in_lanes = rows_in_lanes;
            s.folds = folds;
            s.size = size;
            s.bins = size / 2 + 1;
            s.channel_units = rows_in_lanes ? problem.groups : ceil_divide(problem.groups, lanes);
            auto consider = [&](Index outputs, Index taps) {
                s.outputs = outputs;
                s.taps = taps;
                s.cells = outputs + taps - 1;
                if (folds) {
                    s.rows = ceil_divide(columns.out, outputs);
                    s.row_taps = ceil_divide(span, taps);
                    s.row_dilation = 1;
                } else {
                    s.column_blocks = ceil_divide(columns.out, outputs);
                    s.rows = rows.out;
                    s.row_taps = rows.kernel;
                    s.row_dilation = rows.dilation;
                }
                each_band(one, least, best);
            };
            if (folds) {
                if (size >= span && size - span + 1 >= size / 8) {
                    consider(min_index(size - span + 1, columns.out), span);
                }
                if (span > size / 2) consider(size / 2, size / 2);
            } else if (size >= whole) {
                if (is_whole_done) break;
                is_whole_done = true;
                consider(columns.out, span);
            } else if (size - span + 1 >= size / 8) {
                // Blocks of about the same number of columns each.
                const Index most = size - span + 1;
                consider(ceil_divide(columns.out, ceil_divide(columns.out, most)), span);
            }
        }
    }
    if (best.size == 0) return best;
    best.rounding = rounding_a_level * (1 + std::log2(double(best.size)));
    const double of_direct = double(rows.kernel) * double(columns.kernel) + 1;
    best.error_growth = std::max(1.0, least_norm_ratio * best.rounding / of_direct);
    best.norm_ratio = best.error_growth * of_direct / best.rounding;
    return best;
}

}  // namespace faltung
