// One call of a correlation by phases. Included by the sources of that operation alone.
#pragma once

#include "core/ahead.h"
#include "kernels/call_arrays.h"
#include "kernels/held_by_worker.h"
#include "kernels/winograd_phases/taps_ahead.h"

namespace faltung {

template <class T>
struct WinogradPhases<T>::Call : CallArrays {
    const WinogradPhases& op;
    const T* packed;         // transformed weights
    const Weights* weights;  // or those that are transformed when they are wanted
    TileTasks tasks;
    Parts parts = {};
    HeldByWorker transformed_by_worker = {};  // which block of tiles each worker transformed last

    using Place = TileTasks::Place;

    bool has_outputs(const Place& at, const Member& member) const {
        for (std::size_t a = 0; a < op.layout_.far_axes(); ++a)
            if (at.far[a] >= member.axes[a]->count) return false;
        return true;
    }
    void transform(const Place& at, char* v, char* own) const;
    void transform_member(const Place& at, const Member& member, Index first_channel, Index last_channel,
                          char* v, char* own) const;
    RowsAhead outputs_ahead(const Place& at, Index channel_block) const;
    void multiply(const Place& at, Index channel_block, Index end_block, TapsAhead& taps, const char* v,
                  char* own) const;
    WinogradProduct<T> product_of(const Place& at, const Member& member, Index channel_block, const char* v,
                                  char* own) const;
    void store(const Place& at, Index channel_block, char* own) const;
    void store_rows(const Place& at, Index channel_block, const Member* members, Index unit, Index tile_row,
                    char* own) const;
    void operator()(Index task, int worker);
};

}  // namespace faltung
