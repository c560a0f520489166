// Included by the sources of a call alone.
#pragma once

#include <utility>

#include "kernels/winograd_phases/winograd_phases.h"

namespace faltung {

// Taps of some input channels, turned while products of those before keep the processor busy and their memory
// arrives.
template <class T>
class WinogradPhases<T>::TapsAhead {
  public:
    TapsAhead(const WinogradPhases& op, const Weights* weights, Index group, T* even, T* odd)
        : op_(op), weights_(weights), group_(group), next_(even), other_(odd) {}

    void begin(Index channel_block, Index first, Index last) {
        block_ = channel_block;
        first_ = done_ = first;
        last_ = last;
        part_ = 0;
    }

    // One part of as many as there are points.
    void advance() {
        const Index count = last_ - first_, parts = op_.points_;
        if (++part_ > parts) return;
        turn_until(first_ + part_ * count / parts);
        const Index end = first_ + min_index(part_ + 1, parts) * count / parts;
        for (Index channel = done_; channel < end; ++channel)
            op_.prefetch_taps(*weights_, group_, block_, channel);
    }

    // All of them; they stay until `finish` is called again.
    const T* finish() {
        turn_until(last_);
        std::swap(next_, other_);
        return other_;
    }

  private:
    void turn_until(Index end) {
        for (; done_ < end; ++done_)
            op_.turn(*weights_, group_, block_, done_, next_ + (done_ - first_) * op_.turned_elements(1));
    }

    const WinogradPhases& op_;
    const Weights* const weights_;
    const Index group_;
    T *next_, *other_;
    Index block_ = 0, first_ = 0, last_ = 0, done_ = 0, part_ = 0;
};

}  // namespace faltung
