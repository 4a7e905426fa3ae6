"""Many patches predicted by several processes: each fills a part of a chunk cache, from which all are then read."""

from collections.abc import Callable
from typing import Any

from core.cluster import Piece, Where, carry_out
from core.progress import Progress
from core.scoring.chunks import ChunkCache

CHUNKS = 32
"""Chunks in a shard: enough that opening the data set is soon worth it, few enough that all processes end together."""


def fill(
    keep: ChunkCache,
    total: int,
    call: Callable[..., Any],
    arguments: dict[str, Any],
    *,
    where: Where,
    progress: Progress,
) -> None:
    """Let shards be predicted until the cache has all chunks.

    Args:
        keep: the cache.
        total: patches.
        call: predicts those of its `span` into the cache, see :class:`core.cluster.Piece`.
        arguments: its others, among them `device`.
        where: the shards are predicted.
        progress: receives the finished share.

    Raises:
        Cancelled: somebody requested the end.
        NodescopeError: a shard failed.
    """
    size = CHUNKS * keep.step
    spans = [(start, min(start + size, total)) for start in range(0, total, size)]
    pieces = [
        Piece(
            f"patches {span[0] + 1:,} to {span[1]:,}",
            keep.path / "claims" / f"{span[0]:010}",
            call,
            {**arguments, "span": span},
        )
        for span in spans
        if keep.lacks(*span)
    ]
    with where.pool(arguments["device"]) as pool:
        for _, outcome in carry_out(pool, pieces, progress=progress):
            outcome.result()
