// The spectra of weights.
#include <cmath>
#include <cstring>

#include "core/threads.h"
#include "kernels/spectral/spectral_scratch.h"

namespace faltung {

namespace {

// Fewer weights are transformed before a sleeping worker has woken up.
constexpr double parallel_pack_cycles = 60000;

}  // namespace

template <class T>
void SpectralCorrelation<T>::copy_taps(const T* from, const Array& weight, T* to) const {
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    const Index row_stride = spatial[spatial.size() - 2], column_stride = spatial.back();
    const Index rows = layout_.rows().kernel, columns = layout_.columns().kernel;
    for (Index row = 0; row < rows; ++row, from += row_stride, to += columns) {
        if (column_stride == 1) {
            std::memcpy(to, from, static_cast<std::size_t>(columns) * sizeof(T));
        } else {
            for (Index column = 0; column < columns; ++column) to[column] = from[column * column_stride];
        }
    }
}

template <class T>
void SpectralCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    const SpectralShape& s = shape_;
    const Index lanes = kernel_.lanes, outs = problem_.out_channels;
    const Index columns = layout_.columns().kernel, dilation = layout_.columns().dilation;
    const Index taps_a_channel = taps(layout_.axes);
    T* const spectra = static_cast<T*>(packed);
    T* const norm = spectra + spectra_elements();
    T* const plain = norm + channels();
    // The mean of two and the size are divided by here; conjugated, for this is a correlation.
    const bool is_unsplit = s.is_single() && outs == 1;
    const T scale = T(1) / static_cast<T>((is_unsplit ? 2 : 4) * s.size);

    // A row of the kernel, or a run of taps, where its taps stand; `own` holds what does not lie so already.
    auto line_of = [&](const T* channel, Index row, T* own) -> const T* {
        const Index first = s.folds ? row * s.taps : 0;
        if (!s.folds) channel += row * columns;
        if (dilation == 1 && first + s.taps <= columns) return channel + first;
        std::memset(own, 0, static_cast<std::size_t>(s.taps) * sizeof(T));
        Index tap = ceil_divide(first, dilation);
        for (Index at = tap * dilation - first; at < s.taps && tap < columns; at += dilation, ++tap)
            own[at] = channel[tap];
        return own;
    };
    threads =
        s.packing_cycles < parallel_pack_cycles ? 1 : static_cast<int>(min_index(threads, thread_limit));
    const Index tasks = s.channel_units * outs;
    threads = static_cast<int>(min_index(tasks, threads));
    Workspace workspace(workspace_bytes(threads));
    auto pack_unit = [&](Index task, int worker) {
        const Index unit = task / outs, oc = task % outs;
        const Index first_group = s.rows_in_lanes ? unit : unit * lanes;
        const Index last_group = s.rows_in_lanes ? unit + 1 : min_index(first_group + lanes, problem_.groups);
        for (Index group = first_group; group < last_group; ++group) {
            const Index channel = group * outs + oc;
            T* const own = plain + channel * taps_a_channel;
            copy_taps(static_cast<const T*>(weight.data) + group * weight.stride[0] + oc * weight.stride[1],
                      weight, own);
            T energy, peak;
            kernel_.measure(own, taps_a_channel, taps_a_channel, &energy, &peak);
            norm[channel] = std::sqrt(energy);
        }
        Scratch scratch(*this, workspace.data() + worker * panel_bytes());
        std::memset(scratch.zeros, 0, static_cast<std::size_t>(line_pitch()) * sizeof(T));
        const Index vectors = s.rows_in_lanes ? ceil_divide(s.row_taps, lanes) : s.row_taps;
        const Index vector_pitch = s.rows_in_lanes ? lanes : 2 * lanes;
        SpectralLines<T> lines;
        lines.ahead = 0;
        for (Index vector = 0; vector < vectors; vector += 2) {
            lines.count = vector + 1 < vectors ? 2 : 1;
            for (int which = 0; which < lines.count; ++which) {
                lines.front[which] = 0;
                lines.length[which] = s.taps;
                for (Index lane = 0; lane < lanes; ++lane) {
                    const Index group = s.rows_in_lanes ? unit : first_group + lane;
                    const Index row = s.rows_in_lanes ? (vector + which) * lanes + lane : vector + which;
                    lines.line[which][lane] =
                        group < last_group && row < s.row_taps
                            ? line_of(plain + (group * outs + oc) * taps_a_channel, row,
                                      scratch.lines + (which * lanes + lane) * line_pitch())
                            : scratch.zeros;
                }
            }
            T* const to = spectra + task * s.weight_elements() + vector * vector_pitch;
            kernel_.analyse(tables_.plan(), lines, scratch.z, {{to, to + vector_pitch}, s.w_bin, s.w_part},
                            scale, -scale);
        }
    };
    parallel_for(tasks, threads, pack_unit);
}

template void SpectralCorrelation<float>::copy_taps(const float*, const Array&, float*) const;
template void SpectralCorrelation<float>::pack(const Array&, void*, int) const;
template void SpectralCorrelation<double>::copy_taps(const double*, const Array&, double*) const;
template void SpectralCorrelation<double>::pack(const Array&, void*, int) const;

}  // namespace faltung
