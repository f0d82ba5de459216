"""A study: which runs its design needs, which of them the records have, and the rest trained and recorded."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.comparison import Comparison
from thinned.lab.configuration import Configuration
from thinned.lab.data import Data, default_name, load
from thinned.lab.limits import Size, at_once, check
from thinned.lab.lock import alone
from thinned.lab.pool import Event, processors, run_all
from thinned.lab.progress import Silent, Watch
from thinned.lab.provenance import LAW, TRIAL, fingerprint, git_state, machine, versions
from thinned.lab.question import Design
from thinned.lab.records import Damage, Record, Store
from thinned.lab.studies import find
from thinned.mask.address import seed64

FEW_EXAMPLES = 10_000
"""Below this many training examples, a study takes more seeds and more epochs."""

DEFAULTS = Configuration()

RECORDS = "records.jsonl"


@dataclass(frozen=True, slots=True)
class Trial:
    """One run that a study needs.

    Args:
        arm: of the study.
        seed: of the weights, the order of examples, and the masks.
        configuration: what to train.
        key: of its record.
    """

    arm: str
    seed: int
    configuration: Configuration
    key: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A run without an outcome.

    Args:
        trial: which.
        reason: what its worker said last.
    """

    trial: Trial
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """A study that has been run.

    Args:
        design: what all its runs share.
        records: every record of this design in the store, by seed and arm.
        comparison: of the two arms.
        sentence: the answer.
        new: how many runs were trained now.
        reused: how many of those needed were in the records before.
        failures: runs that have no outcome.
        damaged: lines of the store that could not be read.
        store: path of the records.
    """

    design: Design
    records: tuple[Record, ...]
    comparison: Comparison
    sentence: str
    new: int
    reused: int
    failures: tuple[Failure, ...]
    damaged: tuple[Damage, ...]
    store: Path


