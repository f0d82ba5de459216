"""The three backends, each in a process of its own, since Keras has one for ever."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.subprocesses import ROOT, python

BACKENDS = ["torch", "jax", "tensorflow"]
HERE = "tests/keras"
ELSEWHERE = [
    f"{HERE}/test_loops.py",
    f"{HERE}/test_catalogue.py::TestEvery",
    f"{HERE}/test_schedules.py",
    f"{HERE}/test_dropconnect.py",
    f"{HERE}/test_convert.py::TestConvert::test_other_noise",
    f"{HERE}/test_layers.py::TestDropout",
    f"{HERE}/test_layers.py::TestEvery::test_a_key_of_the_generator",
    f"{HERE}/test_bind.py::TestAddresses",
    f"{HERE}/test_bind.py::TestTraining",
    f"{HERE}/test_bind.py::TestBatch",
    f"{HERE}/test_bind.py::TestRecomputation",
    f"{HERE}/test_saving.py::TestModels",
    f"{HERE}/test_saving.py::TestWeights",
    f"{HERE}/test_saving.py::TestCopies::test_pickle",
    f"{HERE}/test_saving.py::TestInside",
    f"{HERE}/test_saving.py::TestOtherFiles",
]
"""Tests that depend on the backend."""

LONG = [f"{HERE}/test_structures.py", f"{HERE}/test_weights.py"]
"""More of them, by `make test-long`."""

TOLERANCES = {"reported": 1e-5, "evaluated": 1e-5}
"""Relative. The networks are in float64, but Keras' mean, and with it the loss and its gradient, is computed in
float32 on PyTorch and JAX: each of twelve steps carries some ten roundings of 2^-24 into the weights, 7e-6 in all;
what is seen is 2e-7."""

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the process that has PyTorch runs the others"
)


def run(arguments, backend):
    """A process with this backend; float64 where it is asked for."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_elsewhere(backend):
    """What holds on PyTorch holds there."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]

    assert " passed" in run(["-m", "pytest", *options, *ELSEWHERE], backend)


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_structures_and_weights_elsewhere(backend):
    """The same, of layers that hold others, and of those that change weights."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]

    assert " passed" in run(["-m", "pytest", *options, *LONG], backend)


@pytest.fixture(scope="module")
def journeys(tmp_path_factory):
    """What each backend found; each goes on from the file of the one before."""
    folder = tmp_path_factory.mktemp("journey")
    found = {}
    for number, backend in enumerate(BACKENDS):
        before = BACKENDS[number - 1 : number] if number else []
        os.environ["JAX_ENABLE_X64"] = "1"
        try:
            run([f"{HERE}/journey.py", str(folder), *before], backend)
        finally:
            del os.environ["JAX_ENABLE_X64"]
        found[backend] = json.loads((folder / f"{backend}.json").read_text())
    return found


class TestJourney:
    """One training, in float64, on three backends and across them."""

    def test_masks(self, journeys):
        """Are the law's everywhere, also in a model that another backend saved."""
        for found in journeys.values():
            assert [True] * 4 == list(found["masks"].values())

    @pytest.mark.parametrize("backend", BACKENDS[1:])
    @pytest.mark.parametrize(("which", "tolerance"), TOLERANCES.items())
    def test_losses(self, journeys, backend, which, tolerance):
        """Differ by rounding alone; one wrong mask would change their first digits."""
        ours, theirs = journeys[backend]["whole"][which], journeys["torch"]["whole"][which]

        assert np.allclose(ours, theirs, rtol=tolerance, atol=0)
        assert not np.allclose(ours[1:], theirs[:-1], rtol=1e-3, atol=0)

    @pytest.mark.parametrize(("backend", "first"), [("jax", 4), ("tensorflow", 8)])
    @pytest.mark.parametrize(("which", "tolerance"), TOLERANCES.items())
    def test_going_on_from_another(self, journeys, backend, first, which, tolerance):
        """A model saved on one backend trains on on another as if it had never been elsewhere."""
        assert first == journeys[backend]["from"]
        expected = journeys["torch"]["whole"][which][first : first + 4]

        assert np.allclose(journeys[backend]["continued"][which], expected, rtol=tolerance, atol=0)


class TestImports:
    """`import thinned.keras`."""

    CODE = """
        import sys
        NAMES = ("torch", "jax", "tensorflow")
        import keras
        before = {{name for name in NAMES if name in sys.modules}}
        import {0}
        print(*[name for name in NAMES if name in sys.modules and name not in before])
        print(*[name for name in NAMES if f"thinned.{{name}}" in sys.modules])
    """

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_brings_one_front_end(self, backend):
        """That of the backend, and no framework that Keras itself has not brought (JAX, where Orbax is)."""
        code = self.CODE.format("thinned.keras")

        assert ["", backend] == python(code, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL=3)[0].splitlines()

    def test_the_check_can_fail(self):
        """It sees what really is imported."""
        code = self.CODE.format("thinned.keras, thinned.tensorflow")

        assert ["tensorflow", "torch tensorflow"] == python(code, KERAS_BACKEND="torch")[0].splitlines()

    def test_settles_nothing(self):
        """Keras' settings can still be made after it."""
        code = """
            import keras, thinned.keras
            keras.config.set_floatx("float64")
            print(thinned.keras.layers.Dropout(0.5).compute_dtype)
        """

        assert ["float64"] == python(code, KERAS_BACKEND="torch")[0].split()

    def test_a_backend_that_is_not_installed(self):
        """Is named, with the extra that brings it."""
        code = """
            import sys
            sys.modules["jax"] = None
            class Absent:
                def find_spec(self, name, path=None, target=None):
                    if name.partition(".")[0] == "jax":
                        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            del sys.modules["jax"]
            sys.meta_path.insert(0, Absent())
            try:
                import thinned.keras
            except ImportError as error:
                print(type(error).__name__, error)
        """
        said = python(code, KERAS_BACKEND="jax")[0]

        assert "MissingExtraError expected the backend that Keras is set to, 'jax'" in said
        assert "pip install 'thinned[keras,jax]'" in said

    @pytest.mark.parametrize(
        ("before", "message"),
        [
            ("sys.modules['keras'] = None", "pip install 'thinned[keras]'"),
            ("import keras; keras.__version__ = '3.9.2'", "expected keras 3.10 or newer; got 3.9.2"),
            ("import keras; keras.backend.backend = lambda: 'numpy'", "one of torch, jax, tensorflow; got"),
        ],
        ids=["absent", "old", "numpy"],
    )
    def test_keras_that_will_not_do(self, before, message):
        """Absent, too old, or on a backend that has no dropout of ours."""
        code = f"import sys; {before}\ntry: import thinned.keras\nexcept ImportError as error: print(error)"

        assert message in python(code, KERAS_BACKEND="torch")[0]
