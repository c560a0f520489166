"""Forks, spawned processes, many threads and ends of the interpreter, all while the engine computes.

``python checks/processes.py``; each case is a process of its own that must print what it promises, and nothing to standard error.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

WORK = '''
import atexit, multiprocessing, os, sys, threading, warnings
import numpy as np
import faltung as fl
import faltung.ndimage

warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks while threads are there

TEXTS = [
    "conv2d(16, 24, 3, padding=1)", "conv2d(32, 32, 1)", "conv2d(32, 32, 5, groups=32, padding=2)", "conv2d(3, 32, 7, stride=2)",
    "conv_transpose2d(16, 8, 4, stride=2, padding=1)", "conv2d(1, 4, 17)", "conv2d(8, 8, 3, dilation=2)", "conv2d(64, 64, 3)",
]
DTYPES = ["float32", "float32", "float32", "float64", "float32", "float64", "int64", "float16"]


def numbers(shape, dtype, seed):
    return np.random.default_rng(seed).integers(-5, 6, shape).astype(dtype)


class Job:
    """Everything that one spec can be asked for, and the bits that came first."""

    def __init__(self, which):
        self.spec, dtype = fl.ConvSpec.parse(TEXTS[which]), DTYPES[which]
        shape = (2, self.spec.in_channels, 33, 30)
        self.x, self.weight = numbers(shape, dtype, which), numbers(self.spec.weight_shape, dtype, which + 100)
        self.grad = numbers(self.spec.output_shape(shape), dtype, which + 200)
        self.plan = fl.plan(self.spec, shape, dtype)
        self.prepared = self.plan.prepare(self.weight)
        self.expected = [array.copy() for array in self.results()]

    def results(self):
        out = np.empty_like(self.prepared(self.x))
        self.prepared(self.x, out=out)
        return [
            fl.conv(self.spec, self.x, self.weight), self.plan(self.x, self.weight), self.prepared(self.x), out,
            fl.conv_input_grad(self.spec, self.grad, self.weight, (33, 30)), fl.conv_weight_grad(self.spec, self.x, self.grad),
            faltung.ndimage.gaussian_filter(self.x[0, 0].astype("float64"), 2),
        ]

    def is_same(self):
        return all(np.array_equal(found, wanted) for found, wanted in zip(self.results(), self.expected, strict=True))


def in_threads(works):
    found = [None] * len(works)

    def run(number):
        found[number] = works[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def child(job):
    return job.is_same()
'''

BUSY = """
    fl.set_num_threads(2)
    jobs = [Job(which) for which in range(8)]
    stop = threading.Event()
    def busy(job):
        while not stop.is_set():
            assert job.is_same()
    threads = [threading.Thread(target=busy, args=(job,), daemon=DAEMON) for job in jobs[:3]]
    for thread in threads:
        thread.start()
"""

MAIN = 'if __name__ == "__main__":\n'

CASES: dict[str, str] = {
    "eight threads, one plan": """
    for threads in (1, 2, 5):
        fl.set_num_threads(threads)
        for job in [Job(which) for which in range(8)]:
            assert all(in_threads([lambda: all(job.is_same() for _ in range(ROUNDS))] * 8)), str(job.spec)
""",
    "eight threads, eight plans": """
    jobs = [Job(which) for which in range(8)]
    for threads in (1, 2, 5):
        fl.set_num_threads(threads)
        assert all(in_threads([lambda job=job: all(job.is_same() for _ in range(4 * ROUNDS)) for job in jobs]))
""",
    "eight threads, plans of nobody yet": """
    fl.set_num_threads(2)
    assert all(in_threads([lambda which=which: Job(which).is_same() for which in range(8)]))
