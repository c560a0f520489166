// Winograd's minimal filtering where correlations of stride 1 with few taps make up another one: the phases
// of a transposed correlation, whose outputs are interleaved; those of the input of a strided one and the
// pieces of a kernel of many taps, whose outputs are summed.
#pragma once

#include <functional>
#include <optional>

#include "core/borrowed.h"
#include "core/layout.h"
#include "core/operation.h"
#include "kernels/transposed/phase_rows.h"
#include "kernels/winograd/tile_tasks.h"
#include "kernels/winograd/winograd_memory.h"
#include "kernels/winograd_phases/phase_tiles.h"

namespace faltung {

// Null if `problem` is served in elements of `type`, else why not.
const char* why_not_winograd_phases(const Problem& problem, Type type);

template <class T>
class WinogradPhases : public Correlation {
  public:
    using KernelOf = std::function<PhaseKernel<T>(PhaseForm)>;

    WinogradPhases(const Problem& problem, const KernelOf& kernel_of, const WinogradKernel<T>& products,
                   const PhaseRows<T>& rows);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    Index borrowed_bytes() const override { return head_bytes(); }
    void borrow(const Array& weight, void* packed) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    // One phase of each axis.
    struct Member {
        std::vector<const Phase*> axes;  // of the layout
        std::vector<Index> x_first;      // of each axis, the first cell of the input's phase
        PhaseForm form;
        PhaseKernel<T> kernel;
        Index far_taps;
        std::vector<Index> number;  // [far tap][tap] in the kernel, row by row
        Index u, v, m;         // its first point among those of the weights, of the input and of the products
        bool shares_input;     // with an earlier member
        bool shares_products;  // to which it adds

        // Whether weights are summed of taps where they are multiplied: of tiles of two outputs that takes no
        // product, of others as many as a tile or two do.
        bool sums_taps(const TileBlock& block) const {
            const bool has_few_products = form.rows <= 2 && form.columns <= 2;
            return far_taps == 1 && form.sums_taps() &&
                   (has_few_products || block.units * block.tiles() <= most_summed_tiles);
        }
    };

    static constexpr Index most_summed_tiles = 16;
    static constexpr Index channels_gathered =
        16;  // together, where they lie side by side: a line of the cache

    // Where the parts of a thread's workspace begin, in bytes.
    struct Parts {
        Index v, m, u, turned, scratch, gathered, tables, rows, end;
    };

    // Weights that are transformed when they are wanted.
    struct Weights {
        Array array;               // where they lie; or
        const T* turned;           // not null
        bool is_run, is_reversed;  // of `array`: whether a kernel lies in one piece, in which direction
    };
    class TapsAhead;
    struct Call;

    void make_phases();
    void make_members(const KernelOf& kernel_of);
    void choose_block();
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, products_.channel_block); }
    Index vectors() const { return products_.channel_block / products_.lanes; }
    Index kernel_taps() const { return faltung::taps(problem_.axes); }
    Index terms() const { return problem_.in_channels * far_taps_; }
    // Of one point; a line more, or points would share a few sets of L1.
    Index packed_panel() const { return terms() * products_.channel_block + line_elements<T>; }
    Index packed_block() const { return u_points_ * packed_panel(); }
    // A line more, or the taps of one phase would share a few sets of L1.
    Index turned_elements(Index channels) const {
        return channels * (kernel_taps() * products_.channel_block + line_elements<T>);
    }
    Index turned_scratch(Index channels) const {  // whole vectors of taps are written
        return turned_elements(channels) + products_.lanes * products_.lanes;
    }
    Index turned_block() const { return turned_elements(problem_.in_channels); }
    Index head_bytes() const { return packed_head_bytes(problem_.axes.size()); }
    // Packed, either [group][channel block][point][term][channel] or, turned, [group][channel block][input
    // channel][vector of channels][tap][lane].
    Index transformed_bytes() const {
        return problem_.groups * channel_blocks() * packed_block() * Index(sizeof(T));
    }
    Index turned_bytes() const {
        return problem_.groups * channel_blocks() * turned_block() * Index(sizeof(T));
    }
    bool sums_taps(const TileBlock& block) const;  // all members
    bool keeps_turned() const;  // rather than points, which would come from memory in each call
    Index tile_rows() const { return ceil_divide(layout_.rows().out, form_rows_); }
    Index tile_columns() const { return ceil_divide(layout_.columns().out, form_columns_); }
    Index block_slots(const TileBlock& block) const { return block.rows * form_rows_ + most_phase_taps - 1; }
    Index block_columns(const TileBlock& block) const {
        return block.columns * form_columns_ + most_phase_taps - 1;
    }
    Index v_pitch(const TileBlock& block) const;  // of a point
    Index v_bytes(const TileBlock& block) const;
    Index m_pitch(const TileBlock& block) const;
    Index channels_at_once() const;  // of the input, of weights that are transformed when they are wanted
    Index u_pitch() const;           // of a point of those
    Index row_pitch(const TileBlock& block) const;  // of outputs of one phase, before they are interleaved
    Parts parts(const TileBlock& block, bool transforms) const;
    TileWork tile_work(Index batch, bool transforms) const;
    void prefetch_taps(const Weights& weights, Index group, Index channel_block, Index channel) const;
    void turn(const Weights& weights, Index group, Index channel_block, Index channel, T* turned) const;
    void transform_taps(const Weights& weights, const Member& member, const T* turned, Index channels, T* u,
                        Index pitch) const;
    // At one point of a member that sums taps.
    void sum_taps(const Weights& weights, const Member& member, const T* turned, int point,
                  WinogradProduct<T>& product) const;
    void transform_weights(const Weights& weights, T* u, char* scratch, Index scratch_pitch,
                           int threads) const;
    std::optional<Weights> weights_of(const void* packed) const;  // nothing where they are transformed
    Weights weights_of(const Array& weight) const;
    Index workspace_limit() const { return winograd_workspace_limit(problem_, sizeof(T)); }

    Problem problem_;
    Layout layout_;  // of outputs of the first phase of each axis, which has most
    WinogradKernel<T> products_;
    PhaseRows<T> rows_;
    bool sums_members_;                        // not transposed: members add to the same outputs
    std::vector<std::vector<Phase>> phases_;   // for each axis of the layout
    std::vector<std::vector<Index>> x_first_;  // of each phase
    std::vector<Index> x_step_, y_step_;       // of each axis, from cell to cell of a phase
    std::vector<Member> members_;              // those of the columns fastest
    int form_rows_ = 1, form_columns_ = 1;     // 1 where no phase has several taps
    Index far_taps_ = 1;                       // at most
    Index u_points_ = 0, v_points_ = 0, m_points_ = 0, points_ = 0;  // of all members
    Index most_u_points_ = 0;                                        // of one
    TileBlock block_;
};

extern template class WinogradPhases<float>;
extern template class WinogradPhases<double>;

}  // namespace faltung
