// Where the compiler is told to keep a value. Internal linkage.
#pragma once

namespace faltung {

namespace {

// Without this GCC reads a vector from memory once for every product.
template <class V>
inline void keep_in_register(V& v) {
#if defined(__x86_64__)
    asm("" : "+v"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#else
    static_cast<void>(v);
#endif
}

// Without this GCC holds sums of addresses in vector registers, where it has no others left, and moves each
// of them for every product.
template <class V>
inline void keep_address(V& v) {
    asm("" : "+r"(v));
}

}  // namespace

}  // namespace faltung
