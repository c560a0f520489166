"""A run as a picture: every layer under its roofline, and the ratios class by class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltung.bench.workloads import CLASSES
from faltung.errors import ConvError
from faltung.extras import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "check_figure", "draw_run", "save_figure"]

FORMATS = (".png", ".svg", ".pdf")

PEER, TORCH = "#c44e00", "#8a8a8a"
MARKERS = "osD^v<>phP*Xd8H"


def check_figure(path: Path) -> None:
    """Tell before anything is measured that the figure could not be written.

    Raises
    ------
    ConvError
        The name ends in something else than `FORMATS`.
    MissingExtraError
        matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConvError(
            f"{path.name} ends in {path.suffix or 'nothing'!r}, which is no format of the figure.", f"Use {', '.join(FORMATS)}."
        )
    optional("matplotlib", extra="plot", purpose="the benchmark's figure")
    if not path.absolute().parent.is_dir():
        raise ConvError(f"{path} cannot be written: there is no folder {path.parent}.", "Make it first, or name another.")


def save_figure(facts: Mapping[str, Any], path: Path) -> None:
    """Draw a run into a file, in the format that its name asks for, see `draw_run`; raises as `check_figure`."""
    check_figure(path)
    draw_run(facts).savefig(path, dpi=150)


def draw_run(facts: Mapping[str, Any]) -> Figure:
    """Roofline on the left, ratios of every class on the right.

    Parameters
    ----------
    facts : mapping
        As `faltung.bench.summary.run_facts` makes them.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    made = optional("matplotlib.figure", extra="plot", purpose="the benchmark's figure")
    rows = len(facts["classes"]) + 1
    figure: Figure = made.Figure(figsize=(15, max(6.5, 0.45 * rows + 2.2)), layout="constrained")
    roofline, bars = figure.subplots(1, 2, width_ratios=(1.15, 1))
    draw_roofline(roofline, facts)
    draw_ratios(bars, facts)
    machine = facts["machine"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] != 1 else ''}"
    figure.suptitle(f"faltung bench, suite {facts['suite']}: {machine['cpu']}, {machine['isa']}, {threads}", fontsize="large")
    return figure


def draw_roofline(ax: Axes, facts: Mapping[str, Any]) -> None:
    """Rate against operations per byte; a layer of Faltung is a mark, its best peer the end of a line from it."""
    limits, workloads = facts["limits"], facts["workloads"]
    intensities = [workload["intensity"] for workload in workloads]
    left, right = min(intensities) / 2, max(intensities) * 2
    for dtype, peak in limits["flops_per_second"].items():
        ridge = peak / limits["bytes_per_second"]
        points = [left, *([ridge] if left < ridge < right else []), right]
        heights = [min(peak, limits["bytes_per_second"] * at) / 1e9 for at in points]
        ax.plot(points, heights, color="black", linewidth=1.2, linestyle="-" if dtype == "float32" else "--")
        text = ax.annotate(f"{dtype}: {peak / 1e9:.0f} GFLOP/s", (right, peak / 1e9), (-4, 0), textcoords="offset points", zorder=3)
        text.set(ha="right", va="center", fontsize="small", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    shown = list(dict.fromkeys(workload["class"] for workload in workloads))
    colours = optional("matplotlib", extra="plot", purpose="the benchmark's figure").colormaps["tab20"]
    for number, key in enumerate(shown):
        rows = [workload for workload in workloads if workload["class"] == key]
        colour = colours(number % 20)
        for workload in rows:
            if workload["best_peer"] is not None:
                ends = [_rate(workload, _best_of(workload)), _rate(workload, workload["best_peer"])]
                ax.plot([workload["intensity"]] * 2, ends, color=colour, linewidth=1.4, marker="_", markevery=[1], zorder=1)
        ax.scatter(
            [workload["intensity"] for workload in rows],
            [_rate(workload, _best_of(workload)) for workload in rows],
            color=[colour],
            marker=MARKERS[number % len(MARKERS)],
            s=34,
            edgecolor="black",
            linewidth=0.4,
            zorder=2,
            label=CLASSES.get(key, key),
        )
    ax.set(xscale="log", yscale="log", xlim=(left, right))
    ax.set_xlabel(f"operations per byte of memory (memory: {limits['bytes_per_second'] / 1e9:.1f} GB/s)")
    ax.set_ylabel("GFLOP/s of the direct sum")
    ax.set_title("Roofline: mark = Faltung, end of its line = the best peer", fontsize="medium")
    ax.grid(which="major", linewidth=0.4, alpha=0.5)
    with_plain_numbers(ax.xaxis)
    with_plain_numbers(ax.yaxis)
    ax.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, frameon=False)


def draw_ratios(ax: Axes, facts: Mapping[str, Any]) -> None:
    """Two bars a class: against PyTorch as called, and against the best peer of each row."""
    entries = [*facts["classes"].values(), {"title": "all rows", **facts["all"]}]
    ratios = [entry[key] for entry in entries for key in ("against_torch", "against_best") if entry[key]]
    low, high = min([1.0, *ratios]) / 1.3, max([1.0, *ratios]) * 2.2
    for key, colour, offset, label in (
        ("against_torch", TORCH, -0.2, "PyTorch as called / Faltung's call"),
        ("against_best", PEER, 0.2, "best peer / Faltung prepared"),
    ):
        places = [at + offset for at, entry in enumerate(entries) if entry[key]]
        values = [entry[key] for entry in entries if entry[key]]
        ax.barh(places, [value - 1 for value in values], left=1, height=0.36, color=colour, label=label)
        for place, value in zip(places, values, strict=True):
            side = 1 if value >= 1 else -1
            ax.annotate(
                f"{value:.2f}" if value < 10 else f"{value:.0f}", (value, place), (3 * side, 0), textcoords="offset points",
                va="center", ha="left" if side > 0 else "right", fontsize="small",
            )  # fmt: skip
    ax.axvline(1, color="black", linewidth=1)
    ax.set(xscale="log", xlim=(low / 1.5, high), ylim=(len(entries) - 0.4, -0.6))
    with_plain_numbers(ax.xaxis)
    ax.axhline(len(entries) - 1.5, color="black", linewidth=0.6)
    ax.set_yticks(range(len(entries)), [f"{entry['title']} ({entry['rows']})" for entry in entries])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("how many times as fast Faltung is (geometric mean)")
    ax.set_title("Against other libraries, class by class (rows)", fontsize="medium")
    ax.grid(axis="x", which="major", linewidth=0.4, alpha=0.5)
    ax.set_axisbelow(True)
    ax.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False)


def with_plain_numbers(axis: Axis) -> None:
    """0.5, 1 and 20 in place of powers of ten, at 1, 2 and 5 of each decade where there is room."""
    ticker = optional("matplotlib.ticker", extra="plot", purpose="the benchmark's figure")
    low, high = axis.get_view_interval()
    steps = (1, 2, 5) if high / low < 1000 else (1,)
    axis.set_major_locator(ticker.LogLocator(subs=steps))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _best_of(workload: Mapping[str, Any]) -> str:
    return "faltung prepared" if "faltung prepared" in workload["seconds"] else "faltung"


def _rate(workload: Mapping[str, Any], contender: str) -> float:
    """GFLOP/s of the direct sum, whatever the contender computes."""
    rate: float = 2 * workload["macs"] / workload["seconds"][contender] / 1e9
    return rate