@dataclass(slots=True)
class Study:
    """A question asked of data, with paired seeds; interrupted at any moment, it continues where it was.

    Args:
        name: of the study, as `thinned study --list` has it.
        data: `"digits"`, `"fashion-mnist"` or a path; None takes Fashion-MNIST where it lies here, else
            digits.
        seeds: the seeds, or how many (0, 1, ...); None means 5, or 10 below 10,000 training examples.
        settings: changes to `Configuration`; `epochs` is 10, or 100 below 10,000 training examples, since ten
            epochs of a few minibatches end before such a network has learned anything. `batch` is 256, or all
            examples where there are fewer.
        out: folder of the records; None means `runs/<name>-<data>` in the current directory.
        data_dir: where Fashion-MNIST's archives lie; None reads the variable `THINNED_DATA`.
        jobs: how many runs at once; None means one on each processor.

    Raises:
        ConfigurationError: settings, seeds or a name that no study can have, or this machine cannot train.
        DataError, RateError, RecordError: see `thinned.errors`.

    Example:
        >>> study = Study("dropout", data="digits", seeds=2, settings={"epochs": 1})
        >>> [(trial.seed, trial.arm) for trial in study.trials()]
        [(0, 'none'), (0, 'dropout'), (1, 'none'), (1, 'dropout')]
    """

    name: str = "dropout"
    data: str | None = None
    seeds: int | Sequence[int] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    out: Path | None = None
    data_dir: Path | None = None
    jobs: int | None = None
    _loaded: Data | None = field(default=None, init=False, repr=False)
    _design: Design | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        find(self.name)
        DEFAULTS.changed(self.settings)
        _checked_seeds(self.seeds if self.seeds is not None else 2)
        if self.jobs is not None and self.jobs < 1:
            raise ConfigurationError(
                f"expected at least 1 job; got {self.jobs}. Leave it out to use every processor."
            )

    def load(self) -> Data:
        """The data, read once."""
        if self._loaded is None:
            self.data = default_name(self.data_dir) if self.data is None else self.data
            self._loaded = load(self.data, self.data_dir)
        return self._loaded

    def design(self) -> Design:
        """What all runs of this study share."""
        if self._design is None:
            examples = len(self.load().train_y)
            epochs, batch = 100 if self._few() else DEFAULTS.epochs, min(DEFAULTS.batch, examples)
            base = replace(DEFAULTS, epochs=epochs, batch=batch).changed(self.settings)
            check(Size.of(base, 2 * self._pairs(), self.load()))
            digest = fingerprint(self.load())
            self._design = Design(find(self.name), base, digest, LAW, TRIAL, versions())
        return self._design

    def trials(self) -> tuple[Trial, ...]:
        """The runs that this study needs, the two of a pair next to each other."""
        design = self.design()
        return tuple(
            Trial(arm, seed, configuration, design.key(arm, seed))
            for seed in self._seeds()
            for arm, configuration in design.arms().items()
        )

    def store(self) -> Store:
        """The records of this study's folder."""
        return Store((self.out or Path("runs") / f"{self.name}-{self.load().name}") / RECORDS)

    def missing(self) -> tuple[Trial, ...]:
        """The runs that the records do not have."""
        known = {record.key for record in self.store().read().records}
        return tuple(trial for trial in self.trials() if trial.key not in known)

    def run(self, watch: Watch | None = None) -> Result:
        """Train what is missing, record each run as it finishes, and compare the arms.

        Args:
            watch: who follows; None shows nothing.
        """
        watch = watch or Silent()
        trials, store, todo = self.trials(), self.store(), self.missing()
        failures: tuple[Failure, ...] = ()
        if todo:
            with alone(store.path.parent, watch.note):
                todo = self.missing()  # whoever was waited for has trained some of them
                failures = self._train(todo, store, watch)
        contents = store.read()
        records = self.design().select(contents.records)
        comparison = self.design().compare(records)
        return Result(
            design=self.design(),
            records=records,
            comparison=comparison,
            sentence=self.design().question.sentence(comparison, self.load().name),
            new=len(todo) - len(failures),
            reused=len(trials) - len(todo),
            failures=failures,
            damaged=contents.damaged,
            store=store.path,
        )

    def _train(self, todo: Sequence[Trial], store: Store, watch: Watch) -> tuple[Failure, ...]:
        torn = store.append()  # a folder that cannot be written to says so before an hour of training
        if torn:
            watch.note(
                f"The last line of {store.path} was not finished when its writer ended. Its {torn} bytes are in "
                f"{store.torn} now, and its run is trained again."
            )
        jobs = self._jobs(len(todo), watch)
        epochs = sum(trial.configuration.epochs for trial in todo)
        watch.begin(epochs, len(todo), len(self.trials()) - len(todo), jobs)
        tasks = [{"configuration": each.configuration.as_json(), "seed": each.seed} for each in todo]
        where = {"data": self.data, "data_dir": None if self.data_dir is None else str(self.data_dir)}
        known, failures = list(store.read().records), []
        with closing(run_all(tasks, where, jobs)) as events:
            for event in events:
                trial = todo[event.index]
                if event.kind == "epoch":
                    watch.epoch()
                elif event.kind == "outcome":
                    record = self._record(trial, event)
                    store.append(record)
                    known.append(record)
                    watch.recorded(self.design().compare(known))
                else:
                    reason = str(event.content["error"])
                    again = "it is run once more" if event.kind == "retry" else "it has no record"
                    watch.note(f"Seed {trial.seed}, arm {trial.arm}: {again}. {reason}")
                    if event.kind == "failed":
                        failures.append(Failure(trial, reason))
        return tuple(failures)

    def _few(self) -> bool:
        return len(self.load().train_y) < FEW_EXAMPLES

    def _seeds(self) -> Sequence[int]:
        return _checked_seeds(self.seeds if self.seeds is not None else 10 if self._few() else 5)

    def _pairs(self) -> int:
        seeds = self._seeds()
        return seeds.stop if isinstance(seeds, range) else len(seeds)  # `len` of a long range is an error

    def _jobs(self, runs: int, watch: Watch) -> int:
        wanted = min(self.jobs or processors(), max(runs, 1))
        jobs = at_once(Size.of(self.design().base, len(self.trials()), self.load()), wanted)
        if jobs < wanted:
            watch.note(f"The memory of this machine holds {jobs} of these runs at once, and not {wanted}.")
        return jobs

    def _record(self, trial: Trial, event: Event) -> Record:
        data, outcome = self.load(), event.content["outcome"]
        about = {
            "name": data.name,
            "asked": str(self.data),
            "digest": self.design().digest,
            "source": data.source,
            "train_examples": len(data.train_y),
            "test_examples": len(data.test_y),
            "features": int(data.train_x[0].size),
            "classes": len(data.classes),
        }
        return Record(
            key=trial.key,
            study=self.name,
            arm=trial.arm,
            seed=trial.seed,
            design=self.design().base.as_json(),
            configuration=trial.configuration.as_json(),
            data=about,
            law=LAW,
            trial=TRIAL,
            versions=versions(),
            machine=machine(),
            git=git_state(),
            started=event.content["started"],
            duration_s=event.content["duration_s"],
            **outcome,
        )


def _checked_seeds(seeds: int | Sequence[int]) -> Sequence[int]:
    """Seeds 0, 1, ... for a number, else the given ones."""
    found = range(max(seeds, 0)) if isinstance(seeds, int) else tuple(seed64(seed) for seed in seeds)
    different = found.stop if isinstance(found, range) else len(set(found))
    if different < 2:
        raise ConfigurationError(
            f"expected at least 2 different seeds, since an interval needs two pairs; got {seeds}. "
            "The default is 5, or 10 for small data."
        )
    return found
