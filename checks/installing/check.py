"""Builds the source distribution and a wheel from it, looks into both, and installs the wheel with each extra by itself.

    python checks/installing/check.py                     all of it, but for the extras that are gigabytes or for developers
    python checks/installing/check.py --extra peers       this extra alone; may be repeated; "none" is without extras
    python checks/installing/check.py --lowest            with the lowest versions that pyproject.toml allows
    python checks/installing/check.py --python python3.13 for another Python; may be repeated, the first one builds
    python checks/installing/check.py --wheel a.whl       with a wheel that is there already

Environments and results are in build/installing. Exit status 1: something is not as promised.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
WORK = ROOT / "build" / "installing"
LARGEST_WHEEL = 5_000_000
# What the build reads, and what every source distribution has.
IN_SDIST = {"CHANGELOG.md", "CMakeLists.txt", "LICENSE", "PKG-INFO", "README.md", "native", "pyproject.toml", "src"}
SYSTEM_LIBRARIES = {
    "ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libstdc++.so.6",
}  # fmt: skip
DEVELOPERS = {"coverage", "docs", "fuzz", "lint", "mutants", "release", "test", "typing"}  # other targets of the Makefile try them
BESIDE = {"pandas": "onnx,pandas"}  # extras that do something only beside another

project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
problems: list[str] = []


def check(holds: bool, words: str) -> None:
    """Say what was found; remember it if it is wrong."""
    print("  " + ("" if holds else "WRONG: ") + words, flush=True)
    if not holds:
        problems.append(words)


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its words kept."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def built(source: Path, *kinds: str) -> Path:
    """The file that `build` makes of a source tree."""
    out = WORK / "dist"
    before = set(out.glob("*"))
    pinned = os.environ | {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    done = run(sys.executable, "-m", "build", "--outdir", out, *kinds, source, env=pinned)
    made = set(out.glob("*")) - before
    if done.returncode != 0 or len(made) != 1:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return made.pop()


def look_into_sdist(path: Path) -> None:
    """Only what the build needs."""
    with tarfile.open(path) as archive:
        files = [one for one in archive.getmembers() if one.isfile()]
    tops = {one.name.split("/")[1] for one in files}
    compiled = [one.name for one in files if re.search(r"\.(so|pyc|o|dylib)$", one.name)]
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(files)} files, {sum(one.size for one in files):,} bytes unpacked")
    check(tops == IN_SDIST, f"at its top: {', '.join(sorted(tops))}")
    check(not compiled, f"compiled files in it: {', '.join(compiled) or 'none'}")


def look_into_wheel(path: Path) -> None:
    """Every source, the stub, one module; small; nothing of the system bundled."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (module,) = (name for name in names if re.fullmatch(r"faltung/_native\..*\.so", name))
        archive.extract(module, WORK / "looked")
    size = path.stat().st_size
    print(f"{path.name}: {size:,} bytes, {len(names)} files")
    check(size < LARGEST_WHEEL, f"under {LARGEST_WHEEL:,} bytes: {size:,}")
    ours = {f"faltung/{one.relative_to(ROOT / 'src/faltung')}" for one in (ROOT / "src/faltung").rglob("*") if one.is_file()}
    tracked = {name for name in ours if not re.search(r"\.(so|pyc)$", name)}
    check(tracked <= set(names), f"every source is in it; missing: {', '.join(sorted(tracked - set(names))) or 'none'}")
    others = {name for name in set(names) - tracked - {module} if ".dist-info/" not in name}
    check(not others, f"nothing else is: {', '.join(sorted(others)) or 'none'}")
    check({"faltung/py.typed", "faltung/_native.pyi"} <= set(names), "it is typed: py.typed and the stub of the compiled module")
    if sys.platform == "linux":
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", WORK / "looked" / module).stdout))
        check(needed <= SYSTEM_LIBRARIES, f"needs of the system only: {', '.join(sorted(needed))}")
        sections = run("readelf", "-SW", WORK / "looked" / module).stdout
        check(".symtab" not in sections and ".debug_info" not in sections, "stripped")


