"""The tests on each mutant: which of them can notice it, run until one does, in a process forked for that.

The tests are collected once. A mutant of a function is put into the process that is forked for it: the function gets the code
of the changed one. What stands outside of functions (tables, defaults, decorators) takes effect when its module is imported;
there the process is forked before the package is, and imports the changed text.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import signal
import sys
import time
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol
from _pytest.warnings import catch_warnings_for_item
from hypothesis import HealthCheck, Phase, settings

from checks.mutation.mutating import Mutant

__all__ = ["Outcome", "run_inside", "run_outside"]

Outcome = str
"""``killed``, ``endless`` (killed too: the tests took far longer than they do), ``survived``."""

IMPORTING_SECONDS = 20
"""Of processor time, for importing and collecting; a test may take ten times as long as it did, and 3 s."""

ARGUMENTS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning"]


PASSED = 33
"""How a process ends in which every test passed: nothing else ends so."""

Tell = Callable[[Mutant, Outcome, str], None]


def run_inside(mutants: Iterable[Mutant], files: dict[str, str], tests: list[str], tell: Tell) -> dict[str, float]:
    """`tell` what becomes of each mutant of a function; `files` are the modules' names and paths. How long each test takes."""
    session = _Session(list(mutants), files, tell)
    code = pytest.main([*ARGUMENTS, *tests], plugins=[session])
    if code != 0 or session.error:
        raise RuntimeError(session.error or f"pytest ended with {code} before a mutant was tried")
    return session.seconds


def run_outside(mutants: Iterable[Mutant], files: dict[str, str], tests: list[str], seconds: dict[str, float], tell: Tell) -> None:
    """The same for mutants outside of functions, quick tests first. The package must not have been imported."""
    if any(name.split(".")[0] == "faltung" for name in sys.modules):
        raise RuntimeError("faltung is imported already")

    def outcome_of(mutant: Mutant) -> tuple[Outcome, str]:
        def child() -> str:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            sys.meta_path.insert(0, _Finder(mutant, files[mutant.module]))
            importlib.import_module(mutant.module)  # before pytest, which reads the files that it is given by a way of its own
            first = _First(seconds)
            code = pytest.main([*ARGUMENTS, "-x", *tests], plugins=[first])
            return first.failed or ("" if code == 0 else f"pytest ended with {code}")

        return _forked(child)

    mutants = list(mutants)
    if mutants:
        _check_unchanged(outcome_of(_unchanged(mutants[0].module, files)))
    for mutant in mutants:
        tell(mutant, *outcome_of(mutant))


def _unchanged(module: str, files: dict[str, str]) -> Mutant:
    """No mutant: the module as it is, which must survive."""
    return Mutant(module, "", False, range(0), range(0), "", Path(files[module]).read_text("utf-8"))


def _check_unchanged(outcome: tuple[Outcome, str]) -> None:
    if outcome != ("survived", ""):
        raise RuntimeError(f"the tests fail without a mutant: {' '.join(outcome)}")


