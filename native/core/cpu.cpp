#include "core/cpu.h"

#include <stdexcept>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

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

#if defined(__x86_64__)

struct Processor {
    bool is_intel, is_amd;
    unsigned family, model;
};

Processor processor() {
    __builtin_cpu_init();
    unsigned a = 0, b = 0, c = 0, d = 0;
    __get_cpuid(1, &a, &b, &c, &d);
    const unsigned family = (a >> 8) & 0xf, model = (a >> 4) & 0xf;
    const bool is_extended = family == 0xf || family == 6;
    return {__builtin_cpu_is("intel") != 0, __builtin_cpu_is("amd") != 0,
            family == 0xf ? family + ((a >> 20) & 0xff) : family,
            is_extended ? model + ((a >> 12) & 0xf0) : model};
}

// Intel's processors for desktops and laptops with AVX-512: Cannon Lake, Ice Lake, Tiger Lake, Rocket Lake.
bool is_client(unsigned model) {
    for (const unsigned client : {0x66u, 0x7du, 0x7eu, 0x8cu, 0x8du, 0xa7u})
        if (model == client) return true;
    return false;
}

#endif

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

ProductRates product_rates([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
    constexpr unsigned zen5 = 0x1a;
    const Processor own = processor();
    if (isa == Isa::avx512 && own.is_intel) return {is_client(own.model) ? 1.0 : 2.0, 0.5};
    if (isa == Isa::avx512 && own.is_amd && own.family >= zen5) return {2, 2};
#endif
    return {};
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
