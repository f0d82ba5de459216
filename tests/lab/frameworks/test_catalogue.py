"""Who can take part, and what is said of those who cannot."""

from pathlib import Path

import pytest

from thinned.errors import ConfigurationError
from thinned.lab import frameworks
from thinned.lab.frameworks.catalogue import FRAMEWORKS, Absent, Found, choose, environment, look

FOLDER = Path(frameworks.__file__).parent


class TestCatalogue:
    """The rows."""

    @pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda each: each.name)
    def test_each_has_a_file_with_a_trainer(self, framework):
        """Which is all that a further framework needs."""
        assert "class Trainer:" in (FOLDER / f"{framework.module}.py").read_text(encoding="utf-8")

    def test_choosing_keeps_the_catalogues_order(self):
        """The first is the reference, however they were named."""
        assert ["numpy", "jax"] == [each.name for each in choose(["jax", "numpy"])]

    @pytest.mark.parametrize("names", [["torch"], ["torch", "torch"], ["torch", "caffe"], []])
    def test_fewer_than_two_and_unknown_names_are_refused(self, names):
        """With the names that there are."""
        with pytest.raises(ConfigurationError, match="two or more of the frameworks numpy, torch, jax"):
            choose(names)

    def test_threads_are_one_and_the_backend_is_told(self):
        """In every process."""
        keras = next(each for each in FRAMEWORKS if each.name == "keras-jax")

        assert ("1", "jax") == (environment(keras)["OMP_NUM_THREADS"], environment(keras)["KERAS_BACKEND"])


class TestLook:
    """What is installed here."""

    def test_what_is_installed_is_found_with_its_versions(self):
        """NumPy always is."""
        (found,) = look(choose(["numpy", "torch"])[:1])

        assert isinstance(found, Found)
        assert {"numpy", "python", "thinned"} == set(found.versions)

    def test_an_interpreter_that_is_not_there_is_named(self, tmp_path):
        """And what makes one."""
        (absent,) = look(FRAMEWORKS[-1:], tmp_path / "python")

        assert isinstance(absent, Absent)
        assert str(tmp_path / "python") in absent.reason
        assert "make test-mxnet" in absent.reason

    def test_an_interpreter_without_mxnet_says_what_it_lacks(self, tmp_path):
        """In its own last words."""
        fake = tmp_path / "python"
        fake.write_text("#!/bin/sh\necho 'no module mxnet' >&2; exit 1\n")
        fake.chmod(0o755)
        (absent,) = look(FRAMEWORKS[-1:], fake)

        assert isinstance(absent, Absent)
        assert "cannot import thinned and mxnet: no module mxnet" in absent.reason