class _First:
    """The first test that fails; a module that cannot be imported fails all of them."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds, self.failed = seconds, ""

    def pytest_configure(self) -> None:
        _do_not_shrink()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        _limit(3 + 10 * self.seconds.get(item.nodeid, 0))
        return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = self.failed or f"{report.nodeid} is not collected"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_internalerror(self) -> None:
        self.failed = self.failed or "pytest itself"


class _Session:
    """A pytest plugin that runs the tests of every mutant in place of the tests."""

    def __init__(self, mutants: list[Mutant], files: dict[str, str], tell: Tell) -> None:
        self.mutants, self.files, self.tell = mutants, files, tell
        self.error = ""
        self.seconds: dict[str, float] = {}

    def pytest_configure(self) -> None:
        _do_not_shrink()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        seconds, readers = self._run_unchanged(session.items)

        def outcome_of(mutant: Mutant, noticing: list[int]) -> tuple[Outcome, str]:
            def child() -> str:
                put_in(mutant)
                for index in noticing:
                    _limit(3 + 10 * seconds[index])
                    if _complaint(session.items[index]):
                        return session.items[index].nodeid
                return ""

            return _forked(child)

        self.seconds = {item.nodeid: round(taken, 4) for item, taken in zip(session.items, seconds, strict=False)}
        if not self.error:
            _check_unchanged(outcome_of(_unchanged(next(iter(self.files)), self.files), list(range(len(seconds)))))
        kills: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for mutant in [] if self.error else self.mutants:
            lines = [readers.get((mutant.module, line), set()) for line in mutant.lines]
            body = [readers.get((mutant.module, line), set()) for line in mutant.body]
            killers = kills[f"{mutant.module} {mutant.function}"]  # what noticed one mistake is likely to notice the next
            noticing = sorted(
                set().union(*lines) or set().union(*body), key=lambda index: (-killers[session.items[index].nodeid], seconds[index])
            )
            outcome, by = outcome_of(mutant, noticing)
            killers[by] += 1
            self.tell(mutant, outcome, by)
        return True

    def _run_unchanged(self, items: list[pytest.Item]) -> tuple[list[float], dict[tuple[str, int], set[int]]]:
        """How long each test takes, and which tests run each line."""
        names = {os.path.realpath(path): module for module, path in self.files.items()}
        seconds: list[float] = []
        readers: dict[tuple[str, int], set[int]] = {}
        lines = coverage.Coverage(data_file=None, include=list(names), config_file=False)
        lines.set_option("run:disable_warnings", ["no-data-collected", "module-not-imported"])
        for index, item in enumerate(items):
            lines.erase()
            begun = time.perf_counter()
            with lines.collect():
                complaint = _complaint(item)
            seconds.append(time.perf_counter() - begun)
            if complaint:
                self.error = f"{item.nodeid} fails without a mutant:\n{complaint}"
                break
            data = lines.get_data()
            for path in data.measured_files():
                for line in data.lines(path) or ():
                    readers.setdefault((names[os.path.realpath(path)], line), set()).add(index)
        return seconds, readers


def put_in(mutant: Mutant) -> None:
    """Give the functions of the module, where they are, the code and the defaults of the mutant's."""
    module = sys.modules[mutant.module]
    changed = types.ModuleType(mutant.module)
    changed.__file__ = module.__file__
    sys.modules[mutant.module] = changed  # dataclasses look their module up
    try:
        exec(compile(mutant.text, str(module.__file__), "exec"), changed.__dict__)
    finally:
        sys.modules[mutant.module] = module
    others = dict(_functions(changed.__dict__, mutant.module))
    for name, function in _functions(module.__dict__, mutant.module):
        other = others[name]
        function.__code__, function.__defaults__, function.__kwdefaults__ = other.__code__, other.__defaults__, other.__kwdefaults__


def _functions(names: dict[str, Any], module: str) -> Iterator[tuple[str, types.FunctionType]]:
    """Functions, methods and properties defined in the module, by qualified name."""
    for value in list(names.values()):
        value = inspect.unwrap(value) if callable(value) and not isinstance(value, type) else value
        if isinstance(value, type) and value.__module__ == module:
            for member in vars(value).values():
                inner = getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", None) or member
                if isinstance(inner, types.FunctionType) and inner.__module__ == module and inner.__code__.co_filename != "<string>":
                    yield inner.__qualname__, inner
        elif isinstance(value, types.FunctionType) and value.__module__ == module:
            yield value.__qualname__, value


class _Finder(importlib.machinery.SourceFileLoader):
    """Imports the mutant in place of its module."""

    def __init__(self, mutant: Mutant, path: str) -> None:
        super().__init__(mutant.module, path)
        self.mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.mutant.module else None

    def get_code(self, fullname: str) -> types.CodeType:
        return compile(self.mutant.text, self.path, "exec")


def _complaint(item: pytest.Item) -> str:
    """What pytest says of the test if it fails."""
    doctest = getattr(item, "dtest", None)
    names = dict(doctest.globs) if doctest else {}
    with catch_warnings_for_item(config=item.config, ihook=item.ihook, when="runtest", item=item):
        reports = runtestprotocol(item, nextitem=None, log=False)
    if doctest:
        doctest.globs.update(names)  # running it empties them
    return "\n".join(report.longreprtext for report in reports if report.failed)


def _do_not_shrink() -> None:
    """That an example fails is enough; the same are drawn for every mutant."""
    settings.register_profile(
        "mutants",
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("mutants")


def _limit(seconds: float) -> None:
    """From now on the process may take that of processor time, before it counts as endless."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _forked(child: Callable[[], str]) -> tuple[Outcome, str]:
    """What `child`, in a process of its own, returns: the test that failed."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            _limit(IMPORTING_SECONDS)
            failed = child()
        except BaseException as error:  # noqa: BLE001 - a mutant may raise anything
            failed = f"{type(error).__name__}: {error}"
        try:
            os.write(writing, failed.encode()[:4000])
        finally:
            os._exit(0 if failed else PASSED)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        failed = pipe.read().decode(errors="replace")
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return ("endless", "") if os.WTERMSIG(status) == signal.SIGPROF else ("killed", f"signal {os.WTERMSIG(status)}")
    return ("survived", "") if os.waitstatus_to_exitcode(status) == PASSED else ("killed", failed or "the process ended")
