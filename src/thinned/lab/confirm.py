"""What a search found, judged on fresh seeds: how much of its score was luck, and what it is worth in the test."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.contrasts import chance, difference, runs_of, values_of
from thinned.lab.lock import alone
from thinned.lab.own import TorchTask
from thinned.lab.own_study import slug
from thinned.lab.progress import Silent, Watch
from thinned.lab.statistics import Interval, holm, mean_interval, paired_interval
from thinned.lab.study import Result, Study
from thinned.lab.tune import Candidate, Found, Objective, Search, objectives_of, validating
from thinned.lab.user_model import METHODS

NONE = "none"
"""The arm without dropout."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One objective of one winner, all in the metric's unit, with 95 % intervals.

    Args:
        tuned: the score of the search.
        tuned_gain: the same minus that without dropout, at the search's seeds.
        fresh: the score on the same validation part, at fresh seeds.
        optimism: how much better the search's score is than those, the winner's curse; above 0 is luck.
        fresh_gain: winner minus none there, paired by seed.
        test_gain: winner minus none on the test set, paired by seed, trained on all training examples.
        p: of `test_gain`, after Holm's correction for all winners; 1 where there is none.
    """

    tuned: float
    tuned_gain: float
    fresh: Interval | None
    optimism: Interval | None
    fresh_gain: Interval | None
    test_gain: Interval | None
    p: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """A search that has been judged.

    Args:
        found: what the search found.
        objectives: that were searched for.
        judged: of each winner's arm, of each objective.
        validation: the study on the validation part.
        test: the study on the test set.
    """

    found: Found
    objectives: tuple[Objective, ...]
    judged: Mapping[str, Mapping[str, Judged]]
    validation: Result
    test: Result

    @property
    def sentence(self) -> str:
        """The answer, in a sentence for each winner and objective."""
        return " ".join(self._said(arm, each) for arm in self.judged for each in self.objectives)

    def _said(self, arm: str, objective: Objective) -> str:
        metric, found = objective.metric, self.judged[arm][objective.name]
        unit = f" {metric.unit}" if metric.unit else ""
        if found.test_gain is None or found.fresh is None or found.optimism is None:
            return f"{arm}: too few runs finished on fresh seeds to judge it."
        verb = "is not shown to differ from"
        if found.p < 0.05:
            verb = "is better than" if found.test_gain.estimate * metric.better > 0 else "is worse than"
        return (
            f"{arm} {verb} no dropout in test {metric.label}: "
            f"{metric.show_interval(found.test_gain, signed=True)}{unit} over {found.test_gain.n} fresh seeds "
            f"(p {found.p:.3f}). The search had promised {metric.show(found.tuned_gain, signed=True)}; "
            f"its validation score, {metric.show(found.tuned)}, was "
            f"{metric.show_interval(found.fresh)} on fresh seeds, so "
            f"{metric.show_interval(found.optimism, signed=True)}{unit} of it was the luck "
            "of its seeds."
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values; every figure in the unit that it names."""
        return {
            "winners": [
                {"method": each.method, "rate": each.rate, "objectives": self._values(each)}
                for each in self.found.winners
            ],
            "none": dict(self.found.none),
            "trials": {
                "finished": self.found.finished, "pruned": self.found.pruned, "failed": self.found.failed,
            },
            "sentence": self.sentence,
            "records": {name: str(each.store.resolve()) for name, each in self._studies()},
        }  # fmt: skip

    def _values(self, winner: Candidate) -> dict[str, Any]:
        return {
            each.name: {"unit": each.metric.unit, **asdict(self.judged[winner.arm][each.name])}
            for each in self.objectives
        }

    def _studies(self) -> tuple[tuple[str, Result], ...]:
        return ("validation", self.validation), ("test", self.test)


