// Weights of phases: turned so that output channels lie side by side, and transformed.
#include <cstring>

#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/winograd_phases/winograd_phases.h"

namespace faltung {

namespace {

constexpr Index parallel_pack_bytes = 128 << 10;
constexpr Index channels_ahead = 3;

}  // namespace

template <class T>
typename WinogradPhases<T>::Weights WinogradPhases<T>::weights_of(const Array& weight) const {
    Weights weights{weight, nullptr, true, true};
    Index step = 1;
    for (std::size_t a = problem_.axes.size(); a-- > 0; step *= problem_.axes[a].kernel) {
        if (problem_.axes[a].kernel == 1) continue;
        weights.is_run = weights.is_run && weight.stride[outer_axes + a] == step;
        weights.is_reversed = weights.is_reversed && weight.stride[outer_axes + a] == -step;
    }
    weights.is_reversed = weights.is_reversed && !weights.is_run;
    return weights;
}

template <class T>
std::optional<typename WinogradPhases<T>::Weights> WinogradPhases<T>::weights_of(const void* packed) const {
    if (const std::optional<Array> weight = borrowed_weight(packed, problem_.axes.size()))
        return weights_of(*weight);
    if (!keeps_turned()) return std::nullopt;
    const char* const data = static_cast<const char*>(packed);
    return Weights{{}, reinterpret_cast<const T*>(data + head_bytes()), false, false};
}

template <class T>
void WinogradPhases<T>::prefetch_taps(const Weights& weights, Index group, Index channel_block,
                                      Index channel) const {
    if (channel >= problem_.in_channels || !(weights.is_run || weights.is_reversed)) return;
    constexpr Index line = line_elements<T>;
    const Array& array = weights.array;
    const Index taps = kernel_taps(), first = channel_block * products_.channel_block;
    const Index channels = min_index(products_.channel_block, problem_.out_channels - first);
    const T* from = static_cast<const T*>(array.data) + group * array.stride[0] + first * array.stride[1] +
                    channel * array.stride[2] - (weights.is_reversed ? taps - 1 : 0);
    if (array.stride[1] == taps) {
        for (Index at = 0; at < channels * taps; at += line) __builtin_prefetch(from + at);
        return;
    }
    for (Index oc = 0; oc < channels; ++oc, from += array.stride[1])
        for (Index at = 0; at < taps; at += line) __builtin_prefetch(from + at);
}

// The taps of one input channel and block of output channels: turned[vector of channels][tap][lane].
template <class T>
void WinogradPhases<T>::turn(const Weights& weights, Index group, Index channel_block, Index channel,
                             T* turned) const {
    const Array& array = weights.array;
    const Index lanes = products_.lanes, taps = kernel_taps(),
                first = channel_block * products_.channel_block;
    const T* from = static_cast<const T*>(array.data) + group * array.stride[0] + first * array.stride[1] +
                    channel * array.stride[2];
    for (Index vector = 0; vector < vectors(); ++vector, turned += taps * lanes) {
        const Index channels = max_index(0, min_index(lanes, problem_.out_channels - first - vector * lanes));
        const T* const channel_0 = from + (channels > 0 ? vector * lanes * array.stride[1] : 0);
        if (weights.is_run || weights.is_reversed) {
            const Index last = weights.is_reversed ? taps - 1 : 0;
            members_.front().kernel.turn(channel_0 - last, array.stride[1], channels, taps, turned);
            continue;
        }
        for (Index tap = 0; tap < taps; ++tap) {
            Index rest = tap, offset = 0;
            for (std::size_t a = problem_.axes.size(); a-- > 0; rest /= problem_.axes[a].kernel)
                offset += rest % problem_.axes[a].kernel * array.stride[outer_axes + a];
            for (Index lane = 0; lane < lanes; ++lane)
                turned[tap * lanes + lane] =
                    lane < channels ? channel_0[offset + lane * array.stride[1]] : T(0);
        }
    }
}

template <class T>
void WinogradPhases<T>::transform_weights(const Weights& weights, T* u, char* scratch, Index scratch_pitch,
                                          int threads) const {
    const Index blocks = channel_blocks();
    auto transform_block = [&](Index task, int worker) {
        T* const turned = reinterpret_cast<T*>(scratch + worker * scratch_pitch);
        T* const to = u + task * packed_block();
        for (Index channel = 0; channel < problem_.in_channels; ++channel) {
            prefetch_taps(weights, task / blocks, task % blocks, channel + channels_ahead);
            turn(weights, task / blocks, task % blocks, channel, turned);
            for (const Member& member : members_)
                transform_taps(
                    weights, member, turned, 1,
                    to + member.u * packed_panel() + channel * member.far_taps * products_.channel_block,
                    packed_panel());
        }
    };
    parallel_for(problem_.groups * blocks, threads, transform_block);
}

// To the points of one phase.
template <class T>
void WinogradPhases<T>::transform_taps(const Weights& weights, const Member& member, const T* turned,
                                       Index channels, T* u, Index pitch) const {
    const Index lanes = products_.lanes, taps = kernel_taps(), width = products_.channel_block;
    const bool is_reversed = weights.is_reversed;
    PhaseWeight<T> part;
    part.turned = turned + (is_reversed ? (taps - 1) * lanes : 0);
    part.turned_vector = taps * lanes;
    part.turned_term = turned_elements(1);
    part.step = is_reversed ? -lanes : lanes;
    part.terms = channels;
    part.vectors = vectors();
    part.u_term = member.far_taps * width;
    part.u_pitch = pitch;
    for (Index far = 0; far < member.far_taps; ++far) {
        part.number = member.number.data() + far * member.form.taps();
        part.u = u + far * width;
        member.kernel.transform_weight(part);
    }
}

template <class T>
void WinogradPhases<T>::sum_taps(const Weights& weights, const Member& member, const T* turned, int point,
                                 WinogradProduct<T>& product) const {
    const PhaseForm& form = member.form;
    const Index lanes = products_.lanes, taps = kernel_taps();
    const TapSum rows = tap_sum(form.row_taps, point / form.column_points(), form.row_points());
    const TapSum columns = tap_sum(form.column_taps, point % form.column_points(), form.column_points());
    Index place[4] = {};
    product.summands = 0;
    product.row_factor = static_cast<T>(rows.count == 2 ? rows.factor : columns.factor);
    product.column_factor = static_cast<T>(columns.factor);
    for (int column = 0; column < columns.count; ++column)  // rows are summed first, as they are transformed
        for (int row = 0; row < rows.count; ++row) {
            const int tap = (rows.first + row) * form.column_taps + columns.first + column;
            const Index number = member.number[static_cast<std::size_t>(tap)];
            place[product.summands++] = (weights.is_reversed ? taps - 1 - number : number) * lanes;
        }
    for (int i = 1; i < product.summands; ++i) product.summand[i - 1] = place[i] - place[0];
    product.u = turned + place[0];
    product.u_term = turned_elements(1);
    product.u_vector = taps * lanes;
}

template <class T>
void WinogradPhases<T>::pack(const Array& weight, void* packed, int threads) const {
    write_packed_head(packed, problem_.axes.size());
    T* const to = reinterpret_cast<T*>(static_cast<char*>(packed) + head_bytes());
    const Weights weights = weights_of(weight);
    threads = packed_bytes() < parallel_pack_bytes ? 1 : static_cast<int>(min_index(threads, thread_limit));
    const Index elements = turned_elements(1);
    const Index scratch_pitch = round_up(turned_scratch(1) * Index(sizeof(T)), workspace_alignment);
    const AlignedBuffer buffer(threads * scratch_pitch);
    if (!keeps_turned()) return transform_weights(weights, to, buffer.data(), scratch_pitch, threads);
    const Index blocks = channel_blocks();
    auto turn_block = [&](Index task, int worker) {
        T* const turned = reinterpret_cast<T*>(buffer.data() + worker * scratch_pitch);
        for (Index channel = 0; channel < problem_.in_channels; ++channel) {
            prefetch_taps(weights, task / blocks, task % blocks, channel + channels_ahead);
            turn(weights, task / blocks, task % blocks, channel, turned);
            T* const place = to + task * turned_block() + channel * elements;
            if (!weights.is_reversed) {
                std::memcpy(place, turned, static_cast<std::size_t>(elements) * sizeof(T));
                continue;
            }
            const Index lanes = products_.lanes, taps = kernel_taps();
            for (Index v = 0; v < vectors(); ++v)
                for (Index tap = 0; tap < taps; ++tap)
                    std::memcpy(place + (v * taps + tap) * lanes,
                                turned + (v * taps + taps - 1 - tap) * lanes,
                                static_cast<std::size_t>(lanes) * sizeof(T));
        }
    };
    parallel_for(problem_.groups * blocks, threads, turn_block);
}

template <class T>
void WinogradPhases<T>::borrow(const Array& weight, void* packed) const {
    write_borrowed(weight, packed);
}

template WinogradPhases<float>::Weights WinogradPhases<float>::weights_of(const Array&) const;
template std::optional<WinogradPhases<float>::Weights> WinogradPhases<float>::weights_of(const void*) const;
template void WinogradPhases<float>::prefetch_taps(const Weights&, Index, Index, Index) const;
template void WinogradPhases<float>::turn(const Weights&, Index, Index, Index, float*) const;
template void WinogradPhases<float>::transform_taps(const Weights&, const Member&, const float*, Index,
                                                    float*, Index) const;
template void WinogradPhases<float>::sum_taps(const Weights&, const Member&, const float*, int,
                                              WinogradProduct<float>&) const;
template void WinogradPhases<float>::transform_weights(const Weights&, float*, char*, Index, int) const;
template void WinogradPhases<float>::pack(const Array&, void*, int) const;
template void WinogradPhases<float>::borrow(const Array&, void*) const;
template WinogradPhases<double>::Weights WinogradPhases<double>::weights_of(const Array&) const;
template std::optional<WinogradPhases<double>::Weights> WinogradPhases<double>::weights_of(const void*) const;
template void WinogradPhases<double>::prefetch_taps(const Weights&, Index, Index, Index) const;
template void WinogradPhases<double>::turn(const Weights&, Index, Index, Index, double*) const;
template void WinogradPhases<double>::transform_taps(const Weights&, const Member&, const double*, Index,
                                                     double*, Index) const;
template void WinogradPhases<double>::sum_taps(const Weights&, const Member&, const double*, int,
                                               WinogradProduct<double>&) const;
template void WinogradPhases<double>::transform_weights(const Weights&, double*, char*, Index, int) const;
template void WinogradPhases<double>::pack(const Array&, void*, int) const;
template void WinogradPhases<double>::borrow(const Array&, void*) const;

}  // namespace faltung
