"""A study: which runs its design needs, which of them the records have, and the rest trained and recorded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.answer import Answer
from thinned.lab.configuration import Configuration
from thinned.lab.data import Data, default_name, load
from thinned.lab.engine import Failure, Trial, train
from thinned.lab.limits import Size, at_once, check
from thinned.lab.lock import alone
from thinned.lab.pool import Event, processors, run_all
from thinned.lab.progress import Silent, Watch
from thinned.lab.provenance import LAW, TRIAL, fingerprint, git_state, machine, versions
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Damage, Record, Store
from thinned.lab.scope import SIZES, Scope
from thinned.lab.studies import find
from thinned.mask.address import seed64

FEW_EXAMPLES = 10_000
"""Below this many training examples, a study asks as it would quickly, where nobody says how."""

DEFAULTS = Configuration()

RECORDS = "records.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """A study that has been run.

    Args:
        design: what all its runs share.
        records: every record of this design in the store, by seed and arm.
        answer: what they say.
        new: how many runs were trained now.
        reused: how many of those needed were in the records before.
        failures: runs that have no outcome.
        damaged: lines of the store that could not be read.
        store: path of the records.
    """

    design: Design
    records: tuple[Record, ...]
    answer: Answer
    new: int
    reused: int
    failures: tuple[Failure, ...]
    damaged: tuple[Damage, ...]
    store: Path

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        return self.answer.sentence


@dataclass(slots=True)
class Study:
    """A question asked of data, with paired seeds; interrupted at any moment, it continues where it was.

    Args:
        name: of the study, as `thinned study --list` has it.
        data: `"digits"`, `"fashion-mnist"` or a path; None takes what the scope's plan says, or, without a scope,
            Fashion-MNIST where it lies here, else digits.
        seeds: the seeds, or how many (0, 1, ...); None means as many as the plan says. Of a study in two stages
            they are those of the second.
        settings: changes to the plan's settings, which are changes to `Configuration`. `batch` is at most the
            number of training examples, where nobody says otherwise.
        out: folder of the records; None means `runs/<name>-<data>` in the current directory.
        data_dir: where Fashion-MNIST's archives lie; None reads the variable `THINNED_DATA`.
        jobs: how many runs at once; None means one on each processor.
        scope: "quick" or "full": which of the question's plans and grids; None means quick below 10,000 training
            examples, and else full.

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
    scope: str | None = None
    _loaded: Data | None = field(default=None, init=False, repr=False)
    _design: Design | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        find(self.name)
        DEFAULTS.changed(self.settings)
        _checked_seeds(self.seeds if self.seeds is not None else 2)
        if self.scope is not None and self.scope not in SIZES:
            raise ConfigurationError(f"expected a scope, {' or '.join(SIZES)}; got {self.scope!r}.")
        if self.jobs is not None and self.jobs < 1:
            raise ConfigurationError(
                f"expected at least 1 job; got {self.jobs}. Leave it out to use every processor."
            )

    @property
    def question(self) -> Question:
        """What is asked."""
        return find(self.name)

    def load(self) -> Data:
        """The data, read once."""
        if self._loaded is None:
            if self.data is None and self.scope is not None:
                self.data = self.question.plan(self.scope).data
            self.data = default_name(self.data_dir) if self.data is None else self.data
            self._loaded = load(self.data, self.data_dir)
        return self._loaded

    def plan(self) -> Plan:
        """How the question is asked where nothing else is said."""
        return self.question.plan(self._size())

    def design(self) -> Design:
        """What all runs of this study share."""
        if self._design is None:
            data = self.load()
            base = DEFAULTS.changed(self.plan().settings).changed(self.settings)
            if "batch" not in self.settings:
                base = replace(base, batch=min(base.batch, len(data.train_y)))
            check(Size.of(base, 2 * _count(self._seeds()), data))
            scope = Scope(self._size(), self.settings, _counts(data))
            digest = fingerprint(data)
            design = Design(self.question, base, digest, LAW, TRIAL, versions(), scope)
            arms = design.arms()
            for configuration in set(arms.values()):
                check(Size.of(configuration, len(arms) * _count(self._seeds()), data, len(arms)))
            self._design = design
        return self._design

    def trials(self) -> tuple[Trial, ...]:
        """The runs that this study needs, as far as is known, those of a seed next to each other.

        The second stage is known when the first is complete.
        """
        return self._trials(self.store().read().records)

    def store(self) -> Store:
        """The records of this study's folder."""
        return Store((self.out or Path("runs") / f"{self.name}-{self.load().name}") / RECORDS)

    def missing(self) -> tuple[Trial, ...]:
        """The runs that the records do not have."""
        records = self.store().read().records
        known = {record.key for record in records}
        return tuple(trial for trial in self._trials(records) if trial.key not in known)

    def run(self, watch: Watch | None = None) -> Result:
        """Train what is missing, record each run as it finishes, and answer the question.

        Args:
            watch: who follows; None shows nothing.
        """
        watch = watch or Silent()
        store = self.store()
        failures: dict[str, Failure] = {}
        new = 0
        while todo := [trial for trial in self.missing() if trial.key not in failures]:
            with alone(store.path.parent, watch.note):
                # Whoever was waited for has trained some of them.
                todo = [trial for trial in self.missing() if trial.key not in failures]
                failed = self._train(todo, store, watch) if todo else ()
            failures |= {failure.trial.key: failure for failure in failed}
            new += len(todo) - len(failed)
        contents = store.read()
        records = self.design().select(contents.records)
        return Result(
            design=self.design(),
            records=records,
            answer=self.question.answer(self.design(), records),
            new=new,
            reused=len(self._trials(contents.records)) - new - len(failures),
            failures=tuple(failures.values()),
            damaged=contents.damaged,
            store=store.path,
        )

    def _trials(self, records: Sequence[Record]) -> tuple[Trial, ...]:
        design = self.design()
        if self.question.second is None:
            return tuple(self._runs(design.arms(), self._seeds()))
        first = tuple(self._runs(design.arms(), range(self.plan().seeds)))
        if {trial.key for trial in first} - {record.key for record in records}:
            return first
        arms = self.question.second(design, design.first(records))
        return (*first, *self._runs(arms, self._seeds()))

    def _runs(self, arms: Mapping[str, Configuration], seeds: Sequence[int]) -> Iterator[Trial]:
        """Every arm at every seed; the same training once."""
        different = {configuration: arm for arm, configuration in reversed(list(arms.items()))}
        named = [(arm, each) for arm, each in arms.items() if different[each] == arm]
        for seed in seeds:
            for arm, configuration in named:
                yield Trial(arm, seed, configuration, self.design().key(configuration, seed))

    def _train(self, todo: Sequence[Trial], store: Store, watch: Watch) -> tuple[Failure, ...]:
        torn = store.append()  # a folder that cannot be written to says so before an hour of training
        if torn:
            watch.note(
                f"The last line of {store.path} was not finished when its writer ended. Its {torn} bytes are in "
                f"{store.torn} now, and its run is trained again."
            )
        jobs = self._jobs(todo, watch)
        records = store.read().records
        epochs = sum(trial.configuration.epochs for trial in todo)
        reused = len(self._trials(records)) - len(todo)
        watch.begin(self.design(), records, epochs=epochs, runs=len(todo), reused=reused, jobs=jobs)
        where = {"data": self.data, "data_dir": None if self.data_dir is None else str(self.data_dir)}
        return train(todo, partial(run_all, where=where, jobs=jobs), self._record, store, watch)

    def _size(self) -> str:
        if self.scope is None:
            return "quick" if len(self.load().train_y) < FEW_EXAMPLES else "full"
        return self.scope

    def _seeds(self) -> Sequence[int]:
        """Those of the stage that answers; of two stages, the first has those before."""
        plan = self.plan()
        if self.question.second is None:
            return _checked_seeds(plan.seeds if self.seeds is None else self.seeds)
        asked = plan.second if self.seeds is None else self.seeds
        if isinstance(asked, int):
            _checked_seeds(asked)
            return range(plan.seeds, plan.seeds + asked)
        return _checked_seeds(asked)

    def _jobs(self, todo: Sequence[Trial], watch: Watch) -> int:
        wanted = min(self.jobs or processors(), max(len(todo), 1))
        different = {trial.configuration for trial in todo}
        jobs = min(at_once(Size.of(each, len(todo), self.load()), wanted) for each in different)
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
            "test_examples": len(data.test_y),
            **_counts(data),
        }
        return Record(
            key=trial.key,
            study=self.name,
            arm=trial.arm,
            seed=trial.seed,
            design=self.design().as_json(),
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


def _counts(data: Data) -> dict[str, int]:
    return {
        "train_examples": len(data.train_y),
        "features": int(data.train_x[0].size),
        "classes": len(data.classes),
    }


def _count(seeds: Sequence[int]) -> int:
    return len(seeds) if not isinstance(seeds, range) else max(seeds.stop - seeds.start, 0)


def _checked_seeds(seeds: int | Sequence[int]) -> Sequence[int]:
    """Seeds 0, 1, ... for a number, else the given ones."""
    found = range(max(seeds, 0)) if isinstance(seeds, int) else tuple(seed64(seed) for seed in seeds)
    different = found.stop if isinstance(found, range) else len(set(found))
    if different < 2:
        raise ConfigurationError(
            f"expected at least 2 different seeds, since an interval needs two pairs; got {seeds}. "
            "Leave it out to take as many as the study plans."
        )
    return found
