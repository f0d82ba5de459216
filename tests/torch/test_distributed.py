"""DDP: one global batch has the same masks on one, two and four processes."""

import os
import subprocess
import sys

import pytest
import torch

from tests.subprocesses import ROOT
from tests.torch.data_parallel import KINDS, ROWS, STEPS, WIDTH
from thinned.mask import keep

WORLDS = [1, 2, 4]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1"}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """What each rank of each job wrote; all jobs run at once."""
    folder = tmp_path_factory.mktemp("jobs")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.torch.data_parallel", str(folder), str(rank), str(world)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for world in WORLDS
        for rank in range(world)
    ]
    try:
        for process in started:
            _, words = process.communicate(timeout=300)
            assert process.returncode == 0, words
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return {world: [torch.load(folder / f"{world}-{rank}.pt") for rank in range(world)] for world in WORLDS}


def batch(ranks):
    """The outputs of all ranks as one global batch: steps, rows, columns."""
    return torch.cat([rank["outputs"] for rank in ranks], dim=1)


@pytest.mark.slow
class TestDDP:
    """gloo, one thread a process."""

    @pytest.mark.parametrize("world", WORLDS)
    def test_masks(self, jobs, world):
        """They are the law's for the global batch, at the layer's own name, step by step."""
        for step, rows in enumerate(batch(jobs[world])):
            mask = keep((ROWS, WIDTH), 0.5, seed=7, site="drop", step=step)
            assert mask.tolist() == (rows != 0).tolist()

    def test_samples_differ(self, jobs):
        """No two rows of a batch have one mask, on whichever ranks they are."""
        for rows in batch(jobs[4]):
            assert ROWS == len({tuple(row) for row in (rows != 0).tolist()})

    @pytest.mark.parametrize("world", WORLDS[1:])
    def test_training(self, jobs, world):
        """So the training is that of one process, but for the order of sums."""
        torch.testing.assert_close(batch(jobs[1]), batch(jobs[world]))
        for one, many in zip(jobs[1][0]["parameters"], jobs[world][0]["parameters"], strict=True):
            torch.testing.assert_close(one, many)

    @pytest.mark.parametrize("world", WORLDS)
    def test_steps(self, jobs, world):
        """Each rank has counted its steps; DDP's broadcast of buffers has not touched them."""
        assert [[7, STEPS]] * world == [rank["address"].tolist() for rank in jobs[world]]

    @pytest.mark.parametrize("world", WORLDS)
    def test_unequal_shards(self, jobs, world):
        """Samples would share masks; so a rank says it, except in evaluation and where `batch` places the rows."""
        said = [rank["said"] for rank in jobs[world]]

        for place in (0, 3)[: len(said[0]) - 2]:  # eager, and compiled
            refusals = [rank[place] for rank in said if rank[place]]
            # Of two neighbours the one that comes second says it.
            assert (1 if world > 1 else 0) <= len(refusals) <= 2
            assert all("contiguous equal shards" in words and "rank 0" in words for words in refusals)
        assert [("", "")] * world == [(rank[1], rank[2]) for rank in said]

    @pytest.mark.parametrize("kind", KINDS)
    def test_sharded_weights(self, jobs, kind):
        """FSDP of either kind: names without its wrappers, masks of the global batch, one key in the state."""
        place = KINDS.index(kind)
        kept = torch.cat([rank["shards"][place][0] for rank in jobs[2]], dim=1)

        for step, rows in enumerate(kept):
            assert keep((ROWS, 16), 0.5, seed=7, site="0.1", step=step).tolist() == rows.tolist()
        assert ["0.0.weight", "0.0.bias", "thinned.address"] == jobs[2][0]["shards"][place][1]

    @pytest.mark.parametrize("world", WORLDS)
    def test_equal_shards_whatever_one_rank_does_besides(self, jobs, world):
        """Copies that one rank keeps, and batches that change from run to run, disturb nothing."""
        assert [[]] * world == [rank["sweep"] for rank in jobs[world]]
        assert all(rank["keys"] <= 40 for rank in jobs[world])
