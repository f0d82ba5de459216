"""What holds of every measure."""

import copy
import importlib
import math
from pathlib import Path

import pytest
import torch

from tests.lab.measures.small import context, examples, model, settings
from thinned.lab import measures
from thinned.lab.measures import MEASURES, averages, measuring

NOT_MEASURES = {"__init__", "hidden"}


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    """Few draws: what is tested here does not depend on their number."""
    monkeypatch.setattr(averages, "SAMPLES", (1, 2, 5))


class TestTable:
    """The list of measures."""

    def test_every_file_has_its_line(self):
        """And no line is without a file."""
        files = {file.stem for file in Path(measures.__file__).parent.glob("*.py")} - NOT_MEASURES

        assert files == set(MEASURES)

    @pytest.mark.parametrize("name", MEASURES)
    def test_names_are_documented(self, name):
        """Each result's name stands in the docstring of the function that measures it."""
        configuration = settings(model="published" if name == "published" else "mlp")
        found = measuring(name)(model(configuration), examples(), context(configuration))
        said = importlib.import_module(f"thinned.lab.measures.{name}").measure.__doc__

        assert found
        assert all(math.isfinite(value) for value in found.values())
        for key in found:
            stem = key.partition("[")[0].replace("all_arithmetic", "all_").replace("all_geometric", "all_")
            assert stem.split("_")[0] in said, key


class TestPurity:
    """A measure is a function of the network, the examples and the context."""

    @pytest.mark.parametrize("name", [name for name in MEASURES if name != "published"])
    def test_it_repeats_itself(self, name):
        """To the last bit, whatever PyTorch's generator holds, which it does not move."""
        configuration = settings()
        made = model(configuration)
        first = measuring(name)(copy.deepcopy(made), examples(), context(configuration))
        torch.manual_seed(8)
        state = torch.random.get_rng_state()

        assert first == measuring(name)(copy.deepcopy(made), examples(), context(configuration))
        assert torch.equal(state, torch.random.get_rng_state())
