"""Pieces of a zarr array: what one task writes, alone, and how it is told that a piece is as it was written.

A piece is a block of the dask array. Its borders are borders of the stored chunks (of shards, where there are any),
so no two tasks write the same file, and each file appears whole or not at all (zarr writes beside and renames):
a piece may be written twice, by two processes at once, and be the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from faltung.dask.unfinished import Receipt
from faltung.extras import optional

__all__ = ["aligned_chunks", "piece_region", "read_receipt", "write_piece"]


def aligned_chunks(chunks: Sequence[Sequence[int]], unit: Sequence[int] | None) -> tuple[tuple[int, ...], ...]:
    """Chunks of a dask array of which each is stored by itself.

    Parameters
    ----------
    chunks : sequence of sequences
        Of the dask array.
    unit : sequence of int, optional
        What is stored as one file. Without it, the blocks themselves, which must then be equal but for the last.

    >>> aligned_chunks([(3, 3, 2), (4, 5)], None)
    ((3, 3, 2), (5, 4))
    >>> aligned_chunks([(6, 6, 2), (4, 5)], (3, 5))
    ((6, 6, 2), (5, 4))
    """
    aligned = []
    for axis, sizes in enumerate(chunks):
        step = max(max(sizes), 1) if unit is None else unit[axis]
        total, border = sum(sizes), 0
        fits = len(sizes) < 2 or all(sizes)
        for size in sizes[:-1]:
            border += size
            fits = fits and border % step == 0
        if unit is None:
            fits = fits and sizes[-1] <= step
        if fits:
            aligned.append(tuple(sizes))
            continue
        block = max(step, max(sizes) // step * step)
        aligned.append(tuple(end - begin for begin, end in pairwise([*range(0, total, block), total])) or (0,))
    return tuple(aligned)


def piece_region(chunks: Sequence[Sequence[int]], index: Sequence[int]) -> tuple[slice, ...]:
    """The cells of a block.

    >>> piece_region([(3, 3, 2), (5, 4)], (2, 0))
    (slice(6, 8, None), slice(0, 5, None))
    """
    begins = [sum(sizes[:place]) for sizes, place in zip(chunks, index, strict=True)]
    return tuple(slice(begin, begin + sizes[place]) for begin, sizes, place in zip(begins, chunks, index, strict=True))


def write_piece(block: Any, *, target: Any, blocks: Sequence[Sequence[int]], block_id: tuple[int, ...]) -> Receipt:
    """Write a block to its place in the zarr array `target`; the task of a worker."""
    # Zarr leaves out chunks that hold the fill value alone, and looks at every cell to know. It is spared that, a third of the time
    # that storing takes, where the first cells of all chunks tell already that there is none.
    corners = block[tuple(slice(None, None, size) for size in target.chunks)]
    writing = (
        target
        if (corners == target.fill_value).any() or not hasattr(target, "with_config")
        else target.with_config({"write_empty_chunks": True})
    )
    writing[piece_region(blocks, block_id)] = block
    return read_receipt(target, blocks, block_id)


def read_receipt(target: Any, chunks: Sequence[Sequence[int]], index: tuple[int, ...]) -> Receipt:
    """The size and checksum of a piece's files, as they stand on the disk."""
    crc = optional("google_crc32c", extra="dask", purpose="storing arrays as zarr", package="google-crc32c")
    stored_bytes, checksum = 0, 0
    for path in _files(target, piece_region(chunks, index)):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # a chunk of nothing but the fill value has no file
            content = b""
        stored_bytes += len(content)
        checksum = crc.extend(checksum, len(content).to_bytes(8, "little") + content)
    return Receipt(tuple(index), stored_bytes, checksum)


def _files(target: Any, region: Sequence[slice]) -> Iterator[Path]:
    """The files that hold these cells, in order."""
    unit = target.shards or target.chunks
    folder = Path(target.store_path.store.root) / target.store_path.path
    ranges = [range(cells.start // size, -(-cells.stop // size)) for cells, size in zip(region, unit, strict=True)]
    for place in product(*ranges):
        yield folder / target.metadata.encode_chunk_key(place)
