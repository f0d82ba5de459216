"""`thinned study frameworks`: which trainings it needs, which of them the records have, and what all say."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.data import Data, default_name, load
from thinned.lab.frameworks import records
from thinned.lab.frameworks.batches import per_epoch
from thinned.lab.frameworks.catalogue import Absent, Found, choose, look
from thinned.lab.frameworks.equivalence import RESTARTS
from thinned.lab.frameworks.material import lay_out
from thinned.lab.frameworks.processes import Job, News, run_all
from thinned.lab.frameworks.progress import Silent, Watch
from thinned.lab.frameworks.records import STUDY, TRIAL, Run, Store
from thinned.lab.frameworks.setting import Setting
from thinned.lab.frameworks.verdict import STEPS64, Line, Runs, answer, lines
from thinned.lab.lock import alone
from thinned.lab.provenance import LAW, fingerprint, git_state, machine
from thinned.lab.study import FEW_EXAMPLES, RECORDS
from thinned.mask.address import seed64

ASKS = "Do all frameworks train the same network, with dropout switched on?"


@dataclass(frozen=True, slots=True)
class Failure:
    """A training without an outcome that counts.

    Args:
        title: of the framework.
        setting: what was asked.
        reason: what its process said last, or that it diverged.
    """

    title: str
    setting: Setting
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """A study that has been run.

    Args:
        lines: what is said of each framework; the first is the reference.
        absent: frameworks that could not take part.
        failures: trainings without an outcome; their frameworks have no line.
        answer: headline and sentence.
        data: name of the data.
        new: how many trainings were made now.
        reused: how many were in the records before.
        store: path of the records.
    """

    lines: tuple[Line, ...]
    absent: tuple[Absent, ...]
    failures: tuple[Failure, ...]
    answer: Mapping[str, str]
    data: str
    new: int
    reused: int
    store: Path

    @property
    def holds(self) -> bool:
        """Whether every mask is the law's, every bound is kept, and every training has an outcome."""
        return not self.failures and len(self.lines) > 1 and all(line.holds for line in self.lines)


