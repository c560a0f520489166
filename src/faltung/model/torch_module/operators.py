"""PyTorch's operators as operations: a table from names to readers.

A reader takes one `Call` and returns the operation; a list of them where each result is a node of its own; or an operation and what it
takes, in that order, where this is not simply every argument. Operators that are not in the table are taken apart into those they are made
of, and are unknown where that cannot be.
"""

from __future__ import annotations

import functools

import torch
from faltung.model.operations import Elementwise, Lookup, Normalise, Reduce, Same, Unknown
from faltung.model.torch_module import moves, products, windows
from faltung.model.torch_module.call import Call, Plan, Reader
from faltung.model.torch_module.convolutions import CONVOLUTIONS

__all__ = ["CONSTANTS", "reader_of"]

_ACTIVATIONS = """
relu relu6 gelu silu sigmoid tanh hardtanh hardswish hardsigmoid leaky_relu elu selu celu mish softplus log_sigmoid prelu rrelu
threshold hardshrink softshrink tanhshrink abs exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sin cos tan asin acos atan
sinh cosh erf erfc erfinv sign sgn floor ceil round trunc frac clamp clamp_min clamp_max clip nan_to_num logit isnan isinf isfinite pow
float_power
logical_not bitwise_not sinc lgamma digamma absolute signbit arctan angle
"""
_ELEMENTWISE = """
add sub rsub mul div true_divide divide multiply subtract neg negative maximum minimum fmax fmin where masked_fill eq ne
lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor fmod remainder floor_divide atan2 arctan2 lerp addcmul
addcdiv
xlogy hypot tril triu conj conj_physical _conj real imag complex polar heaviside copysign bernoulli logaddexp __and__ __or__ __xor__
bitwise_left_shift bitwise_right_shift greater less greater_equal less_equal not_equal
"""
_NAMES = {"mul": "multiply", "sub": "subtract", "div": "divide", "true_divide": "divide", "rsub": "subtract", "neg": "negative"}
_REDUCTIONS = """
mean sum nansum nanmean amax amin max min prod var std var_mean std_mean norm linalg_vector_norm logsumexp all any argmax argmin median
nanmedian _is_all_true _is_any_true count_nonzero aminmax mode
"""
_SAME = """
clone contiguous to _to_copy type_as detach alias lift lift_fresh lift_fresh_copy positive resolve_conj resolve_neg expand expand_as
broadcast_to copy cpu cuda requires_grad_ view_as_identity
"""
_RESHAPES = """
view reshape _unsafe_view flatten unflatten squeeze unsqueeze ravel view_as reshape_as _reshape_alias view_as_real view_as_complex
atleast_1d atleast_2d atleast_3d
"""
_LOOKUPS = """
index index_select gather embedding take take_along_dim masked_select nonzero index_put _index_put_impl scatter scatter_add scatter_reduce
index_add index_copy index_fill masked_scatter repeat_interleave flip sort argsort topk searchsorted bucketize grid_sampler grid_sampler_2d
grid_sampler_3d embedding_bag _embedding_bag one_hot kthvalue unique_dim _unique2 rot90 fliplr flipud tile
"""
_RUNNING = "cumsum cumprod cummax cummin logcumsumexp"
_DROPOUTS = "dropout native_dropout feature_dropout alpha_dropout feature_alpha_dropout"
_BATCH_NORMS = """
batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training _batch_norm_no_update cudnn_batch_norm
miopen_batch_norm
"""
_PADS = """
pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d _pad_circular
"""
_FILLS = "zero fill normal uniform random exponential bernoulli_ log_normal geometric cauchy set_data"

CONSTANTS = frozenset(_FILLS.split())
"""Written in place, they leave nothing of what was there."""


def _elementwise(name: str, activates: bool) -> Reader:
    # Of two arrays none is activated: a power with a computed exponent.
    return lambda call: Elementwise(_NAMES.get(name, name), activates and len(call.computed()) == 1)


def _reduction(name: str) -> Reader:
    def reader(call: Call) -> Plan:
        if "other" in call.given:
            return Elementwise(f"{name}imum")
        rank = call.input.dim()
        given = call.given.get("dim")
        dims = range(rank) if given is None or given == [] else [given] if isinstance(given, int) else given
        return Reduce(name, tuple(sorted(dim % rank for dim in dims)) if rank else (), bool(call.given.get("keepdim")))

    return reader


def _same(_: Call) -> Plan:
    return Same()


def _copy_in_place(call: Call) -> Plan:
    return Same(), [call["src"]]


def _fill(call: Call) -> Plan:
    return Same(), [call["value"]]


def _lookup(_: Call) -> Plan:
    return Lookup()


def _running(call: Call) -> Plan:
    return Normalise(call.operator.name, (call["dim"] % max(call.input.dim(), 1),))


