// One call of a Winograd correlation. Included by the sources of that operation alone.
#pragma once

#include "kernels/winograd/winograd.h"

namespace faltung {

constexpr std::size_t winograd_axes_limit = 64;

// One call's arrays and its division into tasks; the division never touches the order of a sum.
template <class T>
struct WinogradCorrelation<T>::Call {
    const WinogradCorrelation& op;
    Index batch;
    const Array &x, &y;
    const T* packed;      // transformed weights, or null
    const Array* weight;  // those that are transformed when they are wanted
    const Epilogue& epilogue;
    bool accumulates;
    std::vector<Index> x_spatial, y_spatial;
    Block block;
    Parts parts;

    char* workspace = nullptr;
    Index far_outputs = 1, unit_blocks = 1, row_blocks = 1, column_blocks = 1, channel_chunks = 1;
    std::vector<Index> transformed_by_worker = {};  // which tiles each worker transformed last

    // The tiles of a task.
    struct Place {
        Index first_unit, group, first_row, first_column;  // rows and columns of tiles
        Index far[winograd_axes_limit];
        Block tiles;
    };

    // One sample's outputs of one phase.
    struct Unit {
        Index sample, row_phase, column_phase;
    };

    // Where the input of a unit's columns lies, and those of its rows that meet one tap.
    struct Source {
        Index* row;           // element offset of each input row, or absent_row
        Index* gathered_row;  // of each row of the copy
        Index* column;        // likewise of each input column; of a copy
        T* gathered;          // the copy of one channel, where the input cannot be read in place
        Index slots, width, pitch;
        Index begin, end;  // of the columns, those inside
        Index first,
            step;  // element offset of the first column, which may lie outside, and from column to column
        bool is_in_place;
    };

    void share_out(int threads);
    Index tile_blocks() const {
        return unit_blocks * op.problem_.groups * far_outputs * row_blocks * column_blocks;
    }
    Index task_count() const { return tile_blocks() * channel_chunks; }

    Place place(Index tiles) const;
    Unit unit(Index number) const;
    Source locate_columns(const Place& at, const Unit& unit, char* own) const;
    void locate_rows(const Place& at, const Unit& unit, Index tap, const Source& source) const;
    void gather(const Source& source, const T* from) const;
    void transform(const Place& at, char* v, char* own) const;
    T* products(char* own) const { return reinterpret_cast<T*>(own + parts.m); }
    WinogradProduct<T> product_of(const Place& at) const;
    Index channels_of(Index channel_block) const;
    void multiply(const Place& at, Index first_block, Index last_block, const char* v, char* own) const;
    void transform_and_multiply(const Place& at, Index channel_block, const char* v, char* own) const;
    void prefetch_outputs(const Place& at, Index channel_block, Index point,
                          const WinogradOutput<T>& only) const;
    void store(const Place& at, Index channel_block, const T* m) const;
    WinogradOutput<T> output_of(const Place& at, Index unit_number, Index channel_block) const;
    void operator()(Index task, int worker);
};

}  // namespace faltung
