"""An image larger than memory, filtered: `python benchmarks/larger_than_memory.py --folder DIR` or `make bench-big`.

A zarr image of float32 numbers is convolved with a dense kernel by `faltung.dask` and by dask's own `map_overlap` with SciPy, on the same
store, chunks and scheduler; then by a cluster of two worker processes, by one of whose workers one is killed, and by a process
that is killed and gone on with. Every step is a process of its own, whose peak memory the system tells.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

# -- steps: each runs in a process of its own, and prints what it found as JSON ----------------------------


def make_image(folder: Path, size: int, chunk: int, **_: Any) -> dict[str, Any]:
    """A photograph of 12 bits laid over the plane, moved and mirrored from tile to tile, with noise: it compresses as photographs do."""
    import zarr

    from faltung.filtering import brightness
    from faltung.photo import default_photograph

    photo = 16 * brightness(default_photograph())[0]
    tile = np.block([[photo, photo[:, ::-1]], [photo[::-1], photo[::-1, ::-1]]])
    tile = np.tile(tile, [-(-chunk // side) + 1 for side in tile.shape])
    noise = np.random.default_rng(0).normal(0, 8, (chunk + 512, chunk + 512)).astype(np.float32)
    codec = zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
    image = zarr.create_array(str(folder / "image.zarr"), shape=(size, size), chunks=(chunk, chunk), dtype="float32", compressors=codec)

    def write(place: tuple[int, int]) -> None:
        draw = np.random.default_rng(place)
        (top, left), (up, back) = draw.integers(0, 400, 2), draw.integers(0, 512, 2)
        cells = tile[top : top + chunk, left : left + chunk] + noise[up : up + chunk, back : back + chunk]
        rows, columns = (slice(begin, min(begin + chunk, size)) for begin in place)
        image[rows, columns] = np.round(cells)[: rows.stop - rows.start, : columns.stop - columns.start]

    places = [(top, left) for top in range(0, size, chunk) for left in range(0, size, chunk)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, places))
    return {"stored_bytes": stored_bytes(folder / "image.zarr")}


def kernel_of(size: int) -> np.ndarray:
    """Not a product of two vectors, and of no symmetry: every product has to be computed."""
    return np.random.default_rng(1).normal(0, 1 / size, (size, size)).astype(np.float32)


def filtered(folder: Path, kernel: int) -> Any:
    """The dask array that is to be stored."""
    import dask.array as da

    from faltung import dask as fd

    image = da.from_zarr(str(folder / "image.zarr"))
    spec = f"conv2d(1, 1, {kernel}, padding={kernel // 2}, bias=False)"
    return fd.conv(spec, image[None], kernel_of(kernel)[None, None])[0]


def by_faltung(folder: Path, kernel: int, threads: int, **_: Any) -> dict[str, Any]:
    """`faltung.dask` in threads."""
    import dask
    from faltung.dask import to_zarr

    with dask.config.set(scheduler="threads", num_workers=threads):
        begin = time.perf_counter()
        to_zarr(filtered(folder, kernel), folder / "filtered.zarr", progress=True)
        return {"seconds": time.perf_counter() - begin, "stored_bytes": stored_bytes(folder / "filtered.zarr")}


def by_map_overlap(folder: Path, kernel: int, threads: int, peer_size: int, **_: Any) -> dict[str, Any]:
    """`dask.array.map_overlap` with `scipy.ndimage.correlate`, on a corner of the image that is checked against Faltung's."""
    import dask.array as da
    import scipy.ndimage
    import zarr

    import dask

    image = da.from_zarr(str(folder / "image.zarr"))[:peer_size, :peer_size]
    weights = kernel_of(kernel)
    with dask.config.set(scheduler="threads", num_workers=threads):
        begin = time.perf_counter()
        array = da.map_overlap(
            lambda block: scipy.ndimage.correlate(block, weights, mode="constant"), image, depth=kernel // 2, boundary=0, dtype="float32"
        )
        codec = zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
        array.to_zarr(str(folder / "peer.zarr"), compressors=codec)
        seconds = time.perf_counter() - begin
    mine, theirs = zarr.open_array(str(folder / "filtered.zarr")), zarr.open_array(str(folder / "peer.zarr"))
    corner = min(peer_size - kernel, 3000)  # its far edge sees zeros where the image goes on
    difference = np.abs(mine[:corner, :corner] - theirs[:corner, :corner]).max()
    return {"seconds": seconds, "difference": float(difference), "largest": float(np.abs(theirs[:corner, :corner]).max())}


