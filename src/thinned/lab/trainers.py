"""Who trains the missing runs of a study: this machine's processes, its GPU, or a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from thinned.lab.configuration import Configuration
from thinned.lab.engine import Failure, Trainer, Trial
from thinned.lab.pool import Cohort, run_all
from thinned.lab.stacked.choice import How, arrange, check_choice
from thinned.lab.stacked.cohorts import stackable
from thinned.lab.task import Networks, Task


@dataclass(frozen=True, slots=True)
class Means:
    """With what a study trains.

    Args:
        stacked: whether trials of one shape are trained as one program (`thinned.lab.stacked`): "auto" where that
            is faster, and always on a GPU; "never"; or "always", which leaves out what cannot be stacked.
        device: that cohorts are trained on, "cpu" or "cuda"; what cannot be stacked is trained on processors.
        ray: the address of a Ray cluster that trains instead of this machine's processes; "auto" for the one that
            this machine belongs to, or else one of its own. See `thinned.lab.cluster`.

    Raises:
        ConfigurationError: what cannot be chosen, or a GPU that is not there.
    """

    stacked: How = "auto"
    device: str = "cpu"
    ray: str | None = None

    def __post_init__(self) -> None:
        check_choice(self.stacked, self.device)

    def possible(self, todo: Sequence[Trial]) -> tuple[list[Trial], tuple[Failure, ...]]:
        """What is trained, and what is left out where only stacked trials are asked for."""
        if self.stacked != "always":
            return list(todo), ()
        rest = [trial for trial in todo if not stackable(trial.configuration)]
        left_out = tuple(Failure(trial, "it cannot be stacked with others") for trial in rest)
        return [trial for trial in todo if stackable(trial.configuration)], left_out

    def trainer(self, todo: Sequence[Trial], task: Task, jobs: int) -> Trainer:
        """That of these trials.

        Args:
            todo: the missing runs.
            task: what they train.
            jobs: how many processes at most.
        """
        cohorts = self._cohorts(todo, task, jobs)
        if self.ray is None:
            where, inherited = task.inherited() if isinstance(task, Networks) else (task.where(), ())
            return partial(run_all, where=where, jobs=jobs, cohorts=cohorts, inherited=inherited)
        from thinned.lab import cluster

        return partial(cluster.run_all, where=task.where(), address=self.ray, cohorts=cohorts)

    def _cohorts(self, todo: Sequence[Trial], task: Task, jobs: int) -> list[Cohort] | None:
        found = [each.configuration for each in todo if isinstance(each.configuration, Configuration)]
        if not isinstance(task, Networks) or len(found) < len(todo):
            return None
        about = task.about()
        return arrange(
            found, self.stacked, self.device, jobs=jobs,
            examples=about["train_examples"], features=about["features"], classes=about["classes"],
        )  # fmt: skip
