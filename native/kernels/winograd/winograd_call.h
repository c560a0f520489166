// One call of a Winograd correlation. Included by the sources of that operation alone.
#pragma once

#include "core/workspace.h"
#include "kernels/call_arrays.h"
#include "kernels/held_by_worker.h"
#include "kernels/winograd/winograd.h"

namespace faltung {

// The first j with first + j * step >= position.
inline Index first_from(Index first, Index step, Index position) {
    if (position <= first) return 0;
    return step == 1 ? position - first : ceil_divide(position - first, step);
}

template <class T>
struct WinogradCorrelation<T>::Call : CallArrays {
    const WinogradCorrelation& op;
    const T* packed;      // transformed weights, or null
    const Array* weight;  // those that are transformed when they are wanted
    TileTasks tasks;
    Parts parts = {};
    HeldByWorker transformed_by_worker = {};  // which block of tiles each worker transformed last

    using Place = TileTasks::Place;

    // One sample's outputs of one phase.
    struct Unit {
        Index sample, row_phase, column_phase;
    };

    // Where the input of a unit's columns lies, and those of its rows that meet one tap.
    struct Source {
        Index* row;           // element offset of each input row, or absent_row
        Index* gathered_row;  // of each row of the copy
        Index* column;        // likewise of each input column; of a copy
        T* gathered;          // the copy of some channels, where the input cannot be read in place
        Index slots, width, pitch;
        Index begin, end;  // of the columns, those inside
        Index first,
            step;  // element offset of the first column, which may lie outside, and from column to column
        bool is_in_place;
    };

    Unit unit(Index number) const {
        if (op.phases() == 1) return {number, 0, 0};
        const Index columns = op.column_phases(), phase = number % op.phases();
        return {number / op.phases(), phase / columns, phase % columns};
    }
    Source locate_columns(const Place& at, const Unit& unit, char* own) const;
    void locate_rows(const Place& at, const Unit& unit, Index tap, const Source& source) const;
    void gather(const Source& source, const T* from, Index channels) const;
    void transform(const Place& at, char* v, char* own) const;
    T* products(char* own) const { return reinterpret_cast<T*>(own + parts.m); }
    WinogradProduct<T> product_of(const Place& at) const;
    Index channels_of(Index channel_block) const;
    const T* weights_of(const Place& at, Index channel_block, Index point = 0) const;  // packed
    void multiply(const Place& at, Index first_block, Index last_block, const char* v, char* own) const;
    void transform_and_multiply(const Place& at, Index channel_block, const char* v, char* own) const;
    void prefetch_outputs(const Place& at, Index channel_block, Index point,
                          const WinogradOutput<T>& only) const;
    void multiply_few_terms(const Place& at, Index first_block, Index last_block, const char* v) const;
    void store(const Place& at, Index channel_block, const T* m) const;
    WinogradOutput<T> output_of(const Place& at, Index unit_number, Index channel_block) const;
    void operator()(Index task, int worker);
};

}  // namespace faltung
