"""The best method and rate for a model, searched by Optuna on a validation part, then judged on fresh seeds.

The best of many noisy scores is the best by its luck too: the winner's curse. So what is searched with is never
what judges: the search sees a validation part of the training examples and seeds of its own; its winners are
trained again on fresh seeds, beside no dropout, both on the validation part, where the fall of their score is the
luck of the search's seeds, and on the untouched test set, which says what they are worth.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from thinned import mask
from thinned.errors import ConfigurationError, MissingExtraError, RecordError, ThinnedError
from thinned.lab.comparison import Metric
from thinned.lab.own import TorchTask
from thinned.lab.provenance import LAW, TRIAL, versions
from thinned.lab.reason import in_a_line
from thinned.lab.records import canonical, counting
from thinned.lab.training import Metrics
from thinned.lab.user_model import METHODS

if TYPE_CHECKING:
    import optuna

VALIDATION = 0.2
"""Of the training examples: what the search is scored on."""

RATES = (0.02, 0.9)
"""Between which rates are searched."""

STARTUP = 8
"""Trials at random before the sampler has an opinion."""

WARM = 1 / 3
"""Of the epochs, before which no trial is pruned."""

MOST_WINNERS = 4
"""Of a front of several objectives, how many are judged."""

JOURNAL = "tuning.journal"

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is searched for.

    Args:
        name: of a metric of the task, or "loss".
        more_is_better: whether more of it is.
    """

    name: str
    more_is_better: bool

    @property
    def metric(self) -> Metric:
        """How it is told; accuracy in percentage points."""
        better = 1 if self.more_is_better else -1
        if self.name == "accuracy":
            return Metric("test_accuracy", "accuracy", "percentage points", 100, 2, better)
        return Metric(f"test_{self.name}", self.name, "", 1, 4, better)

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """As Optuna has it."""
        return "maximize" if self.more_is_better else "minimize"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One finished trial of the search.

    Args:
        method: of dropping.
        rate: of it.
        scores: of each objective, the mean over the search's seeds, in the metric's own unit.
    """

    method: str
    rate: float
    scores: Mapping[str, float]

    @property
    def arm(self) -> str:
        """Its name as an arm."""
        return f"{self.method} at {self.rate:g}"

    @property
    def settings(self) -> dict[str, Any]:
        """What `make` is called with."""
        return {"rate": self.rate, "method": self.method}


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Args:
        winners: the best; of several objectives the front, of which none beats another in all, best in the first
            objective first.
        none: the scores without dropout, at the same seeds.
        finished: how many trials have scores.
        pruned: how many were ended early.
        failed: how many diverged or raised.
    """

    winners: tuple[Candidate, ...]
    none: Mapping[str, float]
    finished: int
    pruned: int
    failed: int


