"""With what, on what, and from which sources."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from thinned import __version__
from thinned.lab import provenance
from thinned.lab.data import load
from thinned.lab.provenance import fingerprint, git_state, machine, versions

DIGITS = load("digits")


class TestProvenance:
    """What every record says."""

    def test_versions_are_those_that_run(self):
        """This library's and NumPy's own."""
        assert (__version__, np.__version__) == (versions()["thinned"], versions()["numpy"])

    def test_the_machine_has_a_name(self):
        """A processor and a platform, never empty."""
        assert all(machine().values())

    def test_sources_that_git_does_not_track_have_no_commit(self, tmp_path, monkeypatch):
        """An installed wheel inside somebody's repository is not that repository."""
        (tmp_path / "lab").mkdir()
        monkeypatch.setattr(provenance, "__file__", str(tmp_path / "lab" / "provenance.py"))

        assert git_state.__wrapped__() is None

    def test_no_git_is_no_commit(self, monkeypatch):
        """Not an error."""
        monkeypatch.setenv("PATH", str(Path("/nowhere")))

        assert git_state.__wrapped__() is None


class TestFingerprint:
    """Of all four arrays."""

    def test_one_changed_value_changes_it(self):
        """In either part, features or labels."""
        others = []
        for name in ("train_x", "train_y", "test_x", "test_y"):
            array = getattr(DIGITS, name).copy()
            array[-1] = 1 - array[-1]
            others.append(fingerprint(replace(DIGITS, **{name: array})))

        assert 5 == len({fingerprint(DIGITS), *others})

    def test_how_an_array_lies_in_memory_does_not(self):
        """Only its values, shape and dtype count."""
        other = replace(DIGITS, train_x=np.asfortranarray(DIGITS.train_x))

        assert fingerprint(DIGITS) == fingerprint(other)
