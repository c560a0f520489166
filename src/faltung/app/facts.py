"""What is known of a convolution without computing it: shapes with their sums, counts, reach, names."""

from __future__ import annotations

from typing import Any

from faltung.amounts import grouped, readable_bytes
from faltung.app.checking import Checked
from faltung.errors import ConvError
from faltung.reach import Reach, of_axis
from faltung.spec import ConvSpec
from faltung.sums import flops_sum, macs_sum, parameters_sum, times
from faltung.viz.scene.build import stage_name

__all__ = ["facts_of"]

Row = dict[str, Any]
Size = tuple[int, ...]

_AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def facts_of(checked: Checked) -> list[dict[str, Any]]:
    """Tables of rows ``{"name", "value", "sum"}``; of several layers a table each, then what they come to together."""
    tables = []
    several = len(checked.specs) > 1
    for number, (spec, size) in enumerate(zip(checked.specs, checked.sizes, strict=False)):
        where = f"Layer {number + 1}: " if several else ""
        tables += [
            _table(f"{where}shapes" if where else "Shapes", _shapes(spec, size)),
            _table(f"{where}counts" if where else "Counts", _counts(spec, size)),
            _table(f"{where}reach" if where else "Reach", _reach(spec)),
            _table(f"{where}kind" if where else "Kind", _kind(spec)),
        ]
    if several:
        tables.append(_table("All layers together", _together(checked)))
    return tables


def _table(title: str, rows: list[Row]) -> dict[str, Any]:
    return {"title": title, "rows": rows}


def _row(name: str, value: object, arithmetic: str = "") -> Row:
    return {"name": name, "value": str(value), "sum": arithmetic}


def _sum(spelled: str) -> str:
    """A sum that stands behind its value: ``9 = 1·(1·3·3)``.

    >>> _sum("1·(1·3·3) = 9")
    '= 1·(1·3·3)'
    """
    return f"= {spelled.rpartition(' = ')[0]}"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _shapes(spec: ConvSpec, size: Size) -> list[Row]:
    output = spec.output_size(size)
    names = _AXES[spec.ndim]
    order = "(in, out / groups, kernel)" if spec.transposed else "(out, in / groups, kernel)"
    rows = [_row("input", _shape((spec.in_channels, *size)), "(channels, size)")]
    if isinstance(spec.padding, str):
        sides = ", ".join(f"{name} {before} + {after}" for name, (before, after) in zip(names, spec.sides(size), strict=True))
        rows.append(_row(f"padding “{spec.padding}”", sides, "before + after"))
    rows += [_row("weight", _shape(spec.weight_shape), order), _row("bias", "none" if spec.bias_shape is None else spec.out_channels)]
    rows.append(_row("output", _shape((spec.out_channels, *output)), "(channels, size)"))
    for name, axis, cells, made in zip(names, spec.axes, size, output, strict=True):
        rows.append(_row(f"output {name}", made, _sum(axis.output_sum(cells))))
    unused = [(name, axis.unused_cells(cells)) for name, axis, cells in zip(names, spec.axes, size, strict=True)]
    if any(count for _, count in unused):
        ends = ", ".join(f"{count} at the end of the {name}" for name, count in unused if count)
        rows.append(_row("never reached", ends, "cells of input and padding that no window reads"))
    ranges = spec.input_sizes(output)
    if any(len(along) > 1 for along in ranges):
        spans = ", ".join(f"{name} {along.start} to {along.stop - 1}" for name, along in zip(names, ranges, strict=True))
        rows.append(_row("same output from", spans))
    return rows


def _counts(spec: ConvSpec, size: Size) -> list[Row]:
    memory = spec.memory((1, spec.in_channels, *size))
    parts = [("input", memory.input_bytes), ("output", memory.output_bytes), ("weight", memory.weight_bytes), ("bias", memory.bias_bytes)]
    summed = " + ".join(f"{name} {readable_bytes(count)}" for name, count in parts if count)
    return [
        _row("parameters", grouped(spec.parameters), _sum(parameters_sum(spec))),
        _row("multiply-accumulates (MACs)", grouped(spec.macs(size)), _sum(macs_sum(spec, size))),
        _row("floating-point operations (FLOPs)", grouped(spec.flops(size)), _sum(flops_sum(spec, size))),
        _row("memory, float32", readable_bytes(memory.total_bytes), f"= {summed}"),
    ]


def _reach(spec: ConvSpec) -> list[Row]:
    sums = list(dict.fromkeys(f"{axis.dilation}*({axis.kernel}-1) + 1 = {axis.extent}" for axis in spec.axes))
    spans = ", ".join(sums) if len(sums) > 1 else _sum(sums[0]) + " along each axis" * (spec.ndim > 1)
    field = times(spec.receptive_field())
    if spec.transposed:
        return [
            _row("kernel spans", times(spec.effective_kernel_size), spans),
            _row("receptive field", f"{field} input cells", "inputs, first to last, that one output sees"),
        ]
    return [_row("receptive field", f"{field} input cells", spans)]


def _kind(spec: ConvSpec) -> list[Row]:
    return [
        _row("name", stage_name(spec)),
        _row("kinds", ", ".join(sorted(spec.kinds)) or "none of the named ones"),
        _row("as text", str(spec)),
    ]


def _together(checked: Checked) -> list[Row]:
    parameters = [spec.parameters for spec in checked.specs]
    macs = [spec.macs(size) for spec, size in zip(checked.specs, checked.sizes, strict=False)]
    rows = [
        _row("output", _shape((checked.specs[-1].out_channels, *checked.sizes[-1])), "(channels, size)"),
        _row("parameters", grouped(sum(parameters)), f"= {' + '.join(map(grouped, parameters))}"),
        _row("multiply-accumulates (MACs)", grouped(sum(macs)), f"= {' + '.join(map(grouped, macs))}"),
    ]
    rows.append(_field(checked))
    rows += _against_one(checked, sum(parameters), sum(macs))
    return rows


def _field(checked: Checked) -> Row:
    """Between which input cells one output of the last layer can look."""
    found = []
    try:
        for axis in range(checked.specs[0].ndim):
            reach = Reach.itself()
            for spec, size in zip(checked.specs, checked.sizes, strict=False):
                reach = of_axis(spec.axes[axis], size[axis]).over(reach)
            found.append(reach.size)
    except ConvError as error:  # strides after which nothing repeats
        return _row("receptive field", "not told", str(error))
    return _row("receptive field", f"{times(found)} input cells", "inputs, first to last, that one output can see")


def _against_one(checked: Checked, parameters: int, macs: int) -> list[Row]:
    """A depthwise and a pointwise layer beside the standard layer of the same window."""
    first, *rest = checked.specs
    if len(rest) != 1 or "depthwise" not in first.kinds or "pointwise" not in rest[0].kinds:
        return []
    whole = ConvSpec(**{**first.to_dict(), "groups": 1, "out_channels": rest[0].out_channels, "bias": rest[0].bias})
    size = checked.sizes[0]
    counts = f"{grouped(whole.parameters)} parameters, {grouped(whole.macs(size))} MACs"
    return [
        _row("one standard layer instead", counts, str(whole)),
        _row("which is", f"{whole.parameters / parameters:.3g} times the parameters, {whole.macs(size) / macs:.3g} times the MACs"),
    ]
