"""`audit`: what each layer of a model costs and sees, what was not counted, and what could be otherwise."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from faltung.errors import ConvError, one_of
from faltung.extras import optional
from faltung.model.auditing.advice import Advice, Subject, advise
from faltung.model.auditing.counting import Uncounted
from faltung.model.auditing.places import places_of
from faltung.model.auditing.rows import Layer, Totals, learned, rows_of, totals_of
from faltung.model.auditing.tree import Branch, tree_of
from faltung.model.graph import Graph
from faltung.model.read import graph_of

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

__all__ = ["Audit", "audit"]

FORMAT, VERSION = "faltung.audit", 1

ORDERS = ("macs", "flops", "parameters", "activation_bytes", "weight_bytes", "intensity", "receptive_field", "name", "order")

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Audit:
    """What a model costs and sees, layer by layer.

    Attributes
    ----------
    name : str
        The model's class, or its file.
    inputs : tuple of (str, tuple of int or None, str)
        Name, shape and dtype of each input of the run that is counted.
    layers : tuple of Layer
        A row for each operation, in the order in which they run (or as `sorted` and `filter` left them).
    totals : Totals
        Of the whole model, whatever rows are shown.
    uncounted : tuple of Uncounted
        Operations that calculate and are in no sum.
    advice : tuple of Advice
        What saves most first.
    notes : tuple of str
        What one should know of the reading.
    """

    name: str
    inputs: tuple[tuple[str, tuple[int, ...] | None, str], ...]
    layers: tuple[Layer, ...]
    totals: Totals
    uncounted: tuple[Uncounted, ...]
    advice: tuple[Advice, ...]
    notes: tuple[str, ...]
    graph: Graph = field(repr=False, compare=False)

    # -- views -------------------------------------------------------------------------------------

    def sorted(self, by: str = "macs") -> Audit:
        """The same with the rows in another order: the largest first, by ``"name"`` as in the alphabet, by ``"order"`` as they run.

        Raises
        ------
        ConvError
            `by` is not one of ``"macs"``, ``"flops"``, ``"parameters"``, ``"activation_bytes"``, ``"weight_bytes"``, ``"intensity"``,
            ``"receptive_field"``, ``"name"``, ``"order"``.
        """
        one_of("by", by, ORDERS, ConvError)
        if by == "name":
            return replace(self, layers=tuple(sorted(self.layers, key=lambda layer: layer.name)))
        if by == "order":
            places = {node.name: number for number, node in enumerate(self.graph.nodes)}
            return replace(self, layers=tuple(sorted(self.layers, key=lambda layer: places[layer.name])))

        def amount(layer: Layer) -> float:
            value = getattr(layer, by)
            return -float(max(value, default=0) if isinstance(value, tuple) else value or 0)

        return replace(self, layers=tuple(sorted(self.layers, key=amount)))

    def filter(self, pattern: str = "", *, kind: str = "", least_share: float = 0.0) -> Audit:
        """The same with fewer rows; sums, advice and what is uncounted stay those of the whole model.

        Parameters
        ----------
        pattern : str
            Of names, with ``*`` and ``?``; without them, a part of the name.
        kind : str
            A word of the kind, the family or the operation: ``"depthwise"``, ``"convolution"``, ``"Conv2d"``.
        least_share : float
            Of the model's MACs, 0 to 1.
        """
        wanted = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"

        def stays(layer: Layer) -> bool:
            words = {*layer.kind.split(", "), layer.family, layer.operation}
            return fnmatch.fnmatchcase(layer.name, wanted) and (not kind or kind in words) and layer.share >= least_share

        return replace(self, layers=tuple(layer for layer in self.layers if stays(layer)))

    @property
    def tree(self) -> Branch:
        """The rows under the modules in which they lie, each with its sums."""
        return tree_of(self.name, self.layers)

    # -- as something else -------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """As data; the names do not change within a version of the format."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "inputs": [{"name": name, "shape": shape, "dtype": dtype} for name, shape, dtype in self.inputs],
            "totals": asdict(self.totals),
            "layers": [layer.to_dict() for layer in self.layers],
            "tree": self.tree.to_dict(),
            "uncounted": [asdict(entry) for entry in self.uncounted],
            "advice": [piece.to_dict() for piece in self.advice],
            "notes": list(self.notes),
        }

    def to_json(self, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """Sums, rows with cost, advice and what is uncounted, in Markdown."""
        from faltung.model.auditing.text import markdown

        return markdown(self)

    def to_html(self) -> str:
        """One page that needs nothing else: sums, a map of the cost, all rows to sort, advice, what is uncounted."""
        from faltung.model.auditing.page import page

        return page(self)

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a table of pandas, which has to be installed."""
        pandas = optional("pandas", extra="pandas", purpose="a table of pandas")
        return pandas.DataFrame([layer.to_dict() for layer in self.layers])

    def __rich__(self) -> RenderableType:
        from faltung.model.auditing.text import Screen

        return Screen(self)

    def __str__(self) -> str:
        from faltung.model.auditing.text import plain

        return plain(self)

    def __repr__(self) -> str:
        return f"<Audit of {self.name}: {self.totals.parameters} parameters, {self.totals.macs} MACs, {len(self.layers)} layers>"

    def _repr_html_(self) -> str:
        from faltung.model.auditing.text import notebook

        return notebook(self)


def audit(model: Any, input_shape: Any = None, *, measure: bool = False, low_rank: bool = True, progress: Progress | None = None) -> Audit:
    """What each layer of a model costs and sees.

    Parameters
    ----------
    model : torch.nn.Module, path of an ONNX file, or Graph
    input_shape : tuple of int, optional
        ``(N, C, *size)``, batch included; needed for a module (or a tensor in its place, or a list of them), for a file only where it
        leaves sizes open.
    measure : bool
        Time each convolution in PyTorch and in Faltung as well.
    low_rank : bool
        Look for weights of low rank, which takes longest by far: half a minute for the 140 million of a VGG.
    progress : callable, optional
        Is called with the steps done, the steps in all, and what comes next.

    Returns
    -------
    Audit

    Raises
    ------
    ConvTypeError
        The model is no module and no ONNX file.
    ConvShapeError
        A layer does not fit what it is given; the message names it.

    Notes
    -----
    A MAC is a product that is added to a sum: those of convolutions (products with padding included; of transposed ones each input times
    the whole kernel), of matrix products and of attention. FLOPs are two for each MAC and one for each bias addition. Both are for one run,
    batch included. All other operations that calculate are in `uncounted`.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    >>> found = audit(model, (1, 3, 16, 16))
    >>> found.totals.parameters, found.totals.macs
    (260, 63488)
    >>> [(layer.name, layer.kind, layer.macs) for layer in found.layers]
    [('0', 'standard', 55296), ('1', 'relu', None), ('2', 'pointwise', 8192)]
    """
    tell = progress or (lambda *_: None)
    tell(0, 1, "reading the model")
    graph = graph_of(model, input_shape)
    notes = list(graph.notes)
    places = places_of(graph, notes)
    layers, uncounted = rows_of(graph, places.of)
    totals = totals_of(graph, layers)
    if totals.unused_parameters:
        notes.append(f"{totals.unused_parameters} parameters are used by no operation of this run: {_names(graph)}.")
    if totals.unknown_sizes:
        notes.append(f"The size of {totals.unknown_sizes} arrays depends on the numbers; they are in no sum of memory.")
    advice = advise(Subject(graph, layers, totals, places), measure=measure, low_rank=low_rank, progress=tell, notes=notes)
    inputs = tuple((value.name, value.shape, value.dtype) for value in graph.inputs)
    return Audit(graph.name, inputs, layers, totals, uncounted, advice, tuple(notes), graph)


def _names(graph: Graph) -> str:
    names = [weight.name for weight in learned(graph.unused)]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
