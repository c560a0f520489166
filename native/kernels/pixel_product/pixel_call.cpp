#include "kernels/pixel_product/pixel_call.h"

namespace faltung {

// Pixels that lie at one distance from one another are finished together.
template <class T>
void PixelProduct<T>::Call::finish(const Tile& tile, Index channels) const {
    if (!epilogue.loop()) return;
    for (Index p = 0, run; p < tile.pixels; p += run) {
        const Index step = p + 1 < tile.pixels ? tile.y[p + 1] - tile.y[p] : 0;
        run = 1;
        while (p + run < tile.pixels && tile.y[p + run] - tile.y[p + run - 1] == step) ++run;
        epilogue.finish(tile.y[p], channels, 1, 1, 0, run, step);
    }
}

template <class T>
void PixelProduct<T>::Call::operator()(Index task, int worker) const {
    const Problem& problem = op.problem_;
    const Index chunk = task % chunks;
    Index rest = task / chunks;
    const Index first_channel = rest % channel_groups * group_channels;
    rest /= channel_groups;
    const Index g = rest % problem.groups, n = rest / problem.groups;

    const Index channel_block = op.kernel_.channel_block;
    const Index channels = min_index(group_channels, problem.out_channels - first_channel);
    const Index weight_pitch = op.terms() * channel_block;
    const Index blocks = ceil_divide(problem.out_channels, channel_block);
    const T* const x_group = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1];
    T* const y_group = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] + first_channel;
    const T* const bias = static_cast<const T*>(epilogue.bias);

    Tile tile;
    char* const own = workspace + op.zeros_bytes() + worker * op.worker_bytes();
    tile.cells = reinterpret_cast<const T**>(own);
    tile.panel = reinterpret_cast<T*>(own + op.table_bytes());
    T* const panels = reinterpret_cast<T*>(own + op.table_bytes() + op.panel_bytes());
    PixelTile<T> product;
    product.cells = nullptr;
    product.weight = panels;
    product.y = tile.y;
    product.out_channels = channels;
    const T* const weight = packed + (g * blocks + first_channel / channel_block) * weight_pitch;
    const Index end = (chunk + 1) * tiles / chunks;
    for (Index i = chunk * tiles / chunks, next; i < end; i = next) {
        next = min_index(i + pass_tiles, end);
        for (Index pass = 0; pass < passes; ++pass) {
            const Index begin = pass * problem.in_channels / passes;
            const Index pass_channels = (pass + 1) * problem.in_channels / passes - begin;
            op.kernel_.arrange(weight + begin * op.taps_ * channel_block, weight_pitch,
                               ceil_divide(channels, channel_block), pass_channels * op.taps_, panels);
            product.bias = bias && pass == 0 ? bias + g * problem.out_channels + first_channel : nullptr;
            product.resumes = accumulates || pass > 0;
            for (Index t = i; t < next; ++t) {
                place(tile, t);
                product.pixels = tile.pixels;
                locate(tile, x_group + begin * x.stride[2], y_group);
                const bool is_list = lists_terms && tile.is_even;
                product.taps = is_list ? op.terms() : op.taps_;
                product.channels = is_list ? 1 : pass_channels;
                if (copies) {
                    copy_cells(tile, pass_channels);
                    product.origin = tile.panel;
                    product.pixel_step = op.copied_pitch();
                    product.channel_step = 1;
                    product.tap_offset = panel_offset.data();
                } else {
                    product.cells = tile.is_even ? nullptr : tile.cells;
                    product.origin = tile.origin[0];
                    product.pixel_step = tile.step;
                    product.channel_step = tile.is_padded ? 1 : x.stride[2];
                    product.tap_offset = tile.is_padded ? padded_offset.data() : tap_offset.data();
                }
                op.kernel_.multiply(product);
                if (pass + 1 == passes) finish(tile, channels);
            }
        }
    }
}

template void PixelProduct<float>::Call::operator()(Index, int) const;
template void PixelProduct<double>::Call::operator()(Index, int) const;
template void PixelProduct<std::uint64_t>::Call::operator()(Index, int) const;

}  // namespace faltung
