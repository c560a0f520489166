// What threads share, driven hard without Python, under ThreadSanitizer (`make check-threads`): the pool and
// a team it borrows, memory that is recycled, scratch memory, operations that many threads run at once, and a
// process that forks in the midst of it. Results are compared, so that a race that the sanitizer misses shows
// as well.
#include "core/threads.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/recycled.h"
#include "core/workspace.h"
#include "kernels/registry.h"

namespace {

using namespace faltung;

constexpr int callers = 8;
constexpr int rounds = 40;

std::atomic<int> faults{0};

void expect(bool holds, const char* what) {
    if (holds) return;
    if (faults.fetch_add(1) < 10) std::printf("wrong: %s\n", what);
}

void together(const std::function<void(int)>& work, int count = callers) {
    std::vector<std::thread> all;
    for (int t = 0; t < count; ++t) all.emplace_back(work, t);
    for (std::thread& one : all) one.join();
}

// Every task once, whichever thread holds the pool; plain stores, so that two of the same task are a race.
void tasks_once(int caller) {
    for (int round = 0; round < rounds; ++round) {
        const Index tasks = 1 + (caller * 31 + round * 7) % 97;
        const int threads = 1 + (caller + round) % 5;
        std::vector<int> done(static_cast<std::size_t>(tasks)), own(static_cast<std::size_t>(threads));
        auto work = [&](Index task, int worker) {
            ++done[static_cast<std::size_t>(task)];
            ++own[static_cast<std::size_t>(worker)];
        };
        parallel_for(tasks, threads, work);
        for (const int times : done) expect(times == 1, "a task is done once");
        worthwhile_threads(Index(1) << (round % 30), threads);
    }
}

// What one task throws reaches the caller, when no thread is at the job any more.
void tasks_that_throw(int caller) {
    for (int round = 0; round < rounds; ++round) {
        std::atomic<int> inside{0};
        auto work = [&](Index task, int) {
            inside.fetch_add(1);
            if (task % 7 == caller % 7) {
                inside.fetch_sub(1);
                throw std::bad_alloc();
            }
            inside.fetch_sub(1);
        };
        bool has_thrown = false;
        try {
            parallel_for(50, 1 + round % 4, work);
        } catch (const std::bad_alloc&) {
            has_thrown = true;
        }
        expect(has_thrown && inside.load() == 0, "what a task throws reaches the caller");
    }
}

// Blocks that pass from thread to thread, each full of what its holder wrote.
void recycling(int caller) {
    for (int round = 0; round < rounds; ++round) {
        const Index bytes = least_recycled_bytes + (round % 7) * 4096;
        char* const block = take_recycled(bytes);
        std::memset(block, caller, static_cast<std::size_t>(bytes));
        expect(recycled_bytes_idle() >= 0, "idle memory is not negative");
        expect(block[0] == caller && block[bytes - 1] == caller, "a block has one holder");
        give_recycled(block, bytes);
    }
}

void scratch(int caller) {
    for (int round = 0; round < rounds; ++round) {
        const Index bytes = (round % 5 + 1) * 30000;
        const Workspace own(bytes);
        const Workspace other(bytes / 2, Borrower::conversion);
        std::memset(own.data(), caller, static_cast<std::size_t>(bytes));
        std::memset(other.data(), -caller, static_cast<std::size_t>(bytes / 2));
        expect(own.data()[bytes - 1] == caller, "scratch memory has one holder");
    }
}

template <class Make>
auto made(const Make& make) -> decltype(make()) {
    try {
        return make();
    } catch (const std::invalid_argument&) {
        return nullptr;  // it does not serve the problem
    }
}

struct Case {
    Problem problem;
    Index x_cells, y_cells, weights;
};

Case case_of(Index groups, Index in, Index out, Index rows, Index columns, Index kernel, Index stride,
             Index before, Index dilation = 1) {
    const auto axis = [&](Index size) {
        return Axis{size,     (size + 2 * before - dilation * (kernel - 1) - 1) / stride + 1,
                    kernel,   stride,
                    dilation, before};
    };
    Case made{
        {groups, in, out, {axis(rows), axis(columns)}, Border::zeros}, groups * in * rows * columns, 0, 0};
    made.y_cells = groups * out * outputs(made.problem.axes);
    made.weights = groups * in * out * kernel * kernel;
    return made;
}

// Of a transposed correlation: four taps, every second output from two of them.
Case case_in_phases(Index groups, Index in, Index out, Index rows, Index columns) {
    Case made = case_of(groups, in, out, rows, columns, 4, 1, 0);
    made.problem.axes = {{rows, 2 * rows, 4, 2, 1, 0}, {columns, 2 * columns, 4, 2, 1, 0}};
    for (const Index size : {rows, columns})
        made.problem.phases.push_back({{0, size, 1, 2, 2, 1, 1}, {1, size, 0, 2, 2, 1, 0}});
    made.y_cells = groups * out * outputs(made.problem.axes);
    return made;
}

std::vector<Index> strides(Index middle, Index inner, Index rows, Index columns) {
    return {middle * inner * rows * columns, inner * rows * columns, rows * columns, columns, 1};
}

// Whole numbers from -2 to 2; those of two bytes are bfloat16.
template <class Cell>
std::vector<Cell> numbers(Index count, int seed) {
    std::vector<Cell> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const float value = static_cast<float>((i * 7 + static_cast<std::size_t>(seed)) % 5) - 2;
        if constexpr (sizeof(Cell) == 2) {
            std::uint32_t bits;
            std::memcpy(&bits, &value, sizeof bits);
            values[i] = static_cast<Cell>(bits >> 16);
        } else {
            values[i] = value;
        }
    }
    return values;
}

