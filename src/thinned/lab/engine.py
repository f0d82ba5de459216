"""How missing runs become records: trained by whoever trains, appended as they finish, failures told."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from thinned.lab.pool import Event
from thinned.lab.progress import Watch
from thinned.lab.records import Record, Store
from thinned.lab.task import Settings

Trainer = Callable[[Sequence[Mapping[str, Any]]], Generator[Event, None, None]]
"""From tasks, `configuration` and `seed` of each trial as plain values, to the news of them; see `pool.run_all`."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run that a study needs.

    Args:
        arm: of the study; the first, where several arms are the same training.
        seed: of the weights, the order of examples, and the masks.
        configuration: what to train.
        key: of its record.
    """

    arm: str
    seed: int
    configuration: Settings
    key: str

    def task(self) -> dict[str, Any]:
        """What a worker is told."""
        return {"configuration": self.configuration.as_json(), "seed": self.seed}


@dataclass(frozen=True, slots=True)
class Failure:
    """A run without an outcome.

    Args:
        trial: which.
        reason: what its worker said last.
    """

    trial: Trial
    reason: str


def train(
    todo: Sequence[Trial],
    trainer: Trainer,
    record: Callable[[Trial, Event], Record],
    store: Store,
    watch: Watch,
) -> tuple[Failure, ...]:
    """Train what is missing, and append a record as each run ends.

    A run that has no outcome, because its worker died twice or its training raised, is told and returned; the
    others go on. A store that cannot be written to ends it all, since further runs could not be saved either.

    Args:
        todo: the missing runs.
        trainer: that trains them.
        record: that makes a record of an outcome.
        store: of the records.
        watch: who follows.

    Raises:
        RecordError: the store cannot be written to.
    """
    failures = []
    with closing(trainer([trial.task() for trial in todo])) as events:
        for event in events:
            trial = todo[event.index]
            if event.kind == "epoch":
                watch.epoch()
            elif event.kind == "outcome":
                made = record(trial, event)
                store.append(made)
                watch.recorded(made)
            else:
                reason = str(event.content["error"])
                again = "it is run once more" if event.kind == "retry" else "it has no record"
                watch.note(f"Seed {trial.seed}, arm {trial.arm}: {again}. {reason}")
                if event.kind == "failed":
                    failures.append(Failure(trial, reason))
    return tuple(failures)
