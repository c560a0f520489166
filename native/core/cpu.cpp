#include "core/cpu.h"

#include <stdexcept>

namespace faltung {

namespace {

struct Candidate {
    const char* name;
    Isa isa;
    bool is_supported;
};

// The features asked for are exactly those that CMakeLists.txt passes to the compiler for that instruction
// set.
std::vector<Candidate> candidates() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd");
    return {{"baseline", Isa::baseline, true}, {"avx2", Isa::avx2, avx2}, {"avx512", Isa::avx512, avx512}};
#elif defined(__aarch64__)
    return {{"neon", Isa::neon, true}};
#else
    return {{"baseline", Isa::baseline, true}};
#endif
}

}  // namespace

std::vector<std::string> detected_isas() {
    std::vector<std::string> names;
    for (const Candidate& candidate : candidates())
        if (candidate.is_supported) names.emplace_back(candidate.name);
    return names;
}

bool has_bfloat16_dots([[maybe_unused]] Isa isa) {
#if defined(FALTUNG_BFLOAT16_DOTS)
    __builtin_cpu_init();
    return isa == Isa::avx512 && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

Isa isa_from_name(const std::string& name) {
    std::string known;
    for (const Candidate& candidate : candidates()) {
        if (!candidate.is_supported) continue;
        if (name == candidate.name) return candidate.isa;
        known += known.empty() ? candidate.name : std::string(", ") + candidate.name;
    }
    throw std::invalid_argument("isa='" + name + "' is not one that this build and processor run: " + known);
}

}  // namespace faltung