def by_cluster(folder: Path, kernel: int, kill: bool = False, **_: Any) -> dict[str, Any]:
    """Two worker processes of a thread each; with `kill`, one of them is killed half way."""
    import distributed

    from faltung.dask import to_zarr

    killed: list[int] = []

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = list(client.run(os.getpid).values())

        def watch(now: Any) -> None:
            if kill and not killed and 2 * now.done >= now.total:
                os.kill(workers[0], signal.SIGKILL)
                killed.append(now.done)

        target = folder / ("after-kill.zarr" if kill else "cluster.zarr")
        begin = time.perf_counter()
        to_zarr(filtered(folder, kernel), target, progress=watch)
        seconds = time.perf_counter() - begin
        peaks = sorted(client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024).values())
    found = {"seconds": seconds, "worker_peak_bytes": peaks, "same": same_chunks(folder / "filtered.zarr", target)}
    shutil.rmtree(target)
    return found | ({"killed_after_chunks": killed[0]} if kill else {})


def by_killed_worker(**options: Any) -> dict[str, Any]:
    """The cluster, of whose workers one is killed."""
    return by_cluster(**options, kill=True)


def until_killed(folder: Path, kernel: int, threads: int, **_: Any) -> dict[str, Any]:
    """Ends this process half way, as the system would."""
    import dask
    from faltung.dask import to_zarr

    def watch(now: Any) -> None:
        if 2 * now.done >= now.total:
            os.kill(os.getpid(), signal.SIGKILL)

    with dask.config.set(scheduler="threads", num_workers=threads):
        to_zarr(filtered(folder, kernel), folder / "resumed.zarr", progress=watch)
    raise AssertionError("the process was to be killed")


def by_resuming(folder: Path, kernel: int, threads: int, **_: Any) -> dict[str, Any]:
    """Goes on with what the killed process left."""
    import dask
    from faltung.dask import to_zarr

    seen: list[Any] = []
    with dask.config.set(scheduler="threads", num_workers=threads):
        begin = time.perf_counter()
        to_zarr(filtered(folder, kernel), folder / "resumed.zarr", resume=True, progress=seen.append)
        seconds = time.perf_counter() - begin
    same = same_chunks(folder / "filtered.zarr", folder / "resumed.zarr")
    shutil.rmtree(folder / "resumed.zarr")
    return {"seconds": seconds, "kept_chunks": seen[0].done, "chunks": seen[-1].total, "computed_chunks": len(seen) - 1, "same": same}


STEPS = {
    "image": make_image,
    "faltung": by_faltung,
    "map_overlap": by_map_overlap,
    "cluster": by_cluster,
    "killed worker": by_killed_worker,
    "killed": until_killed,
    "resumed": by_resuming,
}


# -- comparing ---------------------------------------------------------------------------------------------


def chunk_files(store: Path) -> dict[Path, Path]:
    return {path.relative_to(store): path for path in store.rglob("*") if path.is_file() and path.name != "zarr.json"}


def stored_bytes(store: Path) -> int:
    return sum(path.stat().st_size for path in chunk_files(store).values())


def same_chunks(first: Path, second: Path) -> bool:
    """Whether both stores have the same files, byte for byte."""
    mine, theirs = chunk_files(first), chunk_files(second)
    return (
        bool(mine) and mine.keys() == theirs.keys() and all(filecmp.cmp(path, theirs[name], shallow=False) for name, path in mine.items())
    )


# -- the whole ---------------------------------------------------------------------------------------------


