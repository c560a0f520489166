// How a thread rounds, and whether denormal numbers count. Callers may have set either as they like; what is
// computed is not to depend on it, and they are to find it as it was.
#pragma once

#include <cstdint>

namespace faltung {

using FloatControl = std::uint64_t;  // bits of the processor's control register

// Of the current thread, without the flags of what has happened.
FloatControl float_control();
// Rounding to the nearest, and no traps. Denormal numbers, read or made, are what they are or count as zero:
// Intel's processors take up to 200 times as long over them.
FloatControl usual_float_control(bool flushes_denormals);
void set_float_control(FloatControl control);

// Until its end the current thread computes so; then as before, flags included.
class FloatState {
  public:
    explicit FloatState(FloatControl control);
    FloatState(const FloatState&) = delete;
    FloatState& operator=(const FloatState&) = delete;
    ~FloatState();

  private:
    FloatControl before_;
};

}  // namespace faltung
