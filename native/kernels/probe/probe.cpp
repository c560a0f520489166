#include "kernels/probe/probe.h"

#include <chrono>
#include <vector>

#include "core/isa_switch.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/dots/dots.h"

namespace faltung {

FALTUNG_DECLARE_PER_ISA(template <class T> double multiply_add_burst(Index rounds, T* sink);)

namespace {

using Clock = std::chrono::steady_clock;

template <class T>
double burst(Isa isa, Index rounds, T* sink) {
    FALTUNG_RETURN_FOR_ISA(isa, multiply_add_burst<T>(rounds, sink))
    return 0;
}

// Calls round() until `seconds` have passed and returns the best of the rates amount / time.
template <class Round>
double best_rate(double seconds, Round round) {
    double best = 0;
    const auto start = Clock::now();
    do {
        const auto before = Clock::now();
        const double amount = round();
        const std::chrono::duration<double> took = Clock::now() - before;
        if (took.count() > 0 && amount / took.count() > best) best = amount / took.count();
    } while (std::chrono::duration<double>(Clock::now() - start).count() < seconds);
    return best;
}

// Of burst(rounds, sink), on each thread.
template <class T, class Burst>
double peak_of(Burst own_burst, int threads, double seconds) {
    constexpr Index rounds = 100000;  // about a millisecond
    return best_rate(seconds, [&] {
        std::vector<double> amounts(static_cast<std::size_t>(threads));
        auto body = [&](Index task, int) {
            alignas(64) T sink[256] = {};
            amounts[static_cast<std::size_t>(task)] = own_burst(rounds, sink);
        };
        parallel_for(threads, threads, body);
        double total = 0;
        for (double amount : amounts) total += amount;
        return total;
    });
}

template <class T>
double peak_of(Isa isa, int threads, double seconds) {
    return peak_of<T>([isa](Index rounds, T* sink) { return burst(isa, rounds, sink); }, threads, seconds);
}

}  // namespace

double peak_flops(Type type, Isa isa, int threads, double seconds) {
    if (type == Type::float32) return peak_of<float>(isa, threads, seconds);
    if (type == Type::bfloat16 && has_bfloat16_dots(isa))
        return peak_of<float>(dots_kernel().burst, threads, seconds);
    if (is_half(type)) return peak_of<float>(isa, threads, seconds);
    if (type == Type::float64) return peak_of<double>(isa, threads, seconds);
    return peak_of<std::uint64_t>(isa, threads, seconds);
}

double memory_bandwidth(int threads, double seconds) {
    constexpr Index elements = Index(16) << 20;  // 128 MiB an array
    AlignedBuffer memory(3 * elements * Index(sizeof(double)));
    double* a = reinterpret_cast<double*>(memory.data());
    double* b = a + elements;
    double* c = b + elements;
    for (Index i = 0; i < 3 * elements; ++i) a[i] = 1.0;
    return best_rate(seconds, [&] {
        auto body = [&](Index task, int) {
            const Index end = (task + 1) * elements / threads;
            for (Index i = task * elements / threads; i < end; ++i) a[i] = b[i] + 3.0 * c[i];
        };
        parallel_for(threads, threads, body);
        return 3.0 * static_cast<double>(elements) * sizeof(double);
    });
}

}  // namespace faltung
