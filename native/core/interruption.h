// A long call ends early where its caller no longer wants it: tasks that have not begun are left out, long
// ones return in the middle, and what was computed is worth nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace faltung {

// What one call can be asked. The thread that called asks, now and then, and between tasks; its helpers see
// the answer.
class Interruption {
  public:
    enum class Answer { go_on, stop, never_ask_again };
    using Ask = Answer (*)(void* context);

    // For calls from this thread, until it goes out of scope.
    Interruption(Ask ask, void* context);
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    bool is_stopped() const { return is_stopped_.load(std::memory_order_relaxed); }

    // From the thread that called; takes nanoseconds, or as long as `ask` where some time has passed.
    bool should_stop() { return is_stopped() || (now() >= next_ && ask()); }

  private:
    // Milliseconds, of a clock that is cheap to read.
    static std::int64_t now();
    bool ask();

    Ask ask_;
    void* context_;
    std::int64_t next_;
    std::atomic<bool> is_stopped_{false};
    Interruption* outer_;
};

// Which call the current thread computes for, if it can be interrupted, and whether as a helper.
struct InterruptibleWork {
    Interruption* call = nullptr;
    bool is_helping = false;

    bool should_stop() const {
        return call != nullptr && (is_helping ? call->is_stopped() : call->should_stop());
    }
};

InterruptibleWork current_work();

// Takes part in a call of another thread until it goes out of scope.
class Helping {
  public:
    explicit Helping(Interruption* call);
    ~Helping();
    Helping(const Helping&) = delete;
    Helping& operator=(const Helping&) = delete;
};

// Inside of tasks that may last longer than a tenth of a second, once every few milliseconds or so; from any
// thread.
bool is_interrupted();

}  // namespace faltung
