"""Whatever takes numbers or text, given what nobody would write: ``make fuzz TARGET=plans SECONDS=60``.

A target is a module here with a function ``check(data)``, which makes a case of some bytes and raises unless the answer is right or
a `ConvError`; and, where bytes are read as they are, a function ``seeds()`` with good ones to begin from. `running` feeds
them: at random, or by libFuzzer (atheris), which keeps what reaches new lines. What a run finds goes into ``corpus/TARGET`` once it is
mended, and the suite repeats it.
"""

TARGETS = ("answers", "files", "filters", "models", "native", "notation", "plans", "sizes")
GUIDED = ("answers", "files", "models", "notation")
"""Those whose work is done in Python, where libFuzzer sees which lines an input reaches."""