def _loss(call: Call) -> Plan:
    """Differences, and their mean or sum."""
    differences = Elementwise(call.operator.name)
    shape = torch.broadcast_shapes(*(tensor.shape for tensor in call.arguments()))
    if call["reduction"] == 0 or not call.computed():
        return differences
    each = call.emit(differences, call.arguments(), shape)
    return Reduce("mean" if call["reduction"] == 1 else "sum", tuple(range(len(shape))), keeps=False), [each]


def _weight_norm(_: Call) -> Plan:
    return Normalise("weight_norm")


def _dropout(call: Call) -> Plan:
    return Elementwise("dropout") if call.given.get("train") else Same()


def _not_followed(reason: str) -> Reader:
    return lambda _: Unknown(reason)


@functools.cache
def _table() -> dict[str, Reader]:
    table: dict[str, Reader] = dict(CONVOLUTIONS)
    table |= {name: _elementwise(name, activates=True) for name in _ACTIVATIONS.split()}
    table |= {name: _elementwise(name, activates=False) for name in _ELEMENTWISE.split()}
    table |= {name: _reduction(name) for name in _REDUCTIONS.split()}
    for names, reader in (
        (_SAME, _same), (_RESHAPES, moves.reshape), (_LOOKUPS, _lookup), (_RUNNING, _running), (_DROPOUTS, _dropout),
        ("permute transpose t swapaxes swapdims", moves.permute), ("select", moves.select), ("slice", moves.crop),
        ("split split_with_sizes chunk tensor_split unbind unsafe_split unsafe_chunk unsafe_split_with_sizes", moves.split),
        ("cat concat concatenate", moves.cat), ("stack", moves.stack), ("roll", moves.roll), ("glu", moves.glu),
        ("repeat", moves.repeat), ("copy_", _copy_in_place), ("fill", _fill),
        (_PADS, moves.pad),
        ("pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle", moves.shuffle),
        ("softmax _softmax log_softmax _log_softmax", windows.softmax),
        ("layer_norm native_layer_norm rms_norm _fused_rms_norm", windows.layer_norm),
        (_BATCH_NORMS, windows.batch_norm), ("instance_norm", windows.instance_norm), ("group_norm native_group_norm", windows.group_norm),
        ("linear", products.linear), ("mm matmul bmm", products.product("self", "mat2")),
        ("dot", products.product("self", "tensor")), ("vdot", products.product("self", "other")),
        ("mv", products.product("self", "vec")), ("addmm", products.product("mat1", "mat2", "self")),
        ("addmv", products.product("mat", "vec", "self")),
        ("baddbmm addbmm", products.product("batch1", "batch2", "self")), ("_grouped_mm", products.grouped),
        ("lstm gru rnn_tanh rnn_relu", products.recurrent),
        ("mse_loss l1_loss smooth_l1_loss huber_loss", _loss), ("_weight_norm _weight_norm_interface", _weight_norm),
        ("scaled_dot_product_attention", products.attend), ("nearest _nearest_exact", windows.resize("nearest")),
        ("_upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_lanczos2d_aa",
         _not_followed("antialiased: windows as wide as the scale")),
        ("im2col col2im faltung_unfold faltung_fold", moves.columns),
        ("unfold", _not_followed("windows of one dimension: their positions are not followed")),
    ):  # fmt: skip
        table |= dict.fromkeys(names.split(), reader)
    table["matmul"] = table["linalg_matmul"] = products.product("self", "other")
    for ndim in (1, 2, 3):
        table |= {f"max_pool{ndim}d{more}": windows.pool("max", ndim) for more in ("", "_with_indices")} | {
            f"avg_pool{ndim}d": windows.pool("average", ndim)
        }
        for name, how in (("max", "max"), ("avg", "average")):
            table |= {f"{start}adaptive_{name}_pool{ndim}d": windows.adaptive(how, ndim) for start in ("", "_")}
        table |= {f"upsample_nearest{ndim}d": windows.resize("nearest"), f"_upsample_nearest_exact{ndim}d": windows.resize("nearest")}
    table |= {f"upsample_{name}": windows.resize("linear") for name in ("linear1d", "bilinear2d", "trilinear3d")}
    return table | {"upsample_bicubic2d": windows.resize("cubic")}


def reader_of(namespace: str, name: str) -> Reader | None:
    """The reader of an operator, of which `name` is the name without namespace and overload; None of one that is not known."""
    if namespace == "faltung":
        name = f"faltung_{name}"
    elif namespace not in ("aten", "prims"):
        return None
    table = _table()
    found = table.get(name) or table.get(name.removesuffix("_"))
    return found or (products.attend if name.startswith("_scaled_dot_product") else None)
