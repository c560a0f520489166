"""`faltung explain`: a spec with the arithmetic behind every number."""

from __future__ import annotations

import re
import textwrap
from typing import Annotated, Any

import typer
from rich.text import Text

from faltung.cli import output
from faltung.cli.example_data import example_data
from faltung.cli.inputs import SIZE_HELP, SPEC_HELP, axis_names, read_shape, read_spec, shortened
from faltung.errors import ConvShapeError
from faltung.frameworks import to_every
from faltung.spec import ConvSpec
from faltung.sums import flops_sum, macs_sum, parameters_sum
from faltung.viz import Terms
from faltung.viz import explain as take_apart

__all__ = ["register"]

AT_HELP = "Show the arithmetic of this output on example data: 0,0,1,2 is batch 0, channel 0, row 1, column 2. Needs --input."
_TEXT_LIMIT = 24  # products of a reading, so that they stay on one screen


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("explain", epilog='Example: faltung explain "conv2d(3, 64, 7, stride=2)" --input 224x224')(explain)


def explain(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP)],
    size: Annotated[str | None, typer.Option("--input", metavar="SIZE", help=SIZE_HELP)] = None,
    at: Annotated[str | None, typer.Option(metavar="N,OC,Y,X", help=AT_HELP)] = None,
    code: Annotated[bool, typer.Option(help="Show the code for PyTorch, ONNX, JAX and Keras.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Explain a convolution: shapes, counts, receptive field, one output's products, gradients, code.

    Every number comes with the sum that gives it. Without --input, what depends on the size is left out.
    """
    parsed = read_spec(spec)
    shape = None if size is None else read_shape(size, parsed)
    terms = None if at is None else terms_at(parsed, shape, at)
    facts = explanation(parsed, shape)
    if terms is not None:
        facts["at"] = terms.to_dict()
    if as_json:
        output.print_json(facts)
        return
    output.print_line(str(parsed), style="bold")
    output.print_line(", ".join(sorted(parsed.kinds)))
    output.print_facts("Shapes", shape_rows(parsed, shape))
    output.print_facts("Counts" if shape is None else "Counts, for one sample", count_rows(parsed, shape))
    output.print_facts("Reach", reach_rows(parsed))
    if terms is not None:
        output.print_title(f"Output {at}, on example data")
        output.console().print(Text(textwrap.indent(terms.to_text(_TEXT_LIMIT), "  ")), soft_wrap=True)
    output.print_facts("Gradients", gradient_rows(facts["adjoint"]))
    if code:
        output.print_title("Code that builds the same")
        for name, text in facts["code"].items():
            output.print_code(name, text)


def explanation(spec: ConvSpec, shape: tuple[int, ...] | None) -> dict[str, Any]:
    """Everything the command tells, as plain data; `shape` is (N, C, *size) or None."""
    facts: dict[str, Any] = {
        "spec": str(spec),
        "fields": spec.to_dict(),
        "kinds": sorted(spec.kinds),
        "weight_shape": spec.weight_shape,
        "bias_shape": spec.bias_shape,
        "parameters": spec.parameters,
        "parameters_sum": parameters_sum(spec),
        "effective_kernel_size": spec.effective_kernel_size,
        "receptive_field": spec.receptive_field(),
    }
    size = None
    if shape is not None:
        size = shape[-spec.ndim :]
        output_size = spec.output_size(size)
        memory = spec.memory((1, *shape[1:]))
        facts |= {
            "input_shape": shape,
            "output_shape": spec.output_shape(shape),
            "output_sums": [axis.output_sum(cells) for axis, cells in zip(spec.axes, size, strict=True)],
            "padding": spec.sides(size),
            "unused_cells": [axis.unused_cells(cells) for axis, cells in zip(spec.axes, size, strict=True)],
            "input_sizes": [[sizes.start, sizes.stop - 1] for sizes in spec.input_sizes(output_size)],
            "counted_for": "one sample",
            "macs": spec.macs(size),
            "macs_sum": macs_sum(spec, size),
            "flops": spec.flops(size),
            "flops_sum": flops_sum(spec, size),
            "memory_bytes": {
                "dtype": "float32",
                "input": memory.input_bytes,
                "output": memory.output_bytes,
                "weight": memory.weight_bytes,
                "bias": memory.bias_bytes,
                "total": memory.total_bytes,
            },
        }
    adjoint = spec.adjoint(size, batch=1 if shape is None else max(shape[0], 1))
    facts["adjoint"] = {"input_grad": str(adjoint.input_grad), "weight_grad": adjoint.weight_grad and str(adjoint.weight_grad)}
    facts["code"] = to_every(spec)
    return facts


def terms_at(spec: ConvSpec, shape: tuple[int, ...] | None, at: str) -> Terms:
    """The terms of the output whose index `at` spells, on example data of `shape`."""
    if shape is None:
        raise ConvShapeError(
            f"--at={shortened(at)!r} needs the size of the input.", f"Add --input, such as --input {'x'.join(['8'] * spec.ndim)}."
        )
    entries = re.split(r"\s*,\s*|\s+", at.strip().strip("()[]").strip())
    if not all(re.fullmatch(r"-?[0-9]{1,19}", entry) for entry in entries):
        example = ",".join(["0"] * (spec.ndim + 2))
        raise ConvShapeError(f"--at={shortened(at)!r} is not an index.", f"Write whole numbers with commas between: --at {example}.")
    return take_apart(spec, *example_data(spec, shape))[tuple(map(int, entries))]


# -- what is shown -------------------------------------------------------------------------------

Rows = list[tuple[str, str]]


def shape_rows(spec: ConvSpec, shape: tuple[int, ...] | None) -> Rows:
    """Weight, bias, input and output."""
    order = "(in, out / groups, kernel)" if spec.transposed else "(out, in / groups, kernel)"
    rows: Rows = [("weight", f"{spec.weight_shape} = {order}"), ("bias", str(spec.bias_shape or "none"))]
    if shape is None:
        return rows
    size = shape[-spec.ndim :]
    result = spec.output_shape(shape)
    rows += [("input", str(shape)), ("output", f"{result}, that is {output.times(result[-spec.ndim :])} for each of {result[1]} channels")]
    for name, axis, cells in zip(axis_names(spec.ndim), spec.axes, size, strict=True):
        rows.append((f"  {name}", axis.output_sum(cells)))
    if isinstance(spec.padding, str) and spec.padding != "valid":
        sides = " and ".join(
            f"{before} before, {after} after ({name})"
            for name, (before, after) in zip(axis_names(spec.ndim), spec.sides(size), strict=True)
        )
        rows.append((f"padding {spec.padding!r}", sides))
    ranges = zip(axis_names(spec.ndim), spec.input_sizes(spec.output_size(size)), strict=True)
    rows.append(("same output from", ", ".join(f"{name} {_span(sizes)}" for name, sizes in ranges)))
    unused = [(name, axis.unused_cells(cells)) for name, axis, cells in zip(axis_names(spec.ndim), spec.axes, size, strict=True)]
    if any(count for _, count in unused):
        rows.append(
            ("never reached", ", ".join(f"{count} at the end of the {name}" for name, count in unused if count) + ", padding counted")
        )
    return rows


def _span(sizes: range) -> str:
    if len(sizes) == 1:
        return f"{sizes.start} only"
    return f"{sizes.start} to {sizes.stop - 1}"


def count_rows(spec: ConvSpec, shape: tuple[int, ...] | None) -> Rows:
    """Parameters, MACs, FLOPs and memory, each as its product."""
    rows: Rows = [("parameters", parameters_sum(spec))]
    if shape is None:
        return rows
    size = shape[-spec.ndim :]
    memory = spec.memory((1, *shape[1:]))
    parts = f"input {_kib(memory.input_bytes)} + output {_kib(memory.output_bytes)} + weight {_kib(memory.weight_bytes)}"
    if spec.bias:
        parts += f" + bias {_kib(memory.bias_bytes)}"
    counted = "input cells times the whole kernel" if spec.transposed else "outputs times the products in each"
    rows += [("MACs", macs_sum(spec, size)), ("", f"({counted})"), ("FLOPs", flops_sum(spec, size))]
    rows.append(("memory, float32", f"{parts} = {_kib(memory.total_bytes)}"))
    return rows


def _kib(count: int) -> str:
    return output.readable_bytes(count)


def reach_rows(spec: ConvSpec) -> Rows:
    """Receptive field and effective kernel."""
    spans = ", ".join(f"{axis.dilation}*({axis.kernel}-1) + 1 = {axis.extent}" for axis in spec.axes)
    rows: Rows = [("receptive field", f"{output.times(spec.receptive_field())} input cells")]
    rows.append(("effective kernel", output.times(spec.effective_kernel_size)))
    if any(axis.dilation > 1 and axis.kernel > 1 for axis in spec.axes):
        rows.append(("", spans))
    return rows


def gradient_rows(adjoint: dict[str, Any]) -> Rows:
    """The specs that compute the gradients."""
    rows: Rows = [("of the input", str(adjoint["input_grad"]))]
    if adjoint["weight_grad"]:
        rows.append(("of the weight", str(adjoint["weight_grad"])))
    return rows
