"""The chapter in Keras, on each of its backends, in a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.subprocesses import ROOT

CODE = """
import sys
sys.path.insert(0, "examples")
import chapter_keras as chapter
import keras
import numpy as np
from thinned.lab.data import load

x = keras.ops.reshape(keras.ops.arange(16, dtype="float32"), (2, 8))
u = np.linspace(0, 1, 16, endpoint=False, dtype="float32").reshape(2, 8)
whole, half, none = (np.array(keras.ops.convert_to_numpy(chapter.dropout_layer(x, p, u))) for p in (0.0, 0.5, 1.0))
assert np.array_equal(whole, np.arange(16).reshape(2, 8))
assert np.array_equal(half, np.where(u < 0.5, 0, 2 * np.arange(16).reshape(2, 8)))
assert not none.any()

curves, difference = chapter.lesson(load("digits"), {epochs})
assert [curve.title for curve in curves] == ["from scratch", "from scratch, the law's draws", "with layers"]
textbook, scratch, layers = (curve.values for curve in curves)
# Keras' mean computes the loss in float32 on PyTorch and JAX: some roundings of 2^-24 a step, the weights below 1.
steps = {epochs} * 6
assert difference < steps * 10 * 2**-24, difference
for name, values in scratch.items():
    assert np.allclose(values, layers[name], rtol=1e-4, atol=2 / 355)  # one test image more or less may be a tie
assert textbook["training loss"] != scratch["training loss"]
"""


class TestChapter:
    """`examples/chapter_keras.py`."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("backend", "epochs"),
        [
            ("torch", 4),
            pytest.param("jax", 2, marks=pytest.mark.long),
            pytest.param("tensorflow", 2, marks=pytest.mark.long),
        ],
    )
    def test_lesson(self, backend, epochs):
        """From scratch and with layers are one network, on the law's draws."""
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(epochs=epochs)],
            cwd=ROOT,
            env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

        assert done.returncode == 0, done.stderr
        assert "with layers" in done.stdout
