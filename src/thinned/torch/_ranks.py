"""Ranks of torch.distributed that hold parts of one batch: where their rows lie, and that they are equal many."""

from typing import Any

import torch

from thinned.errors import BindError

_KEPT = 256
"""How many calls a rank may be ahead of another before what it said is forgotten."""


def world() -> tuple[int, int] | None:
    """How many ranks there are and which this is; None for a process on its own."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return None
    size = torch.distributed.get_world_size()
    return (size, torch.distributed.get_rank()) if size > 1 else None


class Ranks:
    """What the ranks of one job say to each other of one bound model.

    Contiguous equal shards put rank r at row `r * rows`, which is right only where `rows` is the same on all; with
    unequal ones two samples would share a mask. So the first rank to come to a call writes its rows into the store
    that torch.distributed keeps, and every other compares. Nobody waits for anybody: a rank that differs raises
    before it takes part in a gradient.

    Args:
        name: of the model, the same on each rank.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls = 0

    def begin(self) -> None:
        """A training call begins here."""
        self._calls += 1

    def compare(self, rows: int, place: int) -> None:
        """Raise if another rank holds other than `rows` rows.

        Args:
            rows: of axis 0, here.
            place: which of the sizes that this call has met.

        Raises:
            BindError: says both numbers, and what to do.
        """
        store: Any = torch.distributed.distributed_c10d._get_default_store()
        said = store.compare_set(self._key(self._calls, place), "", str(rows)).decode()
        if said != str(rows):
            rank = torch.distributed.get_rank()
            raise BindError(
                f"expected as many rows on every rank, contiguous equal shards of one batch; got {rows} on rank "
                f"{rank} where another rank has {said}, so samples would share masks. Use a sampler that pads or "
                "drops the last rows (DistributedSampler does), or say where the rows lie: "
                "thinned.torch.bind(model, seed, batch=(axis, global_size, start))."
            )
        if self._calls > _KEPT and place == 0:
            store.delete_key(self._key(self._calls - _KEPT, 0))

    def _key(self, call: int, place: int) -> str:
        return f"thinned/{self._name}/{call}/{place}"
