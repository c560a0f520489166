// Calls the function of one name that every instruction set's namespace defines.
#pragma once

#include "core/cpu.h"

// FALTUNG_DECLARE_PER_ISA(template <class T> Kernel<T> direct_kernel();)
#define FALTUNG_DECLARE_PER_ISA(...) FALTUNG_EACH_ISA_WITH(FALTUNG_DECLARE_IN, __VA_ARGS__)
#define FALTUNG_DECLARE_IN(isa, ...) \
    namespace isa {                  \
    __VA_ARGS__                      \
    }

// return FALTUNG_CALL_FOR_ISA(isa, direct_kernel<T>()) as statements of a switch.
#define FALTUNG_RETURN_FOR_ISA(isa_value, ...) \
    switch (isa_value) { FALTUNG_EACH_ISA_WITH(FALTUNG_RETURN_IN, __VA_ARGS__) }
#define FALTUNG_RETURN_IN(isa, ...) \
    case Isa::isa:                  \
        return isa::__VA_ARGS__;

#if defined(__x86_64__)
#define FALTUNG_EACH_ISA_WITH(X, ...) X(baseline, __VA_ARGS__) X(avx2, __VA_ARGS__) X(avx512, __VA_ARGS__)
#elif defined(__aarch64__)
#define FALTUNG_EACH_ISA_WITH(X, ...) X(neon, __VA_ARGS__)
#else
#define FALTUNG_EACH_ISA_WITH(X, ...) X(baseline, __VA_ARGS__)
#endif
