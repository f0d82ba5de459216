"""Trials on Ray: a cluster of this machine alone, and one of two nodes of which one is lost."""

import pytest

from thinned.errors import ConfigurationError
from thinned.lab.cluster import run_all
from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.pool import Cohort
from thinned.lab.training import train

ray = pytest.importorskip("ray")

QUICK = Configuration(hidden=(16,), rates=(0.5,), batch=64, epochs=40)
WHERE = {"data": "digits", "data_dir": None}

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning"),
]


def tasks(*seeds):
    """Trials of one configuration."""
    return [{"configuration": QUICK.as_json(), "seed": seed} for seed in seeds]


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one processor each; the first holds the cluster's head."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = found.add_node(num_cpus=1)
    ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
    yield found, second
    ray.shutdown()
    found.shutdown()


class TestRunAll:
    """The same outcomes, wherever they come from."""

    def test_a_lost_nodes_trial_runs_again(self, cluster):
        """Once; every outcome is the one that this process finds, bit for bit, and so is a cohort's number."""
        nodes, second = cluster
        events, killed = [], False
        cohorts = [Cohort((0,)), Cohort((1,)), Cohort((2, 3), "cpu")]
        for event in run_all(tasks(0, 1, 2, 3), WHERE, "auto", cohorts):
            events.append(event)
            if not killed and len({each.index for each in events}) > 1:  # both nodes are at work
                killed = True
                nodes.remove_node(second, allow_graceful=False)
        outcomes = {event.index: event.content for event in events if event.kind == "outcome"}

        assert killed
        assert any(event.kind == "retry" for event in events)
        assert [0, 1, 2, 3] == sorted(event.index for event in events if event.kind == "outcome")
        for seed in (0, 1):
            assert train(QUICK, seed, load("digits")).as_json() == outcomes[seed]["outcome"]
        assert "stacked" in outcomes[2]
        assert ray.is_initialized()  # who connected is who disconnects

    def test_no_cluster_at_an_address_is_an_error_that_says_so(self):
        """And how to start one."""
        with pytest.raises(ConfigurationError, match="ray start"):
            list(run_all(tasks(0), WHERE, "127.0.0.1:1"))
