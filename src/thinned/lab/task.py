"""What the trials of a study train: the door between the engine, which knows none of it, and those who do."""

import base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from thinned.lab.configuration import Configuration
from thinned.lab.data import Data, load
from thinned.lab.data.shared import Shared, attach, share
from thinned.lab.provenance import fingerprint

if TYPE_CHECKING:
    from thinned.lab.training import Outcome


class Settings(Protocol):
    """What one trial trains, but for its seed; equal settings are equal and have one hash."""

    @property
    def epochs(self) -> int:
        """How often a trial says that it has come further."""

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a record holds them; they name everything that the outcome depends on."""


class Task(Protocol):
    """A pure function from settings and a seed to an outcome, and how another process gets the same one."""

    @property
    def name(self) -> str:
        """Of the data, in answers and folders."""

    def about(self) -> dict[str, Any]:
        """What a record says of the data: `name, asked, digest, source, train_examples, test_examples`, or more.

        The digest is of everything in the data that an outcome depends on.
        """

    def where(self) -> dict[str, Any]:
        """Plain values from which `opened` makes this task again, in a process of this or another machine."""

    def run(
        self, settings: Mapping[str, Any], seed: int, epoch_done: Callable[[int], None] = lambda _: None
    ) -> "Outcome":
        """Run one trial, on one thread.

        Args:
            settings: as `Settings.as_json` has them.
            seed: of everything that is drawn.
            epoch_done: called with the number of each finished epoch.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The laboratory's own networks, on data in memory: what every study of `thinned.lab.studies` trains.

    Args:
        data: loaded.
        asked: the name or path by which it was loaded.
        data_dir: where Fashion-MNIST's archives lie, or None.
    """

    data: Data
    asked: str
    data_dir: str | None = None
    digest: str = field(default="", repr=False)
    shared: Shared | None = field(default=None, repr=False)

    @classmethod
    def on(cls, asked: str, data_dir: str | None = None) -> "Networks":
        """On data by its name or path."""
        return cls(load(asked, data_dir), asked, data_dir)

    @property
    def name(self) -> str:
        """As the data names itself."""
        return self.data.name

    def about(self) -> dict[str, Any]:
        """With `features` and `classes`."""
        data = self.data
        if not self.digest:
            object.__setattr__(self, "digest", fingerprint(data))  # once: it reads every example
        return {
            "name": data.name,
            "asked": self.asked,
            "digest": self.digest,
            "source": data.source,
            "train_examples": len(data.train_y),
            "test_examples": len(data.test_y),
            "features": int(data.train_x[0].size),
            "classes": len(data.classes),
        }

    def where(self) -> dict[str, Any]:
        """The data's name, and where it lies."""
        return {"data": self.asked, "data_dir": self.data_dir}

    def inherited(self) -> tuple[dict[str, Any], tuple[int, ...]]:
        """For a child process, which needs to read nothing: `where`, and the descriptor that it must inherit."""
        if self.shared is None:
            with suppress(OSError):  # no room for one more copy; then each process reads its own
                object.__setattr__(self, "shared", share(self.data))
        if self.shared is None:
            return self.where(), ()
        descriptor = self.shared.descriptor
        return self.where() | {"shared": {"descriptor": descriptor, "layout": self.shared.layout}}, (
            descriptor,
        )

    def run(
        self, settings: Mapping[str, Any], seed: int, epoch_done: Callable[[int], None] = lambda _: None
    ) -> "Outcome":
        """Train one network; see `thinned.lab.training.train`."""
        from thinned.lab.training import train

        return train(Configuration.from_json(settings), seed, self.data, epoch_done)


def opened(where: Mapping[str, Any]) -> Task:
    """The task that another process described by `Task.where`.

    A task of the user's own comes pickled, by value, from the process that the user runs; nothing else is ever
    unpickled.
    """
    if "own" in where:
        import cloudpickle

        task: Task = cloudpickle.loads(base64.b64decode(where["own"]))
        return task
    if "shared" in where:
        data = attach(where["shared"]["descriptor"], where["shared"]["layout"])
        return Networks(data, where["data"], where["data_dir"])
    return Networks.on(where["data"], where["data_dir"])