// Which families have served a case, so that none is left out unnoticed.
std::set<std::string> served;

template <class Cell>
void pack(const Correlation& kernel, const Case& of, AlignedBuffer& packed) {
    const Problem& p = of.problem;
    if (const Index length = kernel.factor_length()) {
        constexpr Index rank = 2;
        const Index channels = p.groups * p.out_channels;
        std::vector<Cell> factors = numbers<Cell>(rank * channels * length, 1);
        packed = AlignedBuffer(kernel.factors_bytes(rank));
        kernel.pack_factors({factors.data(), {channels * length, p.out_channels * length, length, 1}}, rank,
                            packed.data());
        return;
    }
    std::vector<Cell> weight = numbers<Cell>(of.weights, 1);
    packed = AlignedBuffer(kernel.packed_bytes());
    kernel.pack({weight.data(), strides(p.out_channels, p.in_channels, p.axes[0].kernel, p.axes[1].kernel)},
                packed.data(), 4);
}

// One operation, made once and run by every thread, each on several workers: the same bits for all.
template <class Cell>
void shared_operation(const std::string& family, const std::unique_ptr<Correlation>& kernel, const Case& of) {
    if (!kernel) return;
    served.insert(family);
    const Problem& p = of.problem;
    constexpr Index batch = 3;
    std::vector<Cell> x = numbers<Cell>(batch * of.x_cells, 2);
    std::vector<float> bias = numbers<float>(p.groups * p.out_channels, 3);
    const Axis &rows = p.axes[0], &columns = p.axes[1];
    const Array x_array{x.data(), strides(p.groups, p.in_channels, rows.in, columns.in)};
    AlignedBuffer packed;
    pack<Cell>(*kernel, of, packed);
    const auto run = [&](int threads) {
        std::vector<Cell> y(static_cast<std::size_t>(batch * of.y_cells));
        const Array y_array{y.data(), strides(p.groups, p.out_channels, rows.out, columns.out)};
        kernel->run(batch, x_array, packed.data(), Epilogue(bias.data()), y_array, false, threads);
        return y;
    };
    const std::vector<Cell> expected = run(1);
    together([&](int caller) {
        for (int round = 0; round < 2; ++round)
            expect(run(1 + (caller + round) % 4) == expected, (family + " gives the same bits").c_str());
    });
}

void shared_gradient(const std::string& family, const Case& of, Isa isa) {
    const Problem& p = of.problem;
    const auto kernel = made([&] { return weight_gradient_family(family).make(p, Type::float32, isa); });
    if (!kernel) return;
    served.insert("gradient, " + family);
    constexpr Index batch = 3;
    std::vector<float> x = numbers<float>(batch * of.x_cells, 2),
                       grad = numbers<float>(batch * of.y_cells, 3);
    const Axis &rows = p.axes[0], &columns = p.axes[1];
    const Array x_array{x.data(), strides(p.groups, p.in_channels, rows.in, columns.in)};
    const Array grad_array{grad.data(), strides(p.groups, p.out_channels, rows.out, columns.out)};
    const auto run = [&](int threads) {
        std::vector<float> gw(static_cast<std::size_t>(of.weights));
        const Array gw_array{gw.data(), strides(p.out_channels, p.in_channels, rows.kernel, columns.kernel)};
        kernel->run(batch, x_array, grad_array, gw_array, threads);
        return gw;
    };
    const std::vector<float> expected = run(1);
    together([&](int caller) {
        for (int round = 0; round < 2; ++round)
            expect(run(1 + (caller + round) % 4) == expected,
                   ("the gradient by " + family + " has the same bits").c_str());
    });
}