def repaired(path: Path) -> Path:
    """The wheel with the tag of the oldest system that it runs on."""
    out = WORK / "repaired"
    done = run(
        sys.executable,
        "-m",
        "auditwheel",
        "repair",
        "--wheel-dir",
        out,
        path,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    (found,) = out.glob("*.whl") if done.returncode == 0 else (None,)
    if found is None:
        sys.exit(done.stdout + done.stderr)
    with zipfile.ZipFile(found) as archive:
        bundled = [name for name in archive.namelist() if ".libs/" in name]
    tag = re.search(r"manylinux_\d+_\d+", found.name)
    check(tag is not None, f"auditwheel: {found.name}")
    check(not bundled, f"libraries bundled, OpenMP among them: {', '.join(bundled) or 'none'}")
    return found


def lowest(extras: list[str]) -> Path:
    """A file of constraints that holds every dependency at the lowest version allowed."""
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    path = WORK / "lowest.txt"
    path.write_text("".join(re.sub(r"\[.*\]", "", one).replace(">=", "==") + "\n" for one in sorted(set(wanted))))
    return path


def install_and_try(python: str, wheel: Path, extra: str, is_lowest: bool) -> None:
    """The wheel with an extra in an environment of its own; then what the extra promises."""
    extras = [] if extra == "none" else BESIDE.get(extra, extra).split(",")
    folder = WORK / f"env-{Path(python).name}-{extra}"
    shutil.rmtree(folder, ignore_errors=True)
    done = run(python, "-m", "venv", folder)
    program = folder / "bin" / "python"
    what = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    constraints = lowest(extras) if is_lowest else ROOT / "constraints.txt"
    if done.returncode == 0:
        done = run(program, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--constraint", constraints, what)
    if done.returncode == 0:
        done = run(program, "-m", "pip", "check")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    script = HERE / ("without_extras.py" if extra == "none" else f"with_{extra}.py")
    scripts: list[list[str | Path]] = [[script]] if extra == "none" else [[HERE / "promised.py", extra], [script]]
    said = ""
    for arguments in scripts:
        if done.returncode == 0:
            done = run(program, "-P", "-W", "ignore", *arguments, cwd=folder, env=environment)
            said += done.stdout.strip().replace("\n", "; ") + " "
    if done.returncode != 0:
        print((done.stdout[-1500:] + done.stderr[-3000:]).rstrip())
    version = run(program, "-c", "import platform, numpy; print(platform.python_version(), 'NumPy', numpy.__version__)").stdout.strip()
    check(
        done.returncode == 0, f"{extra}{' at the lowest versions' if is_lowest else ''}, Python {version}: {said.strip() or 'as promised'}"
    )
    if done.returncode == 0:
        shutil.rmtree(folder)


def main() -> None:
    """Read the arguments, build, look, install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", action="append", help="this extra alone; may be repeated; none, or all")
    parser.add_argument("--lowest", action="store_true", help="the lowest versions that are allowed, instead of constraints.txt")
    parser.add_argument("--python", action="append", help="Python to install into; may be repeated")
    parser.add_argument("--wheel", type=Path, help="a wheel that is there already")
    options = parser.parse_args()
    pythons = options.python or [getattr(sys, "_base_executable", sys.executable)]
    known = [*(extra for extra in project["optional-dependencies"] if extra not in DEVELOPERS), "none"]
    extras = known if options.extra == ["all"] else options.extra or ["none", *(one for one in known if one not in ("peers", "none"))]

    shutil.rmtree(WORK / "repaired", ignore_errors=True)
    shutil.rmtree(WORK / "dist", ignore_errors=True)
    (WORK / "dist").mkdir(parents=True)
    if options.wheel:
        wheel = options.wheel
    else:
        sdist = built(ROOT, "--sdist")
        look_into_sdist(sdist)
        with tarfile.open(sdist) as archive:
            archive.extractall(WORK / "unpacked", filter="data")
        wheel = built(WORK / "unpacked" / sdist.name.removesuffix(".tar.gz"), "--wheel")
    look_into_wheel(wheel)
    if sys.platform == "linux":
        wheel = repaired(wheel)
    for python in pythons:
        for extra in extras:
            install_and_try(python, wheel, extra, options.lowest)
    print(f"{len(problems)} problems" if problems else "Everything is as promised.")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
