#include "core/interruption.h"

#include <time.h>

#include <chrono>
#include <limits>

namespace faltung {

namespace {

// Between two questions. Each waits until other Python threads let go of the interpreter, 5 ms at most.
constexpr std::int64_t patience_milliseconds = 100;

thread_local InterruptibleWork here;

}  // namespace

std::int64_t Interruption::now() {
#ifdef CLOCK_MONOTONIC_COARSE
    timespec time;
    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &time) == 0)
        return std::int64_t(time.tv_sec) * 1000 + time.tv_nsec / 1000000;
#endif
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

Interruption::Interruption(Ask ask, void* context)
    : ask_(ask), context_(context), next_(now() + patience_milliseconds), outer_(here.call) {
    here.call = this;
}

Interruption::~Interruption() {
    here.call = outer_;
}

bool Interruption::ask() {
    switch (ask_(context_)) {
        case Answer::stop:
            is_stopped_.store(true, std::memory_order_relaxed);
            return true;
        case Answer::never_ask_again:
            next_ = std::numeric_limits<std::int64_t>::max();
            return false;
        case Answer::go_on:
            break;
    }
    next_ = now() + patience_milliseconds;
    return false;
}

InterruptibleWork current_work() {
    return here;
}

bool is_interrupted() {
    return here.should_stop();
}

Helping::Helping(Interruption* call) {
    here = {call, true};
}

Helping::~Helping() {
    here = {};
}

}  // namespace faltung
