#include "bind/released.h"

#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/float_state.h"
#include "core/workspace.h"

namespace faltung {

namespace nb = nanobind;

namespace {

// Python runs signal handlers in this thread alone. Which one that is changes with a fork.
bool is_main_thread() {
    nb::object threading = nb::steal(PyImport_GetModule(nb::str("threading").ptr()));
    if (!threading.is_valid()) {
        PyErr_Clear();
        return true;  // and asks in vain
    }
    return nb::cast<unsigned long>(threading.attr("main_thread")().attr("ident")) ==
           PyThread_get_thread_ident();
}

}  // namespace

// While the interpreter shuts down, Python before 3.14 ends a thread that asks for it by unwinding its stack,
// which nanobind's frames do not survive. Such a thread waits for the end of the process instead, as it does
// from 3.14 on.
void Released::restore() {
    try {
        PyEval_RestoreThread(std::exchange(state_, nullptr));
    } catch (...) {
        for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
}

Released::~Released() {
    if (state_) restore();
}

void Released::take_back() {
    restore();
    if (interruption_.is_stopped()) throw nb::python_error();
}

Interruption::Answer Released::ask(void* self) {
    return static_cast<Released*>(self)->heed_signals();
}

Interruption::Answer Released::heed_signals() {
    const WorkspacesAside aside;  // a handler may convolve, too
    const pid_t process = getpid();
    restore();
    auto answer = Interruption::Answer::go_on;
    const FloatState usual(usual_float_control(false));  // for signal handlers
    try {
        if (!std::exchange(has_looked_, true) && !is_main_thread())
            answer = Interruption::Answer::never_ask_again;
        if (answer == Interruption::Answer::go_on && PyErr_CheckSignals() != 0)
            answer = Interruption::Answer::stop;
    } catch (nb::python_error& error) {
        error.restore();  // of a handler that ran while the question was asked
        answer = Interruption::Answer::stop;
    }
    if (answer != Interruption::Answer::stop && getpid() != process) {
        // What other threads had begun of this call, they finish in the parent alone.
        PyErr_SetString(
            PyExc_RuntimeError,
            "a signal handler forked the process during a convolution, which the child cannot finish");
        answer = Interruption::Answer::stop;
    }
    state_ = PyEval_SaveThread();
    return answer;
}

}  // namespace faltung
