"""A study of frameworks again, from its records alone."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from thinned.errors import RecordError
from thinned.lab.frameworks.catalogue import FRAMEWORKS, Found
from thinned.lab.frameworks.records import STUDY, Run, Store
from thinned.lab.frameworks.study import Result
from thinned.lab.frameworks.verdict import Runs, answer, lines


def holds_frameworks(path: Path) -> bool:
    """Whether a file of records is one of this study's, by its first line."""
    try:
        with path.open("rb") as file:
            return f'"study":"{STUDY}"'.encode() in file.readline()
    except OSError:
        return False


def gather(path: Path) -> Result:
    """What the records say; where they hold several designs, that of the last one.

    Args:
        path: of the records.

    Raises:
        RecordError: no framework has all of its trainings there.
    """
    runs = list(Store(path).read().values())
    like = [run for run in runs if _design(run) == _design(runs[-1])]
    plain = [run.asked.steps for run in like if run.asked.dtype == "float32"]
    found = [
        each
        for framework in FRAMEWORKS
        if (each := _runs([run for run in like if run.framework == framework.name], plain[-1:]))
    ]
    if len(found) < 2:
        raise RecordError(
            f"expected the trainings of at least two frameworks; got {len(found)} complete at {path}. "
            "Run `thinned study frameworks` into this folder first."
        )
    judged, data = lines(found), found[0].exact.data["name"]
    return Result(judged, (), (), answer(judged, data), data, 0, len(like), path)


def _design(run: Run) -> tuple[object, ...]:
    """What the trainings of a study share."""
    return (
        run.data["digest"],
        run.law,
        run.trial,
        replace(run.asked, dtype="float64", drops="law", restart=0, steps=0),
    )


def _runs(runs: Sequence[Run], steps: Iterable[int]) -> Runs | None:
    """The trainings of one framework in its last version here, if they are complete."""
    same = [run for run in runs if run.versions == runs[-1].versions]
    by_kind = {
        (run.asked.dtype, run.asked.drops, run.asked.restart): run for run in same if _counts(run, steps)
    }
    kinds = ("float64", "law", 0), ("float32", "law", 0), ("float64", "built-in", 0)
    restarts = [run for (dtype, _, restart), run in sorted(by_kind.items()) if dtype == "float32" and restart]
    if len(restarts) < 2 or not set(kinds) <= set(by_kind):
        return None
    exact, plain, built_in = (by_kind[kind] for kind in kinds)
    framework = next(each for each in FRAMEWORKS if each.name == exact.framework)
    return Runs(Found(framework, "", exact.versions), exact, plain, tuple(restarts), built_in)


def _counts(run: Run, steps: Iterable[int]) -> bool:
    """Whether it ended as planned, and in float32 after as many steps as the others."""
    finished = len(run.outcome["losses"]) == run.asked.steps
    return finished and (run.asked.dtype == "float64" or run.asked.steps in steps)
