#include "core/float_state.h"

namespace faltung {

namespace {

#if defined(__x86_64__)

// MXCSR, and above it the control word of x87, in which SciPy computes the roots of unity of its transforms.
constexpr FloatControl flags = 0x3f, no_traps = 0x1f80 | FloatControl(0x037f) << 32,
                       flushing = 0x8040;  // results and operands

FloatControl whole_control() {
    unsigned short x87;
    asm volatile("fnstcw %0" : "=m"(x87));
    return __builtin_ia32_stmxcsr() | FloatControl(x87) << 32;
}

void set_whole_control(FloatControl control) {
    const auto x87 = static_cast<unsigned short>(control >> 32);
    asm volatile("fldcw %0" : : "m"(x87));
    __builtin_ia32_ldmxcsr(static_cast<unsigned>(control));
}

#elif defined(__aarch64__)

// Flags are in a register of their own.
constexpr FloatControl flags = 0, no_traps = 0, flushing = FloatControl(1) << 24;

FloatControl whole_control() {
    FloatControl control;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}

void set_whole_control(FloatControl control) {
    asm volatile("msr fpcr, %0" : : "r"(control));
}

#else

constexpr FloatControl flags = 0, no_traps = 0, flushing = 0;

FloatControl whole_control() {
    return 0;
}

void set_whole_control(FloatControl) {}

#endif

}  // namespace

FloatControl float_control() {
    return whole_control() & ~flags;
}

FloatControl usual_float_control(bool flushes_denormals) {
    return no_traps | (flushes_denormals ? flushing : 0);
}

void set_float_control(FloatControl control) {
    set_whole_control(control);
}

FloatState::FloatState(FloatControl control) : before_(whole_control()) {
    set_whole_control(control);
}

FloatState::~FloatState() {
    set_whole_control(before_);
}

}  // namespace faltung
