// Memory that is soon needed, asked for part by part while something else is computed.
#pragma once

#include "core/index.h"

namespace faltung {

class Ahead {
  public:
    // `bytes` may be 0.
    Ahead(const void* data, Index bytes, Index parts)
        : next_(static_cast<const char*>(data)),
          left_(ceil_divide(bytes, line)),
          part_(left_ ? ceil_divide(left_, max_index(parts, 1)) : 0) {}

    // To be called once for each part. The second level of caches is near enough, and has room.
    void fetch() {
        const Index count = min_index(part_, left_);
        left_ -= count;
        for (Index i = 0; i < count; ++i, next_ += line) __builtin_prefetch(next_, 0, 2);
    }

  private:
    static constexpr Index line = 64;

    const char* next_;
    Index left_, part_;  // lines
};

}  // namespace faltung