@dataclass(slots=True)
class Tuning:
    """The best method and rate for a model, and what they are worth.

    Interrupted at any moment, the same call continues, in the search too.

    Args:
        task: with a factory that takes `rate` and `method`, such as `thinned.lab.user_model.task_on` gives.
        validation: the task that the search sees, whose test part is for validation; None holds a fifth of the
            training examples out.
        objectives: names, see `objectives_of`; none at all means the quantity that decides.
        methods: of `thinned.lab.user_model.METHODS`.
        trials: of the search.
        tuning_seeds: at which each of them is trained: 0, 1, ...
        seeds: fresh ones, which follow those, at which winners are judged.
        out: folder of the journal and the records; None means `runs/tune-<name>`.
        jobs: runs at once when winners are judged; the search is one process, whose trials learn from each other.

    Raises:
        ConfigurationError: what cannot be searched or judged.

    Example:
        >>> import torch
        >>> x, y = torch.zeros(10, 2), torch.zeros(10, dtype=torch.int64)
        >>> Tuning(TorchTask(torch.nn.Linear, (x, y), (x, y)), trials=5, seeds=3).fresh()
        (2, 3, 4)
    """

    task: TorchTask
    _: KW_ONLY
    validation: TorchTask | None = None
    objectives: tuple[str, ...] = ()
    methods: tuple[str, ...] = METHODS
    trials: int = 30
    tuning_seeds: int = 2
    seeds: int = 10
    out: Path | None = None
    jobs: int | None = None
    _objectives: tuple[Objective, ...] = field(init=False, repr=False)
    _search: Search = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise ConfigurationError(
                f"expected at least 2 fresh seeds, since an interval needs two pairs; got {self.seeds}."
            )
        self._objectives = objectives_of(self.task, tuple(self.objectives))
        if self.validation is None:
            self.validation = validating(self.task)
        self._search = Search(
            self.validation, self._objectives, tuple(self.methods), self.trials,
            tuple(range(self.tuning_seeds)), self.folder,
        )  # fmt: skip

    @property
    def folder(self) -> Path:
        """Of everything that is kept."""
        return Path(self.out) if self.out is not None else Path("runs") / f"tune-{slug(self.task.name)}"

    def fresh(self) -> tuple[int, ...]:
        """The seeds at which winners are judged, none of which the search has seen."""
        return tuple(range(self.tuning_seeds, self.tuning_seeds + self.seeds))

    def run(self, watch: Watch | None = None) -> Tuned:
        """Search, and judge what was found.

        Args:
            watch: who follows; None shows nothing.
        """
        watch = watch or Silent()
        with alone(self.folder, watch.note):
            found = self._search.run((lambda _: None) if isinstance(watch, Silent) else watch.note)
        assert self.validation is not None  # noqa: S101 - set at the start
        held_out, test = (
            self._study(found, task, name).run(watch)
            for task, name in ((self.validation, "validation"), (self.task, "test"))
        )
        return Tuned(found, self._objectives, self._judge(found, held_out, test), held_out, test)

    def _study(self, found: Found, task: TorchTask, part: str) -> Study:
        arms = {NONE: {"rate": 0.0, "method": "Dropout"}} | {
            each.arm: each.settings for each in found.winners
        }
        asks = f"Is what tuning chose better than no dropout, on the {part} set?"
        return Study(asks, task, arms, self.fresh(), out=self.folder / part, jobs=self.jobs)

    def _judge(self, found: Found, held_out: Result, test: Result) -> dict[str, dict[str, Judged]]:
        judged = {
            winner.arm: {each.name: _judged(winner, found, each, held_out, test) for each in self._objectives}
            for winner in found.winners
        }
        for each in self._objectives:
            adjusted = holm([found[each.name].p for found in judged.values()])
            for arm, p in zip(judged, adjusted, strict=True):
                judged[arm][each.name] = replace(judged[arm][each.name], p=p)
        return judged


def _judged(winner: Candidate, found: Found, objective: Objective, held_out: Result, test: Result) -> Judged:
    metric, tuned = objective.metric, winner.scores[objective.name]
    on_validation, on_test = (runs_of(result.records, metric) for result in (held_out, test))
    fresh = tuple(on_validation.get(winner.arm, {}).values())
    gains = [
        tuple(values_of(runs, difference(winner.arm, NONE)).values()) for runs in (on_validation, on_test)
    ]
    return Judged(
        tuned,
        tuned - found.none[objective.name],
        _interval(fresh),
        _interval(tuple(metric.better * (tuned - value) for value in fresh)),
        _difference(gains[0]),
        _difference(gains[1]),
        chance(gains[1]),
    )


def _interval(values: tuple[float, ...]) -> Interval | None:
    return mean_interval(values) if len(values) > 1 else None


def _difference(values: tuple[float, ...]) -> Interval | None:
    return paired_interval(values) if len(values) > 1 else None
