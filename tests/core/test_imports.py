"""The description needs the standard library alone, and each module imports only what stands above it."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Each module of the description, and the modules of the package that it may import.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "extras": {"errors"},
    "notebook": set(),
    "pages": set(),
    "amounts": set(),
    "geometry": {"errors"},
    "borders": set(),
    "reach": {"errors", "geometry"},
    "taps": {"errors", "geometry"},
    "parts": {"errors", "borders", "geometry"},
    "normal_form": {"errors", "geometry"},
    "notation": {"errors"},
    "frameworks": {"errors", "geometry"},
    "cost": {"errors"},
    "adjoint": set(),
    "spec": {"errors", "borders", "geometry", "normal_form", "notation", "frameworks", "cost", "adjoint"},
    "reference": {"errors", "spec"},
}
STANDARD_LIBRARY_ONLY = [name for name in ALLOWED if name != "reference"]


def package_folder() -> Path:
    found = importlib.util.find_spec("faltung.errors")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def files_of(name: str) -> list[Path]:
    folder = package_folder()
    return [folder / f"{name}.py"] if (folder / f"{name}.py").is_file() else sorted((folder / name).glob("*.py"))


def imported(node: ast.AST) -> Iterator[str]:
    """Every module that is imported below `node`, in functions too, but not for type checking only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative import"
            module = child.module or ""
            yield from (f"{module}.{alias.name}" for alias in child.names) if module == "faltung" else (module,)
        else:
            yield from imported(child)


@pytest.mark.parametrize("name", list(ALLOWED))
def test_a_module_imports_only_what_stands_above_it(name: str) -> None:
    files = files_of(name)
    assert files
    for file in files:
        for module in imported(ast.parse(file.read_text(encoding="utf-8"))):
            top, _, inside = module.partition(".")
            if top == "faltung":
                inside = inside.split(".")[0]
                assert inside == name or inside in ALLOWED[name], f"{file.name} imports {module}"
            elif name in STANDARD_LIBRARY_ONLY:
                assert top in sys.stdlib_module_names, f"{file.name} imports {module}"
            else:
                assert top in sys.stdlib_module_names or top == "numpy", f"{file.name} imports {module}"


# The package's folder is given as its path, so that the modules are found and nothing else that is installed.
ALONE = """
import sys, types
package = types.ModuleType("faltung")
package.__path__ = [sys.argv[1]]
sys.modules["faltung"] = package
from faltung.spec import ConvSpec
spec = ConvSpec.parse("nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)")
assert spec.output_shape((1, 3, 224, 224)) == (1, 64, 112, 112)
assert spec.adjoint((224, 224)).input_grad.transposed
assert spec.memory((1, 3, 224, 224)).weight_bytes == 37632
for code in (spec.to_pytorch(), spec.to_onnx(), spec.to_jax(), spec.to_keras()):
    assert code
foreign = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"faltung", "__main__"}
print(sorted(foreign))
"""


def test_the_description_works_where_nothing_is_installed() -> None:
    """``-I -S``: no site-packages, no user's folder, no environment variables."""
    command = [sys.executable, "-I", "-S", "-c", ALONE, str(package_folder())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "[]\n")


def test_importing_the_description_does_not_import_numpy() -> None:
    program = "import sys, faltung.spec; faltung.spec.ConvSpec.parse('conv2d(3, 8, 3)').output_size(9); print('numpy' in sys.modules)"
    environment_path = str(package_folder().parent)
    program = f"import sys; sys.path.insert(0, {environment_path!r}); {program}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "False\n")


def test_the_reference_shares_no_formula_with_geometry() -> None:
    """It imports neither `geometry` nor any of the spec's members that come from it."""
    (file,) = files_of("reference")
    used = {node.attr for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)}
    from_geometry = {
        "output_size",
        "output_shape",
        "sides",
        "axes",
        "input_sizes",
        "effective_kernel_size",
        "receptive_field",
        "adjoint",
        "macs",
    }
    assert not used & from_geometry
