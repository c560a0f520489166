// Lets other Python threads run while the engine computes.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <thread>

namespace faltung {

class Released {
  public:
    Released() : state_(PyEval_SaveThread()) {}
    Released(const Released&) = delete;
    Released& operator=(const Released&) = delete;

    // While the interpreter shuts down, Python before 3.14 ends a thread that asks for it by unwinding its
    // stack, which nanobind's frames do not survive. Such a thread waits for the end of the process instead,
    // as it does from 3.14 on.
    ~Released() {
        try {
            PyEval_RestoreThread(state_);
        } catch (...) {
            for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
        }
    }

  private:
    PyThreadState* state_;
};

}  // namespace faltung
