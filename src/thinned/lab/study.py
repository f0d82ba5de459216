"""A study: which runs its design needs, which of them the records have, and the rest trained and recorded."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from thinned.errors import ConfigurationError
from thinned.lab.answer import Answer
from thinned.lab.configuration import Configuration
from thinned.lab.data import default_name
from thinned.lab.engine import Failure, Trial, train
from thinned.lab.limits import Size, at_once, check
from thinned.lab.lock import alone
from thinned.lab.own_answer import looked
from thinned.lab.own_study import NETWORKS, OwnBase, named, own_question
from thinned.lab.pool import Event, processors
from thinned.lab.progress import Silent, Watch
from thinned.lab.provenance import LAW, TRIAL, git_state, machine, versions
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Damage, Record, Store, key_of
from thinned.lab.scope import SIZES, Scope
from thinned.lab.sequential import Until
from thinned.lab.stacked.choice import How
from thinned.lab.studies import find
from thinned.lab.task import Networks, Settings, Task
from thinned.lab.trainers import Means
from thinned.mask.address import seed64

if TYPE_CHECKING:
    from thinned.lab.own import TorchTask

OWN_SEEDS = 5
"""Of a question of one's own, where nobody says how many."""

FEW_EXAMPLES = 10_000
"""Below this many training examples, a study asks as it would quickly, where nobody says how."""

DEFAULTS = Configuration()

