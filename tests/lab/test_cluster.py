"""Trials on Ray: a cluster of this machine alone, and one of two nodes of which one is lost."""

import base64
import os
import sys
import time
from dataclasses import dataclass

import pytest

from thinned.errors import ConfigurationError
from thinned.lab.cluster import run_all
from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.pool import Cohort
from thinned.lab.task import Networks
from thinned.lab.training import train

ray = pytest.importorskip("ray")

QUICK = Configuration(hidden=(16,), rates=(0.5,), batch=64, epochs=40)
WHERE = {"data": "digits", "data_dir": None}

PATIENCE_S = 120
"""For what takes a second on a machine that has nothing else to do."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    # JAX, where another test has imported it, warns of every fork; Ray forks and goes on in a new program.
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning", "ignore::FutureWarning", r"ignore:os\.fork\(\) was called:RuntimeWarning"
    ),
]


def tasks(*seeds):
    """Trials of one configuration."""
    return [{"configuration": QUICK.as_json(), "seed": seed} for seed in seeds]


def by_value(task):
    """A task for processes that cannot import this file."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return base64.b64encode(cloudpickle.dumps(task)).decode()


@dataclass(frozen=True, slots=True, eq=False)
class Gated(Networks):
    """Training that tells of its first epoch, and goes on when somebody opens the gate.

    Without it a trial of a moment could be over, or not begun, when its node is killed, on a machine that has other
    things to do.
    """

    gate: str = ""

    def run(self, settings, seed, epoch_done=lambda _: None):
        """The same outcome."""

        def waits(epoch):
            epoch_done(epoch)
            if epoch == 1:
                until = time.monotonic() + PATIENCE_S
                while not os.path.exists(self.gate) and time.monotonic() < until:
                    time.sleep(0.02)

        return train(Configuration.from_json(settings), seed, self.data, waits)


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one processor each; the first holds the cluster's head."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv(
        "RAY_memory_monitor_refresh_ms", "0"
    )  # another process's memory is not this test's affair
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = found.add_node(wait=False, num_cpus=1)
        found.wait_for_nodes(timeout=PATIENCE_S)
        ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
        yield found, second
    finally:
        ray.shutdown()
        found.shutdown()


class TestRunAll:
    """The same outcomes, wherever they come from."""

    def test_a_lost_nodes_trial_runs_again(self, cluster, tmp_path):
        """Once; every outcome is the one that this process finds, bit for bit, and so is a cohort's number."""
        nodes, second = cluster
        gate = tmp_path / "open"
        where = {"own": by_value(Gated(load("digits"), "digits", gate=str(gate)))}
        cohorts = [Cohort((0,)), Cohort((1,)), Cohort((2, 3), "cpu")]
        events = []
        for event in run_all(tasks(0, 1, 2, 3), where, "auto", cohorts):
            events.append(event)
            if (
                len(events) == 2
            ):  # a node has one processor, so each of the two waits at the gate of its own trial
                nodes.remove_node(second, allow_graceful=False)
                # Its worker outlives it by a moment, in which an open gate would let it finish.
                until = time.monotonic() + PATIENCE_S
                while sum(node["Alive"] for node in ray.nodes()) > 1 and time.monotonic() < until:
                    time.sleep(0.1)
                time.sleep(2)
                gate.touch()
        outcomes = {event.index: event.content for event in events if event.kind == "outcome"}

        assert [(0, "epoch"), (1, "epoch")] == sorted((event.index, event.kind) for event in events[:2])
        assert [event for event in events if event.kind == "failed"] == []
        assert 1 == len([event for event in events if event.kind == "retry" and event.index < 2])
        assert [0, 1, 2, 3] == sorted(event.index for event in events if event.kind == "outcome")
        for seed in (0, 1):
            assert train(QUICK, seed, load("digits")).as_json() == outcomes[seed]["outcome"]
        assert "stacked" in outcomes[2]
        assert ray.is_initialized()  # who connected is who disconnects

    def test_no_cluster_at_an_address_is_an_error_that_says_so(self):
        """And how to start one."""
        with pytest.raises(ConfigurationError, match="ray start"):
            list(run_all(tasks(0), WHERE, "127.0.0.1:1"))
