// Lets other Python threads run while the engine computes, and Python's signal handlers now and then.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <type_traits>
#include <utility>

#include "core/interruption.h"

namespace faltung {

// From its construction on, the interpreter is free for others; until `take_back`, which throws what a signal
// handler has raised meanwhile (Ctrl-C: KeyboardInterrupt).
class Released {
  public:
    Released() : interruption_(&ask, this), state_(PyEval_SaveThread()) {}
    ~Released();
    Released(const Released&) = delete;
    Released& operator=(const Released&) = delete;

    void take_back();

  private:
    static Interruption::Answer ask(void* self);
    Interruption::Answer heed_signals();
    void restore();

    Interruption interruption_;
    PyThreadState* state_;
    bool has_looked_ = false;
};

// What `work` returns; without the interpreter where it `is_long`. Interrupted work returns early, and nobody
// sees what it returned.
template <class Work>
auto released_if(bool is_long, Work&& work) {
    std::optional<Released> released;
    if (is_long) released.emplace();
    if constexpr (std::is_void_v<decltype(work())>) {
        work();
        if (released) released->take_back();
    } else {
        auto result = work();
        if (released) released->take_back();
        return result;
    }
}

template <class Work>
auto released(Work&& work) {
    return released_if(true, std::forward<Work>(work));
}

}  // namespace faltung
