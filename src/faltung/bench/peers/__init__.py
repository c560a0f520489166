"""Other libraries doing the same work: who there is, and who takes part.

A peer says whether it can do a workload, and prepares a callable for it in its best configuration (or, for
``torch``, as people call it); what it prepares, layouts and packed weights included, is not timed. Libraries
are imported when a peer prepares its first workload.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util

from faltung.bench.peers.jax_jit import JaxPeer
from faltung.bench.peers.ncnn_net import NcnnPeer
from faltung.bench.peers.onnx_runtime import OnnxRuntimePeer
from faltung.bench.peers.opencv_filters import OpencvPeer
from faltung.bench.peers.openvino_model import OpenvinoPeer
from faltung.bench.peers.peer import Arrays, Peer, Prepared, refusal_of
from faltung.bench.peers.pytorch import TorchBestPeer, TorchPeer
from faltung.bench.peers.scipy_filters import ScipyPeer
from faltung.errors import ConvError, one_of

__all__ = ["PEERS", "Arrays", "Peer", "Prepared", "chosen_peers", "missing_peers", "refusal_of", "version_of"]

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (TorchPeer(), TorchBestPeer(), OnnxRuntimePeer(), OpenvinoPeer(), NcnnPeer(), JaxPeer(), OpencvPeer(), ScipyPeer())
}


def chosen_peers(names: str | None) -> tuple[Peer, ...]:
    """The peers in a comma-separated list; without one, all that are installed.

    Raises
    ------
    ConvError
        A name is unknown, or its package is not installed.

    >>> [peer.name for peer in chosen_peers("scipy")], chosen_peers("none")
    (['scipy'], ())
    """
    if names is None:
        return tuple(peer for peer in PEERS.values() if _is_installed(peer))
    if names.strip() in ("", "none"):
        return ()
    chosen = {}
    for name in names.split(","):
        peer = PEERS[one_of("peer", name.strip(), [*PEERS, "none"], ConvError)]
        if not _is_installed(peer):
            raise ConvError(
                f"peer {peer.name!r} needs {peer.distribution}, which is not installed.",
                f"Run pip install {peer.distribution}, or leave it out.",
            )
        chosen[peer.name] = peer
    return tuple(chosen.values())


def missing_peers() -> tuple[Peer, ...]:
    """The peers that are not installed."""
    return tuple(peer for peer in PEERS.values() if not _is_installed(peer))


def _is_installed(peer: Peer) -> bool:
    return importlib.util.find_spec(peer.package) is not None


def version_of(distribution: str) -> str:
    """The installed version of `distribution`."""
    return importlib.metadata.version(distribution)
