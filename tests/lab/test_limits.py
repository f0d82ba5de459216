"""What is refused before any worker starts, and what is possible instead."""

import re
from dataclasses import replace

import pytest

from thinned.errors import ConfigurationError
from thinned.lab import Study, limits
from thinned.lab.configuration import Configuration
from thinned.lab.limits import Size, at_once, check, memory

SIZE = Size(Configuration(), runs=20, examples=1442, features=64, classes=10, data=500_000)


def size(runs=20, **settings):
    """A study of digits with other settings."""
    return replace(SIZE, runs=runs, configuration=SIZE.configuration.changed(settings))


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    """Eight gibibytes, wherever the tests run."""
    monkeypatch.setattr(limits, "memory", lambda: 8 * 2.0**30)


class TestCheck:
    """Settings beyond what is possible."""

    @pytest.mark.parametrize(
        "possible", [{}, {"batch": 1442}, {"hidden": (4096,)}, {"epochs": 100_000, "runs": 4}, {"lr": 1e6}]
    )
    def test_what_is_possible_passes(self, possible):
        """However little sense it makes."""
        check(size(**possible))

    @pytest.mark.parametrize("huge", [10**12, 10**400])
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("lr", "learning rate"),
            ("batch", "expected a batch of at most the 1442 training examples"),
            ("hidden", "expected a network that this machine's 8 GiB of memory can hold"),
            ("epochs", "expected at most 4294967296 training steps"),
            ("runs", "expected curves that this machine's 8 GiB of memory can hold"),
        ],
    )
    def test_what_is_enormous_is_refused(self, name, message, huge):
        """Whatever it is, and without building anything of that size."""
        with pytest.raises(ConfigurationError, match=message):
            check(size(**{name: (huge,) if name == "hidden" else huge}))

    @pytest.mark.parametrize(
        ("name", "pattern", "large"),
        [
            ("lr", r"at most (\d+); got", 10**12),
            ("batch", r"Give (\d+) to take all", 1443),
            ("hidden", r"Widths up to (\d+) fit", 10**6),
            ("epochs", r"(\d+) epochs\.$", 10**8),
            ("runs", r"at most (\d+) seeds", 10**8),
        ],
    )
    def test_the_limit_that_is_told_is_the_limit(self, name, pattern, large):
        """It passes, and one more does not."""

        def asked(value):
            return size(**{name: (value,) if name == "hidden" else value * 2 if name == "runs" else value})

        with pytest.raises(ConfigurationError) as refused:
            check(asked(large))
        limit = int(re.search(pattern, str(refused.value))[1])
        check(asked(limit))
        with pytest.raises(ConfigurationError):
            check(asked(limit + 1))


class TestAtOnce:
    """How many runs share the memory."""

    def test_as_many_as_fit(self):
        """Of runs of about 650 MiB, eleven beside the study itself; never less than one."""
        assert [1, 4, 11] == [at_once(SIZE, wanted) for wanted in (1, 4, 100)]
        assert 1 == at_once(size(hidden=(6000,)), 100)

    def test_a_machine_that_does_not_say_bounds_nothing(self, monkeypatch):
        """There every number fits."""
        monkeypatch.setattr(limits, "memory", lambda: float("inf"))

        assert 100 == at_once(size(hidden=(6000,)), 100)
        check(size(hidden=(10**6,)))


class TestStudy:
    """The same through a study."""

    @pytest.mark.parametrize(
        "asked",
        [
            {"seeds": 10**12},
            {"seeds": 10**30},
            {"settings": {"hidden": (10**12,)}},
            {"settings": {"batch": 2000}},
        ],
        ids=str,
    )
    def test_it_is_refused_before_a_folder_is_made(self, tmp_path, asked):
        """No worker, no record, no list of so many runs."""
        with pytest.raises(ConfigurationError):
            Study("dropout", data="digits", out=tmp_path / "new", **asked).run()
        assert [] == list(tmp_path.iterdir())

    def test_few_examples_are_one_batch_by_default(self, monkeypatch):
        """A default is never refused."""
        monkeypatch.setattr("thinned.lab.study.DEFAULTS", Configuration(batch=5000))

        assert 1442 == Study("dropout", data="digits").design().base.batch


def test_this_machine_has_memory():
    """Between one and a million gibibytes."""
    assert 2**30 < memory() < 2**50
