"""Ranks of torch.distributed that hold parts of one batch: where their rows lie, and that they are equal many."""

from collections import Counter
from typing import Any

import torch

from thinned.errors import BindError


def world() -> tuple[int, int] | None:
    """How many ranks there are and which this is; None for a process on its own."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return None
    size = torch.distributed.get_world_size()
    return (size, torch.distributed.get_rank()) if size > 1 else None


class Ranks:
    """What the ranks of one job say to each other of one bound model.

    Contiguous equal shards put rank r at row `r * rows`, which is right only where `rows` is the same on all; with
    unequal ones two samples would share a mask. So each rank tells its two neighbours, through the store that
    torch.distributed keeps: of two ranks the first to come to a step writes its rows, and the second compares and
    clears. Nobody waits for anybody, and a rank that differs raises before it takes part in a gradient.

    Args:
        what: the model, in words that are the same on each rank.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._name: str | None = None

    def compare(self, step: int, rows: int, place: int, draw: int = 0) -> None:
        """Raise if a neighbour holds other than `rows` rows.

        Args:
            step: of the call.
            rows: of axis 0, here.
            place: which of the sizes that this call has met.
            draw: of the call, one of several at its step.

        Raises:
            BindError: says both numbers, and what to do.
        """
        found = world()
        if found is None or torch.distributed.get_backend() == "fake":
            return
        if self._name is None:
            # Counted at the first training call: copies that one rank alone keeps make none.
            _made[self._what] += 1
            self._name = f"{self._what}-{_made[self._what]}"
        size, rank = found
        for one, other in {(rank, (rank + 1) % size), ((rank - 1) % size, rank)}:
            self._compare(f"thinned/{self._name}/{one}-{other}/{step}/{draw}/{place}", step, rows, rank)

    @staticmethod
    def _compare(key: str, step: int, rows: int, rank: int) -> None:
        store: Any = torch.distributed.distributed_c10d._get_default_store()
        mine = f"{rows} on rank {rank}"
        said = store.compare_set(key, "", mine).decode()
        if said == mine:
            return
        store.delete_key(key)
        if said.partition(" ")[0] != str(rows):
            raise BindError(
                "expected as many rows on every rank at one step, contiguous equal shards of one batch; got "
                f"{mine}, {said}, at step {step}, so samples would share masks. Use a sampler that pads or drops "
                "the last rows (DistributedSampler does), or say where the rows lie: "
                "thinned.torch.bind(model, seed, batch=(axis, global_size, start)). If the shards are equal, a "
                "rank made a training call that the others did not, and their steps have drifted apart."
            )


_made: Counter[str] = Counter()