""",
    "eight threads, every cache empty": """
    import functools, gc, pickle
    fl.set_num_threads(2)
    texts = [f"conv2d({c}, {o}, {k}, stride={s})" for c, o in ((1, 4), (3, 8), (16, 16)) for k in (1, 3, 5) for s in (1, 2)] + TEXTS
    arrays = []
    for text in texts:
        spec = fl.ConvSpec.parse(text)
        x, weight = numbers((1, spec.in_channels, 25, 24), "int64", 1), numbers(spec.weight_shape, "int64", 2)
        wanted = fl.plan(spec, x.shape, "int64", algorithm="general")(x, weight)
        arrays.append((x.astype("float32"), weight.astype("float32"), wanted))
    image = numbers((24, 25), "float64", 3)
    blurred = faltung.ndimage.uniform_filter(image, 5)
    caches = [each for each in gc.get_objects() if isinstance(each, functools._lru_cache_wrapper) and each.__module__.startswith("faltung")]
    assert len(caches) > 20

    def anew(first):
        barrier.wait()
        same = True
        for number in [*range(first, len(texts)), *range(first)]:
            (x, weight, wanted), spec = arrays[number], fl.ConvSpec.parse(texts[number])
            plan = fl.plan(spec, x.shape, accuracy="exact")
            found = [fl.conv(spec, x, weight, accuracy="exact"), plan(x, weight), plan.prepare(weight)(x)]
            grad = np.ones(wanted.shape, "float32")
            fl.conv_input_grad(spec, grad, weight, (25, 24)), fl.conv_weight_grad(spec, x, grad)
            same = same and pickle.loads(pickle.dumps(spec)) == spec and all(np.array_equal(each, wanted) for each in found)
        return same and np.array_equal(faltung.ndimage.uniform_filter(image, 5), blurred)

    for _ in range(5 * ROUNDS):
        for cache in caches:
            cache.cache_clear()
        barrier = threading.Barrier(8)
        assert all(in_threads([lambda first=3 * number: anew(first) for number in range(8)]))
""",
    "eight threads, while the number of threads changes": """
    jobs = [Job(which) for which in range(8)]
    def change():
        for number in range(200 * ROUNDS):
            fl.set_num_threads(1 + number % 7)
        return True
    assert all(in_threads([change, *(lambda job=job: all(job.is_same() for _ in range(3 * ROUNDS)) for job in jobs)]))
""",
    "forks in a thread while others compute": BUSY.replace("DAEMON", "False")
    + """
    codes = set()
    def fork():
        for _ in range(10 * ROUNDS):
            pid = os.fork()
            if pid == 0:
                os._exit(17 if all(job.is_same() for job in jobs) else 18)
            codes.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    in_threads([fork, fork])
    stop.set()
    assert codes == {17}, codes
""",
    "grandchildren, who end like any process": BUSY.replace("DAEMON", "True")
    + """
    pid = os.fork()
    if pid == 0:
        same = all(job.is_same() for job in jobs)
        pid = os.fork()
        if pid == 0:
            same = same and all(job.is_same() for job in jobs)
        elif os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 17:
            same = False
        sys.stdout = open(os.devnull, "w")
        sys.exit(17 if same else 18)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    stop.set()
    for thread in threads:
        thread.join()
    assert code == 17, code
""",
    "ends while daemon threads compute": BUSY.replace("DAEMON", "True"),
    "ends by an exit in the middle": BUSY.replace("DAEMON", "True") + "    print('as promised', flush=True); sys.exit(0)\n",
    "computes while it ends": BUSY.replace("DAEMON", "True")
    + """
    class Last:
        def __del__(self, job=jobs[3]):
            assert job.is_same()
    last = sys.modules["last"] = Last()
    atexit.register(jobs[4].is_same)
""",
    "ends while a pool of threads has work": """
    from concurrent.futures import ThreadPoolExecutor
    pool = ThreadPoolExecutor(4)
    jobs = [Job(which) for which in range(8)]
    done = [pool.submit(job.is_same) for job in jobs * ROUNDS]
