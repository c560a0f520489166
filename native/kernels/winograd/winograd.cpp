#include "kernels/winograd/winograd.h"

#include <stdexcept>

#include "core/threads.h"

namespace faltung {

namespace {

// The transformed input of a block of tiles is to stay in L2 while all output channels pass over it.
constexpr Index v_budget_bytes = 384 << 10;
constexpr Index m_budget_bytes = 160 << 10;

// More transformed weights than L3 keeps come from memory once for each block of tiles: then few blocks,
// whose input comes from L3.
constexpr Index many_weight_bytes = Index(8) << 20;
constexpr Index v_budget_with_many_weights = Index(4) << 20;

// Each transformed weight that is fetched serves so many products: fewer leave memory in the lead, and beyond
// the upper end there is nothing to gain.
constexpr Index fewest_tiles = 16, most_tiles = 56;
constexpr Index few_tiles = 12;  // of a whole sample

// Weights that are transformed when they are wanted stay in L2 until all tiles have met them.
constexpr Index u_budget_bytes = 288 << 10;

constexpr Index parallel_pack_bytes = 128 << 10;

bool is_transformed(const Axis& axis) {
    return (axis.kernel == 3 || axis.kernel == 5) && axis.stride == 1;
}

}  // namespace

const char* why_not_winograd(const Problem& problem, Type type) {
    if (type == Type::uint64) return "it rounds, and integers are to be exact";
    const Layout layout(problem);
    const Axis &rows = layout.rows(), &columns = layout.columns();
    if (!is_transformed(columns) && !(columns.kernel == 1 && columns.stride == 1 && is_transformed(rows)))
        return "it needs 3 or 5 taps with stride 1 along the last axis, or along the one before it";
    if (problem.in_channels < 1 || outputs(problem.axes) < 1) return "there is nothing to multiply";
    return nullptr;
}

const char* why_not_winograd6(const Problem& problem, Type type) {
    if (const char* reason = why_not_winograd(problem, type)) return reason;
    const Layout layout(problem);
    const Axis &rows = layout.rows(), &columns = layout.columns();
    if (rows.kernel != 3 || columns.kernel != 3 || rows.stride != 1)
        return "it needs 3 taps with stride 1 along the last two axes";
    return nullptr;
}

WinogradForm winograd_form(const Layout& layout) {
    const Axis &rows = layout.rows(), &columns = layout.columns();
    const int taps = static_cast<int>(is_transformed(columns) ? columns.kernel : rows.kernel);
    if (!is_transformed(columns)) return {4, 1, taps};
    if (!is_transformed(rows) || rows.kernel != taps) return {1, 4, taps};
    const auto along = [](const Axis& axis, Index m) {
        const Index phases = min_index(axis.dilation, axis.out);
        return saturating_multiply(phases, ceil_divide(ceil_divide(axis.out, phases), m));
    };
    const auto tiles = [&](Index m) { return saturating_multiply(along(rows, m), along(columns, m)); };
    const WinogradForm by_two{2, 2, taps}, by_four{4, 4, taps};
    // Transformed weights, more numbers than weights, that few tiles share take longer to fetch than to
    // multiply.
    if (tiles(4) < few_tiles) return by_two;
    return saturating_multiply(by_two.points(), tiles(2)) <= saturating_multiply(by_four.points(), tiles(4))
               ? by_two
               : by_four;
}

template <class T>
WinogradCorrelation<T>::WinogradCorrelation(const Problem& problem, WinogradForm form,
                                            const WinogradKernel<T>& kernel)
    : problem_(problem), layout_(problem), form_(form), kernel_(kernel) {
    for (std::size_t a = 0; a < layout_.far_axes(); ++a)
        far_taps_ = saturating_multiply(far_taps_, layout_.axes[a].kernel);
    far_taps_ = saturating_multiply(far_taps_, row_taps());
    terms_ = saturating_multiply(far_taps_, problem.in_channels);
    const Index block =
        saturating_multiply(terms_ + 1, form.points() * kernel.channel_block * Index(sizeof(T)));
    if (saturating_multiply(saturating_multiply(problem.groups, channel_blocks()), block) == saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
    choose_block();
}

template <class T>
void WinogradCorrelation<T>::choose_block() {
    const Index tile_bytes = saturating_multiply(terms_, form_.points() * Index(sizeof(T)));
    const bool has_many_weights = channel_blocks() * packed_block() * Index(sizeof(T)) > many_weight_bytes;
    const Index budget = has_many_weights ? v_budget_with_many_weights : v_budget_bytes;
    const Index wanted = max_index(fewest_tiles, min_index(most_tiles, budget / max_index(tile_bytes, 1)));
    block_ = choose_tile_block(tile_rows(), tile_columns(), wanted);
    const Index m_bytes = form_.points() * m_pitch(block_) * Index(sizeof(T));
    block_.channel_blocks = has_few_terms()
                                ? channel_blocks()
                                : even_pieces(channel_blocks(), max_index(1, m_budget_bytes / m_bytes));
    if (parts(block_, false).end > workspace_limit())
        throw std::invalid_argument(
            "algorithm 'winograd' does not serve this problem: too many input channels for its workspace");
}

template <class T>
Index WinogradCorrelation<T>::block_slots(const TileBlock& block) const {
    return block.rows * form_.rows + (form_.row_taps() - 1);
}

template <class T>
Index WinogradCorrelation<T>::block_columns(const TileBlock& block) const {
    return block.columns * form_.columns + (form_.column_taps() - 1);
}

template <class T>
bool WinogradCorrelation<T>::has_few_terms() const {
    using Few = WinogradFewTerms<T>;
    return kernel_.multiply_few_terms && terms_ <= Few::most &&
           kernel_.term_pitch(saturating_multiply(block_.units, block_.rows), block_.columns) <= Few::v_term;
}

template <class T>
Index WinogradCorrelation<T>::v_term(const TileBlock& block) const {
    if (has_few_terms()) return WinogradFewTerms<T>::v_term;
    return kernel_.term_pitch(saturating_multiply(block.units, block.rows), block.columns);
}

template <class T>
Index WinogradCorrelation<T>::v_pitch(const TileBlock& block) const {
    if (has_few_terms()) return WinogradFewTerms<T>::v_point(terms_);
    const Index term = v_term(block);
    return odd_lines(saturating_add(saturating_multiply(terms_, term), kernel_.lanes), sizeof(T));
}

template <class T>
Index WinogradCorrelation<T>::v_bytes(const TileBlock& block) const {
    return saturating_multiply(saturating_multiply(form_.points(), v_pitch(block)), sizeof(T));
}

template <class T>
Index WinogradCorrelation<T>::m_pitch(const TileBlock& block) const {
    return odd_lines(block.units * block.tiles() * kernel_.channel_block, sizeof(T));
}

template <class T>
Index WinogradCorrelation<T>::terms_at_once() const {
    const Index term_bytes = form_.points() * kernel_.channel_block * Index(sizeof(T));
    return even_pieces(terms_, max_index(1, u_budget_bytes / term_bytes));
}

template <class T>
Index WinogradCorrelation<T>::u_pitch() const {
    return odd_lines(terms_at_once() * kernel_.channel_block, sizeof(T));
}

template <class T>
typename WinogradCorrelation<T>::Parts WinogradCorrelation<T>::parts(const TileBlock& block,
                                                                     bool transforms) const {
    Pieces pieces;
    Parts parts;
    constexpr Index size = sizeof(T);
    parts.v = pieces.take(v_bytes(block), 1);
    parts.m = pieces.take((transforms        ? 1
                           : has_few_terms() ? 0
                                             : block.channel_blocks) *
                              form_.points() * m_pitch(block),
                          size);
    parts.u = pieces.take(transforms ? form_.points() * u_pitch() : 0, size);
    parts.scratch = pieces.take(kernel_.scratch_elements(form_, block.rows, block.columns), size);
    parts.gathered =
        pieces.take(channels_gathered * block_slots(block) * (block_columns(block) + kernel_.lanes), size);
    parts.tables = pieces.take(2 * block_slots(block) + block_columns(block), sizeof(Index));
    parts.end = pieces.bytes();
    return parts;
}

template <class T>
Index WinogradCorrelation<T>::panel_bytes() const {
    return parts(block_, false).end;
}

template <class T>
Index WinogradCorrelation<T>::workspace_bytes(int threads) const {
    return panel_bytes() * winograd_threads(threads, workspace_limit(), panel_bytes());
}

template <class T>
Index WinogradCorrelation<T>::packed_bytes() const {
    return head_bytes() + transformed_bytes();
}

template <class T>
std::vector<Index> WinogradCorrelation<T>::packed_layout() const {
    std::vector<Index> key{
        Index(sizeof(T)), kernel_.channel_block, form_.rows,          form_.columns, form_.taps,
        problem_.groups,  problem_.out_channels, problem_.in_channels};
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        key.push_back(layout_.origin[a]);
        key.push_back(layout_.axes[a].kernel);
    }
    return key;
}

template <class T>
void WinogradCorrelation<T>::transform_weights(const Array& weight, Index group, Index channel_block,
                                               Index first_term, Index last_term, T* u, Index pitch) const {
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    const std::size_t far_axes = layout_.far_axes();
    const Index block = kernel_.channel_block, oc = channel_block * block;
    WinogradWeight<T> part;
    part.channel_stride = weight.stride[1];
    part.term_stride = weight.stride[2];
    part.row_stride = spatial[far_axes];
    part.column_stride = spatial[far_axes + 1];
    part.channels = min_index(block, problem_.out_channels - oc);
    part.channel_block = block;
    part.u_pitch = pitch;
    const T* const channel =
        static_cast<const T*>(weight.data) + group * weight.stride[0] + oc * weight.stride[1];
    for (Index term = first_term; term < last_term;) {
        const Index far = term / problem_.in_channels, ic = term % problem_.in_channels;
        Index rest = far / row_taps(), offset = far % row_taps() * spatial[far_axes];
        for (std::size_t a = far_axes; a-- > 0;) {
            offset += rest % layout_.axes[a].kernel * spatial[a];
            rest /= layout_.axes[a].kernel;
        }
        part.weight = channel + offset + ic * weight.stride[2];
        part.terms = min_index(last_term - term, problem_.in_channels - ic);
        part.u = u + (term - first_term) * block;
        kernel_.transform_weight(part);
        term += part.terms;
    }
}

template <class T>
void WinogradCorrelation<T>::transform_weights(const Array& weight, T* packed, int threads) const {
    auto transform_block = [&](Index task, int) {
        const Index blocks = channel_blocks();
        transform_weights(weight, task / blocks, task % blocks, 0, terms_, packed + task * packed_block(),
                          packed_panel());
    };
    parallel_for(problem_.groups * channel_blocks(), transformed_bytes() < parallel_pack_bytes ? 1 : threads,
                 transform_block);
}

template <class T>
void WinogradCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    write_packed_head(packed, problem_.axes.size());
    transform_weights(weight, reinterpret_cast<T*>(static_cast<char*>(packed) + head_bytes()), threads);
}

template <class T>
void WinogradCorrelation<T>::borrow(const Array& weight, void* packed) const {
    write_borrowed(weight, packed);
}

template class WinogradCorrelation<float>;
template class WinogradCorrelation<double>;

}  // namespace faltung
