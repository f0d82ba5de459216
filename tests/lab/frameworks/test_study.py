"""The whole study, small: real processes, few steps, narrow layers."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thinned.errors import ConfigurationError
from thinned.lab.data import load
from thinned.lab.frameworks import numpy as in_numpy
from thinned.lab.frameworks.material import lay_out
from thinned.lab.frameworks.records import Store
from thinned.lab.frameworks.setting import Setting
from thinned.lab.frameworks.study import FrameworksStudy
from thinned.lab.frameworks.worker import run

BASE = Setting("float64", "law", 0, 12, 0, hidden=16)
MXNET = os.environ.get("THINNED_MXNET_PYTHON")


def study(out, *names, **changes):
    """Two restarts of one epoch, in these frameworks."""
    return FrameworksStudy(
        names, **{"data": "digits", "restarts": 2, "epochs": 1, "out": out, "base": BASE} | changes
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A study in three frameworks, and what it found."""
    asked = study(tmp_path_factory.mktemp("study"), "numpy", "torch", "jax")
    return asked, asked.run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a process reads."""
    folder = tmp_path_factory.mktemp("material")
    assert list(range(12)) == list(lay_out(folder, load("digits"), BASE, 0))
    return folder


class TestStudy:
    """In NumPy, PyTorch and JAX."""

    def test_every_mask_is_the_laws(self, done):
        """In each training of each framework: 12 steps in float64, thrice 5 in float32, two sites."""
        lines = done[1].lines

        assert ["numpy", "torch", "jax"] == [line.runs.found.framework.name for line in lines]
        assert {(54, 54 * 256 * 16, 0, True)} == {
            (line.masks, line.elements, line.mismatches, line.chains) for line in lines
        }

    def test_the_chains_are_equal_and_no_constant(self, done):
        """Across frameworks; after another number of steps it is another."""
        chains = {line.runs.exact.outcome["ledger"]["chain"] for line in done[1].lines}

        assert 1 == len(chains)
        assert done[1].lines[0].runs.plain.outcome["ledger"]["chain"] not in chains

    def test_losses_are_equal_within_the_bounds(self, done):
        """And not because nothing was compared: float32 differs from float64."""
        first, *others = done[1].lines
        exact, plain = (run.outcome["losses"] for run in (first.runs.exact, first.runs.plain))

        assert all(line.float64 <= 1e-8 and line.float32 <= 1e-5 for line in others)
        assert (12, 5) == (len(exact), len(plain))
        assert exact[:5] != plain

    def test_built_in_dropouts_part(self, done):
        """From the same start and batches: by a thousand times and more what the law's masks do."""
        first, *others = (np.array(line.runs.built_in.outcome["losses"]) for line in done[1].lines)

        assert all(np.max(np.abs(each - first) / first) > 1e-9 for each in others)
        assert all(line.float64 < 1e-12 for line in done[1].lines[1:])

    def test_again_it_repeats_nothing(self, done):
        """All 15 trainings are in the records."""
        asked, first = done
        again = asked.run()

        assert (15, 0) == (first.new, first.reused)
        assert (0, 15) == (again.new, again.reused)
        assert first.lines == again.lines

    def test_a_torn_line_is_trained_again_and_the_others_stay(self, done, tmp_path):
        """The file is only appended to."""
        lines = done[0].store().path.read_bytes().splitlines(keepends=True)
        torn = b"".join(lines[:-1]) + lines[-1][:100]
        store = Store(tmp_path / "records.jsonl")
        store.path.write_bytes(torn)
        again = study(tmp_path, "numpy", "torch", "jax").run()

        assert (1, 14) == (again.new, again.reused)
        assert store.path.read_bytes().startswith(torn + b"\n")

    def test_another_seed_is_another_training(self, done, tmp_path):
        """With other records, and other weights."""
        asked, _ = done
        found = next(line.runs.found for line in done[1].lines)

        assert asked.key(found, BASE) != asked.key(found, replace(BASE, seed=1))

    @pytest.mark.parametrize(
        ("changes", "message"), [({"restarts": 1}, "2 restarts"), ({"epochs": 0}, "1 epoch")]
    )
    def test_what_cannot_be_judged_is_refused(self, tmp_path, changes, message):
        """Before anything is trained."""
        with pytest.raises(ConfigurationError, match=message):
            study(tmp_path, "numpy", "torch", **changes)


@pytest.mark.slow
class TestFurtherFrameworks:
    """In those whose import alone takes seconds."""

    def test_masks_and_losses_are_the_same(self, tmp_path):
        """Flax, TensorFlow, one of Keras' backends; and MXNet, where THINNED_MXNET_PYTHON names its interpreter."""
        names = ("numpy", "flax", "tensorflow", "keras-torch") + ("mxnet",) * bool(MXNET)
        result = study(tmp_path, *names, mxnet_python=MXNET and Path(MXNET)).run()

        assert names == tuple(line.runs.found.framework.name for line in result.lines)
        assert all(line.same_masks and line.same_losses for line in result.lines)


class WrongSeed(in_numpy.Trainer):
    """Its dropout has the next seed; all else is the same."""

    def __init__(self, setting, weights):
        super().__init__(replace(setting, seed=setting.seed + 1), weights)


class TestRun:
    """One training, in this process."""

    def test_a_wrong_seed_in_one_framework_is_found(self, folder):
        """About half of all elements are not the law's, and the chain is another."""
        right, wrong = (run(kind, BASE, folder)["ledger"] for kind in (in_numpy.Trainer, WrongSeed))

        assert 0 == right["mismatches"] < wrong["mismatches"]
        assert right["expected"] == right["chain"] != wrong["chain"]

    def test_it_ends_where_a_loss_is_not_finite(self, folder):
        """So that its losses are fewer than its steps, and it counts as diverged."""
        with np.errstate(all="ignore"):
            outcome = run(in_numpy.Trainer, replace(BASE, lr=1e200), folder)

        assert len(outcome["losses"]) < BASE.steps