// Every family, on its own numbers and, where it sums them in float32, on bfloat16 ones.
void operations(const std::string& name) {
    const Isa isa = isa_from_name(name);
    const std::vector<Case> cases{
        case_of(1, 6, 21, 19, 33, 3, 1, 1), case_of(2, 4, 5, 16, 18, 3, 2, 1),
        case_of(9, 1, 1, 24, 40, 5, 1, 2),  case_of(1, 40, 24, 9, 11, 1, 1, 0),
        case_of(1, 3, 16, 19, 23, 7, 2, 3), case_of(1, 16, 16, 14, 15, 3, 1, 3, 3),
        case_of(4, 1, 1, 16, 20, 9, 1, 4),  case_in_phases(1, 6, 5, 8, 12),
    };
    const std::vector<std::string> families{"general",   "direct",    "filter",      "unfold",  "pointwise",
                                            "depthwise", "separable", "channelwise", "grouped", "spectral",
                                            "planes",    "winograd",  "winograd6",   "dilated", "stem"};
    const std::vector<std::string> gradients{"general",   "direct",      "filter",
                                             "depthwise", "channelwise", "winograd"};
    served.clear();
    for (const Case& one : cases) {
        const auto make = [&](const std::string& family, Type type) {
            return made([&] { return correlation_family(family).make(one.problem, type, isa); });
        };
        for (const std::string& family : families)
            shared_operation<float>(family, make(family, Type::float32), one);
        shared_operation<std::uint16_t>("dots", make("dots", Type::bfloat16), one);
        for (const char* family : {"direct", "depthwise"})
            shared_operation<std::uint16_t>(std::string("converted ") + family, made([&] {
                                                return half_correlation(correlation_family(family),
                                                                        one.problem, Type::bfloat16, isa);
                                            }),
                                            one);
        if (one.problem.phases.empty())
            for (const std::string& family : gradients) shared_gradient(family, one, isa);
    }
    for (const std::string& family : families)
        expect(served.count(family), (family + " serves a case").c_str());
    for (const std::string& family : gradients)
        expect(served.count("gradient, " + family), ("the gradient by " + family + " serves a case").c_str());
    expect(served.count("dots") || !has_bfloat16_dots(isa), "dots serves a case");
    std::printf("%s: %zu families\n", name.c_str(), served.size());
}

// An OpenMP runtime of our own, as far as the pool asks for one.
thread_local int team_number = 0;

void team_parallel(void (*region)(void*), void* data, unsigned, unsigned) {
    std::vector<std::thread> all;
    for (int t = 1; t < 4; ++t)
        all.emplace_back([=] {
            team_number = t;
            region(data);
        });
    region(data);
    for (std::thread& one : all) one.join();
}

// A child has the caller alone: its pool is new, whatever the parent's did at that moment.
void forks() {
    std::atomic<bool> is_over{false};
    std::thread busy([&] {
        while (!is_over.load()) tasks_once(1);
    });
    for (int round = 0; round < 5; ++round) {
        const pid_t child = fork();
        if (child == 0) {
            std::atomic<int> done{0};
            auto work = [&](Index, int) { done.fetch_add(1); };
            parallel_for(50, 3, work);
            const Workspace own(1000);
            char* const block = take_recycled(least_recycled_bytes);
            give_recycled(block, least_recycled_bytes);
            _exit(done.load() == 50 ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked child computes");
    }
    is_over.store(true);
    busy.join();
}

}  // namespace

int main() {
    together(tasks_once);
    together(tasks_that_throw);
    together(recycling);
    together(scratch);
    together([](int caller) {
        caller % 3 == 0 ? tasks_once(caller) : caller % 3 == 1 ? recycling(caller) : scratch(caller);
    });
    // What threads share is the same for all instruction sets; some families are not there on the first.
    const std::vector<std::string> isas = detected_isas();
    operations(isas.front());
    if (isas.size() > 1) operations(isas.back());
    borrow_team(team_parallel, [] { return team_number; });
    together(tasks_once, 3);
    together(tasks_that_throw, 3);
    borrow_team(nullptr, nullptr);
    forks();
    std::printf("%s\n", faults.load() ? "Threads disturb one another." : "No thread disturbs another.");
    return faults.load() != 0;
}
