"""DDP with blocks that do not run: two processes train as one does, without `find_unused_parameters`."""

import os
import subprocess
import sys

import pytest
import torch

import thinned.torch as tt
from tests.subprocesses import ROOT
from tests.torch.layers.blocks_in_parallel import ROWS, SEED, STEPS, Net, train

WORLD = 2
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1"}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each process wrote."""
    folder = tmp_path_factory.mktemp("jobs")
    script = "tests.torch.layers.blocks_in_parallel"
    started = [
        subprocess.Popen(
            [sys.executable, "-m", script, str(folder), str(rank), str(WORLD)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(WORLD)
    ]
    try:
        for process in started:
            _, words = process.communicate(timeout=300)
            assert process.returncode == 0, words
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.slow
class TestDDP:
    """gloo, one thread a process."""

    def test_training(self, ranks):
        """Outputs and weights are those of one process, but for the order of sums."""
        outputs, parameters = train(tt.bind(Net(), SEED), 0, ROWS)

        torch.testing.assert_close(outputs, torch.cat([rank[0] for rank in ranks], dim=1))
        for rank in ranks:
            torch.testing.assert_close(parameters, rank[1])

    def test_blocks_are_dropped(self):
        """In some steps and not in others: the facts above are about something."""
        model, runs = tt.bind(Net(), SEED), []
        for block in [*(b.branch for b in model.blocks), *model.stack]:
            block.register_forward_hook(lambda *_: runs.append(1))
        train(model, 0, ROWS)

        assert 0 < len(runs) < 8 * STEPS