@dataclass(slots=True)
class FrameworksStudy:
    """One network, from one seed, in every framework that is installed.

    Every framework begins with the same weights, sees the same minibatches in the same order, and trains the
    chapter's network with dropout: 200 steps in float64; some epochs in float32; the same again from `restarts`
    starting weights of which each is moved by one unit in its last place; and 200 steps in float64 with its own
    built-in dropout. What goes into dropout and comes out of it is compared with the law at every step.

    Args:
        frameworks: names, as `catalogue.FRAMEWORKS` has them; None takes all that are installed.
        data: `"digits"`, `"fashion-mnist"` or a path; None takes Fashion-MNIST where it lies here, else digits.
        seed: of weights, order and masks.
        restarts: from moved weights, at least 2.
        epochs: in float32; None means 10, or 100 below 10,000 training examples.
        out: folder of the records; None means `runs/frameworks-<data>` in the current directory.
        data_dir: where Fashion-MNIST's archives lie; None reads the variable `THINNED_DATA`.
        mxnet_python: the interpreter that has MXNet; None looks for `.venv-mxnet`.
        base: the rest of a setting: width, rates, learning rate, batch; `steps` are those in float64.

    Raises:
        ConfigurationError: an unknown framework, fewer than two that can run, too few restarts or epochs.
        AddressError: a seed outside its width.
        DataError, RecordError: see `thinned.errors`.
    """

    frameworks: Sequence[str] | None = None
    data: str | None = None
    seed: int = 0
    restarts: int = RESTARTS
    epochs: int | None = None
    out: Path | None = None
    data_dir: Path | None = None
    mxnet_python: Path | None = None
    base: Setting = field(default_factory=lambda: Setting("float64", "law", 0, STEPS64, 0))
    _loaded: Data | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        choose(self.frameworks)
        seed64(self.seed)
        if self.restarts < 2 or (self.epochs is not None and self.epochs < 1):
            raise ConfigurationError(
                f"expected at least 2 restarts, whose spread can be estimated, and at least 1 epoch; got "
                f"{self.restarts} and {self.epochs}. The defaults are {RESTARTS} and enough to learn."
            )

    def load(self) -> Data:
        """The data, read once."""
        if self._loaded is None:
            self.data = default_name(self.data_dir) if self.data is None else self.data
            self._loaded = load(self.data, self.data_dir)
        return self._loaded

    def settings(self) -> tuple[Setting, ...]:
        """The trainings of each framework."""
        examples = len(self.load().train_y)
        base = replace(self.base, seed=self.seed, batch=min(self.base.batch, examples))
        epochs = self.epochs or (100 if examples < FEW_EXAMPLES else 10)
        plain = replace(base, dtype="float32", steps=epochs * per_epoch(examples, base.batch))
        restarts = (replace(plain, restart=restart) for restart in range(1, self.restarts + 1))
        return base, replace(base, drops="built-in"), plain, *restarts

    def store(self) -> Store:
        """The records of this study's folder."""
        return Store((self.out or Path("runs") / f"{STUDY}-{self.load().name}") / RECORDS)

    def run(self, watch: Watch | None = None) -> Result:
        """Train what is missing, record each training as it ends, and judge.

        Args:
            watch: who follows; None shows nothing.
        """
        watch = watch or Silent()
        looked = list(look(choose(self.frameworks), self.mxnet_python))
        found = [each for each in looked if isinstance(each, Found)]
        absent = tuple(each for each in looked if isinstance(each, Absent))
        for each in absent:
            watch.note(f"{each.framework.title} takes no part: {each.reason}")
        if len(found) < 2:
            raise ConfigurationError(
                f"expected at least two frameworks that can run here; got {len(found)}. "
                "Run: pip install 'thinned[torch]', or another of jax, flax, tensorflow, keras."
            )
        store = self.store()
        with alone(store.path.parent, watch.note):
            jobs = self._missing(found, store)
            failures = self._train(jobs, store, watch) if jobs else []
        known = store.read()
        judged = [self._runs(each, known) for each in found]
        failures += [failure for each in judged if isinstance(each, list) for failure in each]
        finished = lines([each for each in judged if isinstance(each, Runs)]) if judged else ()
        todo = sum(len(job.settings) for job in jobs)
        lost = sum(failure.reason != _DIVERGED for failure in failures)
        return Result(
            lines=finished,
            absent=absent,
            failures=tuple(failures),
            answer=answer(finished, self.load().name) if finished else _NO_ANSWER,
            data=self.load().name,
            new=todo - lost,
            reused=len(found) * len(self.settings()) - todo,
            store=store.path,
        )

    def key(self, found: Found, setting: Setting) -> str:
        """Of the record that a training has."""
        return records.key(
            found.framework.name, setting.as_json(), fingerprint(self.load()), LAW, TRIAL, found.versions
        )

    def _missing(self, found: Sequence[Found], store: Store) -> list[Job]:
        known = store.read()
        # The slowest to start stand last in the catalogue; begun first, they leave no lane empty at the end.
        jobs = (
            Job(each, tuple(setting for setting in self.settings() if self.key(each, setting) not in known))
            for each in reversed(found)
        )
        return [job for job in jobs if job.settings]

    def _train(self, jobs: Sequence[Job], store: Store, watch: Watch) -> list[Failure]:
        store.append()  # a folder that cannot be written to says so before an hour of training
        failures = []
        base = max(self.settings(), key=lambda setting: setting.steps)
        with tempfile.TemporaryDirectory(prefix="thinned-") as folder:
            watch.begin("the law's masks", base.steps)
            for _ in lay_out(Path(folder), self.load(), base, self.restarts):
                watch.advance()
            each = per_epoch(len(self.load().train_y), base.batch)
            watch.begin("training", sum(setting.steps // each for job in jobs for setting in job.settings))
            with closing(run_all(jobs, Path(folder))) as all_news:
                for news in all_news:
                    if news.kind == "epoch":
                        watch.advance()
                    elif news.kind == "outcome":
                        store.append(self._record(news))
                    else:
                        failure = Failure(
                            news.job.found.framework.title, news.setting, str(news.content["error"])
                        )
                        watch.note(f"{failure.title}: {failure.reason}")
                        failures.append(failure)
        return failures

    def _record(self, news: News) -> Run:
        data, found = self.load(), news.job.found
        about = {"name": data.name, "digest": fingerprint(data), "source": data.source}
        about |= {"train_examples": len(data.train_y), "test_examples": len(data.test_y)}  # type: ignore[dict-item]
        return Run(
            key=self.key(found, news.setting),
            study=STUDY,
            framework=found.framework.name,
            setting=news.setting.as_json(),
            data=about,
            outcome=news.content["outcome"],
            law=LAW,
            trial=TRIAL,
            versions=dict(found.versions),
            machine=machine(),
            git=git_state(),
            started=news.content["started"],
            duration_s=news.content["duration_s"],
        )

    def _runs(self, found: Found, known: Mapping[str, Run]) -> Runs | list[Failure]:
        """The trainings of one framework, or why they do not count; what has no record was told already."""
        runs = [known.get(self.key(found, setting)) for setting in self.settings()]
        have = [run for run in runs if run is not None]
        diverged = [run for run in have if len(run.outcome["losses"]) < run.asked.steps]
        if diverged or len(have) < len(runs):
            return [Failure(found.framework.title, run.asked, _DIVERGED) for run in diverged]
        exact, built_in, plain, *restarts = have
        return Runs(found, exact, plain, tuple(restarts), built_in)


_DIVERGED = "it diverged: a loss was not finite"
_NO_ANSWER: dict[str, Any] = {
    "headline": "There is no answer yet",
    "sentence": "No framework finished all of its trainings.",
}