@dataclass(frozen=True, slots=True)
class Search:
    """Optuna's search over methods and rates, kept in a journal and continued by the same call.

    Trials follow each other, and each is drawn by a sampler seeded with the number of those before, so a search
    that was interrupted ends where it would have ended. With one objective, a trial whose validation score stays
    behind the median of earlier ones is pruned; Optuna prunes no trials of several objectives.

    Args:
        task: whose test part is the validation part; its factory takes `rate` and `method`, as `rated` does.
        objectives: one or more.
        methods: of `thinned.lab.user_model.METHODS`.
        trials: how many.
        seeds: that every trial is trained at.
        folder: of the journal.

    Raises:
        ConfigurationError: what cannot be searched.

    References:
        Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", 2019,
        https://doi.org/10.1145/3292500.3330701.
        Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011 (the sampler, TPE).
    """

    task: TorchTask
    objectives: tuple[Objective, ...]
    methods: tuple[str, ...]
    trials: int
    seeds: tuple[int, ...]
    folder: Path

    def __post_init__(self) -> None:
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown or not self.methods or len(set(self.methods)) < len(self.methods):
            raise ConfigurationError(
                f"expected different methods from {', '.join(METHODS)}; got {', '.join(self.methods) or 'none'}."
            )
        if self.trials < 1 or not self.seeds:
            raise ConfigurationError(
                f"expected at least 1 trial at 1 seed; got {self.trials} at {len(self.seeds)}."
            )

    def run(self, told: Told = lambda _: None) -> Found:
        """Search on until there are as many trials as asked for.

        Args:
            told: called with a line after each trial.

        Raises:
            ConfigurationError: no trial finished.
            RecordError: a journal that cannot be written or read.
            MissingExtraError: Optuna is not installed.
        """
        with _storage(self.folder) as storage:
            study = self._study(storage)
            none = study.user_attrs.get("none")
            if none is None:
                none = self._without()
                study.set_user_attr("none", none)
            while (number := len(_done(study))) < self.trials:
                told(f"{number + 1} of {self.trials}: {self._trial(study, number)}")
            return self._found(study, none)

    def _without(self) -> dict[str, float]:
        try:
            return self._score({"rate": 0.0, "method": "Dropout"}, None)
        except ThinnedError:
            raise
        except Exception as error:
            far = isinstance(error, ArithmeticError)
            why = f"{error}. Lower the learning rate." if far else f"it raised {in_a_line(error)}."
            raise ConfigurationError(f"expected a model that trains without dropout; {why}") from error

    def name(self) -> str:
        """Of everything that the search depends on but its length; another search has another name."""
        content = {
            "about": self.task.about()["digest"], "code": self.task.code(), "epochs": self.task.epochs,
            "batch": self.task.batch, "methods": self.methods, "seeds": self.seeds, "law": LAW, "trial": TRIAL,
            "objectives": [each.name for each in self.objectives], "versions": counting(versions()),
        }  # fmt: skip
        return hashlib.sha256(canonical(content).encode()).hexdigest()[:16]

    def _study(self, storage: Any) -> "optuna.Study":
        import optuna

        study = optuna.create_study(
            storage=storage,
            study_name=self.name(),
            load_if_exists=True,
            directions=[each.direction for each in self.objectives],
            pruner=optuna.pruners.MedianPruner(STARTUP // 2, int(self.task.epochs * WARM)),
        )
        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # its process was killed
        return study

    def _trial(self, study: "optuna.Study", number: int) -> str:
        import optuna

        study.sampler = optuna.samplers.TPESampler(seed=number, n_startup_trials=STARTUP)
        trial = study.ask()
        method = trial.suggest_categorical("method", self.methods)
        rate = round(trial.suggest_float("rate", *RATES), 3)
        named = f"{method} at {rate:g}"
        single = trial if len(self.objectives) == 1 else None
        try:
            scores = self._score({"rate": rate, "method": method}, single)
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return f"{named}, pruned"
        except Exception as error:
            trial.set_user_attr("reason", f"{type(error).__name__}: {error}")
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return f"{named}, {error}"
        study.tell(trial, list(scores.values()))
        shown = (f"{each.name} {each.metric.show(scores[each.name])}" for each in self.objectives)
        return f"{named}: validation {', '.join(shown)}"

    def _score(self, settings: dict[str, Any], trial: "optuna.Trial | None") -> dict[str, float]:
        """The mean of each objective over the search's seeds."""
        import optuna

        first = self.objectives[0].metric
        found: list[Mapping[str, float]] = []

        def told(metrics: Metrics) -> None:
            if trial is not None and not found:  # the first seed alone decides, so that all are judged alike
                trial.report(first.factor * metrics[first.name], int(metrics["epoch"]))
                if trial.should_prune():
                    raise optuna.TrialPruned

        for seed in self.seeds:
            outcome = self.task.followed({"settings": settings}, seed, told)
            if not outcome.final:
                raise ArithmeticError("the loss was not finite")
            found.append(outcome.final)
        metrics = {each.name: each.metric for each in self.objectives}
        return {
            name: math.fsum(metric.factor * final[metric.name] for final in found) / len(found)
            for name, metric in metrics.items()
        }

    def _found(self, study: "optuna.Study", none: Mapping[str, float]) -> Found:
        from optuna.trial import TrialState

        done = _done(study)
        counts = {state: sum(trial.state == state for trial in done) for state in TrialState}
        if not counts[TrialState.COMPLETE]:
            reasons = [trial.user_attrs["reason"] for trial in done if "reason" in trial.user_attrs]
            raise ConfigurationError(
                f"expected a trial that finishes; none of {len(done)} did. The last one: "
                f"{(reasons or ['it was pruned'])[-1]}. Mend the model, or lower the learning rate."
            )
        names = [each.name for each in self.objectives]
        better = 1 if self.objectives[0].more_is_better else -1
        winners: dict[tuple[str, float], Candidate] = {}
        for trial in sorted(study.best_trials, key=lambda each: -better * each.values[0]):
            method, rate = trial.params["method"], round(trial.params["rate"], 3)
            scores = dict(zip(names, trial.values, strict=True))
            winners.setdefault((method, rate), Candidate(method, rate, scores))
        return Found(
            tuple(winners.values())[:MOST_WINNERS],
            none,
            counts[TrialState.COMPLETE],
            counts[TrialState.PRUNED],
            counts[TrialState.FAIL],
        )


def _done(study: "optuna.Study") -> list[Any]:
    """Trials that ended by themselves; one whose process was killed is asked again."""
    from optuna.trial import TrialState

    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}
        or (trial.state == TrialState.FAIL and "reason" in trial.user_attrs)
    ]


