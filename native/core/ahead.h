// Memory that is soon needed, asked for part by part while something else is computed.
#pragma once

#include "core/lines.h"

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
    static constexpr Index line = cache_line_bytes;

    const char* next_;
    Index left_, part_;  // lines
};

// The same of rows in two axes, which lie anywhere; strides in bytes.
class RowsAhead {
  public:
    RowsAhead() = default;
    RowsAhead(const void* data, Index outer, Index outer_stride, Index inner, Index inner_stride, Index bytes,
              Index parts)
        : data_(static_cast<const char*>(data)),
          outer_stride_(outer_stride),
          inner_stride_(inner_stride),
          inner_(inner),
          bytes_(bytes),
          rows_(outer * inner),
          parts_(max_index(parts, 1)) {}

    // To be called once for each part.
    void fetch() {
        const Index end = min_index(rows_, ++part_ * rows_ / parts_);
        for (; row_ < end; ++row_) {
            const char* const from = data_ + row_ / inner_ * outer_stride_ + row_ % inner_ * inner_stride_;
            for (Index at = 0; at < bytes_; at += line) __builtin_prefetch(from + at, 0, 2);
        }
    }

  private:
    static constexpr Index line = cache_line_bytes;

    const char* data_ = nullptr;
    Index outer_stride_ = 0, inner_stride_ = 0, inner_ = 1, bytes_ = 0;
    Index rows_ = 0, parts_ = 1, row_ = 0, part_ = 0;
};

}  // namespace faltung
