// The rows of a panel, of many short ones all in one loop. Internal linkage.
#pragma once

#include "core/narrow.h"
#include "core/panel.h"
#include "core/strided_copy.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr Index most_row_vectors = 16;

// Of rows that end within so many vectors; others are left to the copy of one row.
template <class T, int S>
bool copy_rows(const PanelRows<T>& b) {
    constexpr int L = lanes<T>;
    struct Part {
        Index from, place, count;
        unsigned present[S];
    };
    Part parts[most_row_vectors];
    Index part_count = 0;
    const Index* inside = b.source.inside;
    for (Index s = 0; s < b.segment_count; ++s) {
        const PanelSegment& segment = b.segments[s];
        const Index begin = *inside++, end = *inside++;
        const Index first = begin < end ? b.source.column[segment.place + begin] - S * begin : 0;
        for (Index i = 0; i < segment.length; i += L) {
            if (part_count == most_row_vectors) return false;
            Part& part = parts[part_count++];
            part = {first + S * i, segment.place + i, min_index(L, segment.length - i), {}};
            for (int v = 0; v < S && begin < end; ++v)
                part.present[v] = lanes_between<L>(S * (begin - i) - v * L, S * (end - 1 - i) + 1 - v * L);
        }
    }
    for (Index channel = 0; channel < b.channels; ++channel) {
        const T* const x = b.x + channel * b.channel_stride;
        const Index ahead = channel + b.channels_ahead < b.channels ? b.channels_ahead * b.channel_stride : 0;
        T* to = b.panel + channel * b.channel_pitch;
        for (Index slot = 0; slot < b.slots; ++slot, to += b.row_pitch) {
            const bool is_absent = b.source.slot[slot] == absent_cell;
            const T* const row = is_absent ? x : x + b.source.slot[slot];
            for (const Part* part = parts; part < parts + part_count; ++part) {
                const T* const cells = row + part->from;
                Vec<T> v{};
                if (!is_absent) {
                    if (ahead != 0) __builtin_prefetch(cells + ahead);
                    v = load_lanes<T, L>(cells, part->present[0]);
                    if constexpr (S == 2) {
                        if (ahead != 0) __builtin_prefetch(cells + ahead + L);
                        v = unzip<T, 0>(v, load_lanes<T, L>(cells + L, part->present[1]));
                    }
                }
                store_some(to + part->place, v, part->count);
            }
        }
    }
    return true;
}

template <class T>
bool copy_rows_of_step(const PanelRows<T>& b) {
    return b.step == 1 ? copy_rows<T, 1>(b) : b.step == 2 && copy_rows<T, 2>(b);
}

template <class T>
constexpr PanelCopy<T> panel_copy() {
    return {strided_copy<T>, has_masked_lanes ? copy_rows_of_step<T> : nullptr};
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