@contextmanager
def _storage(folder: Path) -> Iterator[Any]:
    """The journal, with errors of the file system told."""
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise MissingExtraError(
            "expected the package optuna, which searches; it is not installed. Install the extra: "
            "pip install 'thinned[lab,tune]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / JOURNAL
    try:
        folder.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(path)))
    except (OSError, ValueError) as error:
        raise RecordError(
            f"expected a journal of the search that can be read and written; got {error} at {path}. Choose another "
            "folder with --out, or change its permissions."
        ) from error
    yield storage


def validating(task: TorchTask, share: float = VALIDATION) -> TorchTask:
    """The same task with a part of its training examples in the place of the test, which is not looked at.

    Args:
        task: of tensors or a data set; a loader's examples cannot be told apart.
        share: of the training examples.

    Raises:
        ConfigurationError: a loader, or a share that leaves a part empty.

    Example:
        >>> x, y = torch.zeros(10, 2), torch.zeros(10, dtype=torch.int64)
        >>> task = validating(TorchTask(torch.nn.Linear, (x, y), (x[:3], y[:3])))
        >>> len(task.train[1]), len(task.test[1])
        (8, 2)
    """
    train: Any = task.train
    if isinstance(train, DataLoader):
        raise ConfigurationError(
            "expected tensors or a data set, of which a part can be held out for the search; got a DataLoader. "
            "Give the task its data set, or give validation=, a task of your own whose test part is for validation."
        )
    count = len(train[1]) if isinstance(train, tuple | list) else len(train)
    held = round(count * share)
    if not 0 < held < count:
        raise ConfigurationError(
            f"expected examples in both parts; got {share} of {count}. Give more examples."
        )
    draws = mask.normal((count,), seed=0, site="tune.validation")
    order = torch.from_numpy(np.argsort(draws, kind="stable"))
    parts = [_part(train, index) for index in (order[held:], order[:held])]
    return replace(task, train=parts[0], test=parts[1], name=f"{task.name}-validation")


def _part(examples: Any, index: torch.Tensor) -> Any:
    if isinstance(examples, tuple | list):
        return examples[0][index], examples[1][index]
    return Subset(examples, index.tolist())


def objectives_of(task: TorchTask, wanted: tuple[str, ...] = ()) -> tuple[Objective, ...]:
    """Objectives by name: "accuracy", "loss", or a metric of the task with its direction, as "f1:max".

    Args:
        task: with the metrics.
        wanted: none at all means the quantity that decides.

    Raises:
        ConfigurationError: one that the task does not measure, a direction that is not known, or one twice.
    """
    names = wanted or (task.decides().removeprefix("test_"),)
    measured = ["loss", *(task.metrics or ())]
    found = []
    for text in names:
        name, _, direction = text.partition(":")
        if name not in measured or direction not in {"", "min", "max"}:
            raise ConfigurationError(
                f"expected objectives from {', '.join(measured)}, with :min or :max where needed; got {text!r}."
            )
        decides = name == next(iter(task.metrics or ()), None)
        if not direction and name != "loss" and not decides:
            raise ConfigurationError(
                f"expected {name}:max or {name}:min, since only you know which is better; got {name!r}."
            )
        more = direction == "max" if direction else decides and task.more_is_better
        found.append(Objective(name, more))
    if len({each.name for each in found}) < len(found):
        raise ConfigurationError(f"expected each objective once; got {', '.join(names)}.")
    return tuple(found)
