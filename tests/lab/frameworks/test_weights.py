"""The same start for all: drawn by the law, moved by one unit, read from a file."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from thinned import mask
from thinned.lab.frameworks.weights import DEVIATION, drawn, load, moved, save

START = drawn(6, 16, 3, seed=7)


class TestDrawn:
    """The start itself."""

    def test_it_is_the_laws_normal_at_the_weights_name(self):
        """Scaled, and rounded once to float32."""
        exact = DEVIATION * mask.normal((16, 6), seed=7, site="lin1.weight")

        assert np.array_equal(exact.astype(np.float32), START["lin1.weight"])
        assert not START["lin2.bias"].any()


class TestMoved:
    """A restart."""

    def test_every_weight_moves_by_one_unit_in_its_last_place(self):
        """Some up, some down; biases stay."""
        there = moved(START, 1, seed=7)
        for name in ("lin1.weight", "lin2.weight", "lin3.weight"):
            steps = there[name].view(np.int32) - START[name].view(np.int32)

            assert {-1, 1} == set(steps.ravel().tolist())
        assert np.array_equal(START["lin1.bias"], there["lin1.bias"])

    def test_restarts_differ_and_the_start_is_number_0(self):
        """By the toss of other coins."""
        one, two = (moved(START, restart, seed=7)["lin2.weight"] for restart in (1, 2))

        assert not np.array_equal(one, two)
        assert np.array_equal(START["lin2.weight"], moved(START, 0, seed=7)["lin2.weight"])


class TestFile:
    """The exchange."""

    @pytest.mark.parametrize("name", [*START, "labels"])
    def test_ours_reads_what_the_library_writes_and_reads(self, tmp_path, name):
        """Bit for bit, with shapes and dtypes."""
        arrays = {**START, "labels": np.arange(5)}
        save(arrays, tmp_path / "w.safetensors")
        ours, theirs = load(tmp_path / "w.safetensors")[name], load_file(tmp_path / "w.safetensors")[name]

        assert (arrays[name].dtype, arrays[name].shape) == (ours.dtype, ours.shape)
        assert arrays[name].tobytes() == ours.tobytes() == theirs.tobytes()