RECORDS = "records.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """A study that has been run; `thinned.report.write_report` makes its page.

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
        question: the name of a study, as `thinned study --list` has it; or, with `arms`, a question of your own in
            words.
        task: what is trained. A name of data (`"digits"`, `"fashion-mnist"`) or a path: the laboratory's networks
            on them. A `TorchTask`: a module of your own. None takes the data that the scope's plan names, or,
            without a scope, Fashion-MNIST where it lies here, else digits.
        arms: of a question of your own, the settings of each arm, the control first: of a `TorchTask` what its
            factory is called with, of the laboratory's networks changes to `Configuration`.
        seeds: the seeds, or how many (0, 1, ...); None means as many as the plan says. Of a study in two stages
            they are those of the second. `Until(difference)`, of a question of your own: as many as it takes.
        data: the same as a `task` that is a name or a path.
        settings: changes to the plan's settings, which are changes to `Configuration`. `batch` is at most the
            number of training examples, where nobody says otherwise.
        out: folder of the records; None means `runs/<name>-<data>` in the current directory.
        data_dir: where Fashion-MNIST's archives lie; None reads the variable `THINNED_DATA`.
        jobs: how many runs at once; None means one on each processor.
        scope: "quick" or "full": which of the question's plans and grids; None means quick below 10,000 training
            examples, and else full.
        stacked, device, ray: with what it is trained, see `thinned.lab.trainers.Means`.

    Raises:
        ConfigurationError: settings, seeds or a name that no study can have, or this machine cannot train.
        DataError, RateError, RecordError: see `thinned.errors`.

    Example:
        >>> study = Study("dropout", data="digits", seeds=2, settings={"epochs": 1})
        >>> [(trial.seed, trial.arm) for trial in study.trials()]
        [(0, 'none'), (0, 'dropout'), (1, 'none'), (1, 'dropout')]
        >>> widths = {"narrow": {"hidden": (32,)}, "wide": {"hidden": (512,)}}
        >>> [trial.arm for trial in Study("Does width help?", "digits", widths, seeds=2).trials()]
        ['narrow', 'wide', 'narrow', 'wide']
    """

    question: str | Question = "dropout"
    task: "str | os.PathLike[str] | TorchTask | None" = None
    arms: Mapping[str, Mapping[str, Any]] | None = None
    seeds: int | Sequence[int] | Until | None = None
    _: KW_ONLY
    data: str | os.PathLike[str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    out: Path | None = None
    data_dir: Path | None = None
    jobs: int | None = None
    scope: str | None = None
    stacked: How = "auto"
    device: str = "cpu"
    ray: str | None = None
    _opened: Task | None = field(default=None, init=False, repr=False)
    _design: Design | None = field(default=None, init=False, repr=False)
    _store: Store | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.task, str | os.PathLike):
            self.data, self.task = self.task, None
        self._check_question()
        DEFAULTS.changed(self.settings)
        if not isinstance(self.seeds, Until):
            _checked_seeds(self.seeds if self.seeds is not None else 2)
        elif self.arms is None:
            raise ConfigurationError(
                "expected a question of your own, with arms, beside seeds until it is decided; got the study "
                f"{self.name}. `thinned.lab.own_arms.as_own` makes one of a study."
            )
        self.out = None if self.out is None else Path(self.out)
        if self.scope is not None and self.scope not in SIZES:
            raise ConfigurationError(f"expected a scope, {' or '.join(SIZES)}; got {self.scope!r}.")
        self._means()
        if self.jobs is not None and self.jobs < 1:
            raise ConfigurationError(
                f"expected at least 1 job; got {self.jobs}. Leave it out to use every processor."
            )

    def _means(self) -> Means:
        return Means(self.stacked, self.device, self.ray)

    def _check_question(self) -> None:
        """A name of a study alone, or a question with arms; with a task of one's own, its settings are its own."""
        if self.arms is None:
            if self.task is not None:
                raise ConfigurationError(
                    "expected arms beside a task of your own; got none. Give the settings of each, the control "
                    'first: {"without": {"rate": 0.0}, "with": {"rate": 0.5}}.'
                )
            if isinstance(self.question, str):
                find(self.question)
        elif len(self.arms) < 2:
            raise ConfigurationError(f"expected at least two arms, to compare; got {len(self.arms)}.")
        elif self.task is not None and self.settings:
            raise ConfigurationError(
                f"expected no settings beside a task of your own; got {', '.join(self.settings)}. Give them to it."
            )

    @property
    def name(self) -> str:
        """Of the study, or of a question of one's own as a folder has it."""
        if isinstance(self.question, Question):
            return self.question.name
        return self.question if self.arms is None else named(self.question, self._until)

    @property
    def _until(self) -> Until | None:
        return self.seeds if isinstance(self.seeds, Until) else None

    def load(self) -> Task:
        """What is trained: our networks on data, which is read once, or the task of one's own."""
        if self._opened is None:
            if self.task is not None:
                self._opened = cast(Task, self.task)
            else:
                if self.data is None and self.scope is not None:
                    self.data = self._plan_of(self.scope).data
                asked = default_name(self.data_dir) if self.data is None else os.fspath(self.data)
                self._opened = Networks.on(asked, None if self.data_dir is None else str(self.data_dir))
        return self._opened

    def design(self) -> Design:
        """What all runs of this study share."""
        if self._design is None:
            about = self.load().about()
            base, scope = self._base(), Scope(self._size(), self.settings, about)
            question = self._named() or own_question(cast(OwnBase, base), OWN_SEEDS)
            design = Design(question, base, about["digest"], LAW, TRIAL, versions(), scope)
            self._check_size(design)
            self._design = design
        return self._design

    def _named(self) -> Question | None:
        """The question of a study, None for one of one's own."""
        if isinstance(self.question, Question):
            return self.question
        return find(self.question) if self.arms is None else None

    def _plan_of(self, size: str) -> Plan:
        question = self._named()
        if question is None:
            return Plan("digits" if size == "quick" else "fashion-mnist", OWN_SEEDS)
        return question.plan(size)

    def _plan(self) -> Plan:
        """How the question is asked where nothing else is said."""
        return self._plan_of(self._size())

    def _base(self) -> Configuration | OwnBase:
        task = self.load()
        if not isinstance(task, Networks):
            assert self.arms is not None  # noqa: S101 - checked at the start
            return replace(cast("TorchTask", task).base(str(self.question), self.arms), until=self._until)
        base = DEFAULTS.changed(self._plan().settings).changed(self.settings)
        if "batch" not in self.settings:
            base = replace(base, batch=min(base.batch, len(task.data.train_y)))
        if self.arms is None:
            return base
        return OwnBase(str(self.question), self.arms, NETWORKS, base.as_json(), until=self._until)

    def _check_size(self, design: Design) -> None:
        """Refuse what this machine cannot train, as far as that is known beforehand."""
        task = self.load()
        if isinstance(task, Networks):
            arms = design.arms()
            for configuration in dict.fromkeys(arms.values()):
                check(Size.of(configuration, len(arms) * _count(self._seeds()), task.data, len(arms)))

    def trials(self) -> tuple[Trial, ...]:
        """The runs that this study needs, as far as is known, those of a seed next to each other.

        The second stage is known when the first is complete.
        """
        return self._trials(self.store().read().records)

    def store(self) -> Store:
        """The records of this study's folder."""
        if self._store is None:
            self._store = Store((self.out or Path("runs") / f"{self.name}-{self.load().name}") / RECORDS)
        return self._store

    def missing(self) -> tuple[Trial, ...]:
        """The runs that the records do not have."""
        records = self.store().read().records
        known = {record.trial_key for record in records}
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
            answer=self.design().question.answer(self.design(), records),
            new=new,
            reused=len(self._trials(contents.records)) - new - len(failures),
            failures=tuple(failures.values()),
            damaged=contents.damaged,
            store=store.path,
        )

    def _trials(self, records: Sequence[Record]) -> tuple[Trial, ...]:
        design = self.design()
        if self._until is not None:
            at = looked(design.base, design.select(records))
            return tuple(self._runs(design.arms(), range(at.next or at.seeds)))
        if design.question.second is None:
            return tuple(self._runs(design.arms(), self._seeds()))
        first = tuple(self._runs(design.arms(), range(self._plan().seeds)))
        if {trial.key for trial in first} - {record.trial_key for record in records}:
            return first
        arms = design.question.second(design, design.first(records))
        return (*first, *self._runs(arms, self._seeds()))

    def _runs(self, arms: Mapping[str, Settings], seeds: Sequence[int]) -> Iterator[Trial]:
        """Every arm at every seed; the same training once."""
        different = {configuration: arm for arm, configuration in reversed(list(arms.items()))}
        named = [(arm, each) for arm, each in arms.items() if different[each] == arm]
        for seed in seeds:
            for arm, configuration in named:
                yield Trial(arm, seed, configuration, self.design().key(configuration, seed))

    def _train(self, todo: Sequence[Trial], store: Store, watch: Watch) -> tuple[Failure, ...]:
        todo, left_out = self._means().possible(todo)
        if left_out:
            watch.note(
                f"{len(left_out)} runs cannot be stacked and are left out; --stacked auto trains them alone."
            )
        torn = store.append()  # a folder that cannot be written to says so before an hour of training
        if torn:
            watch.note(
                f"The last line of {store.path} was not finished when its writer ended. Its {torn} bytes are in "
                f"{store.torn} now, and its run is trained again."
            )
        if not todo:
            return left_out
        jobs = self._jobs(todo, watch)
        records = store.read().records
        epochs = sum(trial.configuration.epochs for trial in todo)
        reused = len(self._trials(records)) - len(todo)
        watch.begin(self.design(), records, epochs=epochs, runs=len(todo), reused=reused, jobs=jobs)
        trainer = self._means().trainer(todo, self.load(), jobs)
        return (*left_out, *train(todo, trainer, self._record, store, watch))

    def _size(self) -> str:
        if self.scope is None:
            return "quick" if self.load().about()["train_examples"] < FEW_EXAMPLES else "full"
        return self.scope

    def _seeds(self) -> Sequence[int]:
        """Those of the stage that answers; of two stages, the first has those before."""
        if isinstance(self.seeds, Until):
            return range(self.seeds.most)
        plan, question = self._plan(), self._named()
        if question is None or question.second is None:
            return _checked_seeds(plan.seeds if self.seeds is None else self.seeds)
        asked = plan.second if self.seeds is None else self.seeds
        if isinstance(asked, int):
            _checked_seeds(asked)
            return range(plan.seeds, plan.seeds + asked)
        return _checked_seeds(asked)

    def _jobs(self, todo: Sequence[Trial], watch: Watch) -> int:
        wanted = min(self.jobs or processors(), max(len(todo), 1))
        task = self.load()
        if not isinstance(task, Networks):
            return wanted
        different = {cast(Configuration, trial.configuration) for trial in todo}
        jobs = min(at_once(Size.of(each, len(todo), task.data), wanted) for each in different)
        if jobs < wanted:
            watch.note(f"The memory of this machine holds {jobs} of these runs at once, and not {wanted}.")
        return jobs

    def _record(self, trial: Trial, event: Event) -> Record:
        record = Record(
            key=trial.key,
            study=self.name,
            arm=trial.arm,
            seed=trial.seed,
            design=self.design().as_json(),
            configuration=trial.configuration.as_json(),
            data=self.load().about(),
            law=LAW,
            trial=TRIAL,
            versions=versions(),
            machine=machine(),
            git=git_state(),
            started=event.content["started"],
            duration_s=event.content["duration_s"],
            stacked=event.content.get("stacked"),
            **event.content["outcome"],
        )
        return record if record.stacked is None else replace(record, key=key_of(record.identity()))


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