def run_step(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """What a step found, with its process' peak memory."""
    print(f"{name} …", file=sys.stderr, flush=True)
    command = [sys.executable, __file__, "--step", name, json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if name == "killed":
        assert done.returncode == -signal.SIGKILL, done.returncode
        return {}
    if done.returncode:
        sys.exit(f"{name} ended with status {done.returncode}.")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(options: dict[str, Any], steps: list[str]) -> dict[str, Any]:
    size, peer_size = options["size"], options["peer_size"]
    found: dict[str, Any] = {"options": options | {"folder": None}, "processor": processor(), "machine": platform.machine()}
    for name in steps:
        found[name] = run_step(name, options)
        if name in ("faltung", "cluster", "killed worker"):
            found[name]["pixels_per_second"] = size**2 / found[name]["seconds"]
    if "faltung" in found and "map_overlap" in found:
        peer = found["map_overlap"]
        peer["pixels_per_second"] = peer_size**2 / peer["seconds"]
        assert peer["difference"] <= 1e-4 * peer["largest"], peer
        found["times_as_fast"] = found["faltung"]["pixels_per_second"] / peer["pixels_per_second"]
    return found


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def show(found: dict[str, Any]) -> None:
    options = found["options"]
    size, chunk, kernel, peer_size = (options[name] for name in ("size", "chunk", "kernel", "peer_size"))
    print(f"{size} × {size} float32 ({size**2 * 4 / 1e9:.3g} GB) in chunks of {chunk} × {chunk}, kernel {kernel} × {kernel}, ", end="")
    print(f"{options['threads']} threads, {found['processor']}")
    if "image" in found:
        print(f"the image takes {found['image']['stored_bytes'] / 1e9:.3g} GB on disk")
    print(f"\n{'':<28}{'seconds':>9}{'Mpx/s':>8}{'MB/s':>8}{'peak MiB':>14}  ")
    for name in ("faltung", "map_overlap", "cluster", "killed worker", "resumed"):
        if name not in found:
            continue
        row = found[name]
        label = f"{name}, {peer_size}² of it" if name == "map_overlap" and peer_size != size else name
        rate = row.get("pixels_per_second")
        peaks = row.get("worker_peak_bytes", [row["peak_bytes"]])
        rates = f"{rate / 1e6:>8.1f}{4 * rate / 1e6:>8.0f}" if rate else " " * 16
        said = ["every chunk the same"] if row.get("same") else ["DIFFERENT CHUNKS"] if "same" in row else []
        if "killed_after_chunks" in row:
            said.append(f"a worker killed after {row['killed_after_chunks']} chunks")
        if "kept_chunks" in row:
            said.append(f"{row['kept_chunks']} of {row['chunks']} chunks kept, {row['computed_chunks']} computed")
        print(f"{label:<28}{row['seconds']:>9.1f}{rates}{' + '.join(f'{peak / 2**20:.0f}' for peak in peaks):>14}  {'; '.join(said)}")
    if "times_as_fast" in found:
        whole = size**2 / found["map_overlap"]["pixels_per_second"]
        print(f"\nmap_overlap would take {whole:.0f} s for the whole at that rate: Faltung is {found['times_as_fast']:.1f} times as fast.")


def main() -> None:
    if sys.argv[1:2] == ["--step"]:
        options = json.loads(sys.argv[3])
        found = STEPS[sys.argv[2]](**options | {"folder": Path(options["folder"])})
        print(json.dumps(found | {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=40_000, help="rows and columns of the image (40000: 6.4 GB)")
    parser.add_argument("--chunk", type=int, default=1600, help="rows and columns of a chunk")
    parser.add_argument("--kernel", type=int, default=15, help="rows and columns of the kernel, odd")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer-size", type=int, default=8000, help="rows and columns that map_overlap does; the rest is arithmetic")
    parser.add_argument(
        "--folder", type=Path, help="where the arrays are kept meanwhile: about 4 times the image; the system's for temporary files"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything that was measured")
    parser.add_argument("--steps", default=",".join(STEPS), help="some of " + ", ".join(STEPS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faltung-", dir=arguments.folder) as folder:
        options = {"folder": folder, **{name: getattr(arguments, name) for name in ("size", "chunk", "kernel", "threads", "peer_size")}}
        options["peer_size"] = min(options["peer_size"], options["size"])
        found = measure(options, arguments.steps.split(","))
    show(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