""",
    **{
        f"multiprocessing by {method}": f"""
    fl.set_num_threads(2)
    jobs = [Job(which) for which in range(8)]
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        assert all(pool.map(same_as_first, range(8)))
    assert all(job.is_same() for job in jobs)
"""
        for method in ("fork", "spawn", "forkserver")
    },
    **{
        f"PyTorch's DataLoader by {method}": f"""
    import torch, faltung.torch
    from torch.utils.data import DataLoader
    fl.set_num_threads(2)
    layer = faltung.torch.Conv2d(3, 8, 3)
    expected = layer(torch.ones(64, 3, 40, 40))
    loader = DataLoader(Blurred(), batch_size=4, num_workers=2, multiprocessing_context="{method}")
    wanted = faltung.ndimage.gaussian_filter(np.ones((40, 40)), 3) * 5
    for _ in range(ROUNDS):
        for batch in loader:
            assert np.allclose(batch.numpy(), wanted)
            assert torch.equal(layer(torch.ones(64, 3, 40, 40)), expected)
"""
        for method in ("fork", "spawn", "forkserver")
    },
    "PyTorch's layers in eight threads": """
    import torch, faltung.torch
    fl.set_num_threads(2)
    torch.manual_seed(1)
    layers = [faltung.torch.Conv2d(8, 16, 3), faltung.torch.ConvTranspose2d(8, 16, 4, stride=2), faltung.torch.BlurPool2d(8)]
    x = torch.randn(2, 8, 40, 40)
    def of(layer):
        seen = x.clone().requires_grad_()
        result = layer(seen)
        (gradient,) = torch.autograd.grad(result.square().sum(), seen)
        return result.detach(), gradient
    wanted = [of(layer) for layer in layers]
    def work(number):
        return all(
            all(torch.equal(a, b) for a, b in zip(of(layers[number % 3]), wanted[number % 3])) for _ in range(20 * ROUNDS)
        )
    assert all(in_threads([lambda number=number: work(number) for number in range(8)]))
""",
}

HELPERS = """
def same_as_first(which):
    return Job(which).is_same()


class Blurred:
    def __len__(self):
        return 16

    def __getitem__(self, number):
        image = np.ones((40, 40))
        for _ in range(3):
            fl.conv2d(np.ones((16, 60, 60), "float32"), np.ones((16, 16, 3, 3), "float32"))
        return faltung.ndimage.gaussian_filter(image, 3) * 5
"""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3, help="how often each case does what it does")
    options.add_argument("--only", default="", help="cases with this in their names")
    options.add_argument("--seconds", type=float, default=300, help="a case that takes longer hangs")
    arguments = options.parse_args()
    has_torch = importlib.util.find_spec("torch") is not None
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"CPython {sys.version.split()[0]}, {'with' if has_lock else 'without'} the interpreter's lock", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "case.py"
        for name, body in CASES.items():
            if arguments.only not in name:
                continue
            if "PyTorch" in name and not has_torch:
                print(f"left out {name}: PyTorch is not installed", flush=True)
                continue
            body = textwrap.dedent(body).replace("ROUNDS", str(arguments.rounds))
            promised = "" if "as promised" in body else "print('as promised', flush=True)\n"
            program.write_text(WORK + HELPERS + MAIN + textwrap.indent(body + promised, "    "))
            began = time.perf_counter()
            try:
                done = subprocess.run(
                    [sys.executable, str(program)], capture_output=True, text=True, timeout=arguments.seconds, check=False
                )
                found = (done.returncode, done.stdout, done.stderr)
            except subprocess.TimeoutExpired:
                found = (-1, "", f"hangs: not over after {arguments.seconds:g} s")
            is_right = found == (0, "as promised\n", "")
            failed += not is_right
            print(f"{'ok    ' if is_right else 'FAILED'} {name} ({time.perf_counter() - began:.1f} s)", flush=True)
            if not is_right:
                print(textwrap.indent(f"exit status {found[0]}\n{found[1]}{found[2]}"[-3000:], "    "), flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
