"""How fast the laboratory trains, as ratios; see PROTOCOL.md. `python benchmarks/lab_speed.py [CASE...]` runs it.

Fashion-MNIST is read from $THINNED_DATA, or fetched. The comparison with d2l needs that package and torchvision in
a folder of their own, which $D2L_FOLDER names:

    pip install --target d2l-folder --no-deps d2l==1.0.3 torchvision==0.28.0
    D2L_FOLDER=d2l-folder python benchmarks/lab_speed.py d2l

Without it, that case says so and is left out. Never install torchvision beside the packages here: see
docs/decisions/0004-dependencies.md. $LAB_EPOCHS shortens the trainings, and the figures are then no results.
"""

import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from measure import Row, run

from thinned.lab import Configuration, Study
from thinned.lab.data.places import data_folder
from thinned.lab.pool import processors
from thinned.lab.progress import Silent
from thinned.lab.question import Design
from thinned.lab.records import Record
from thinned.lab.studies import STUDIES
from thinned.lab.task import Networks

EPOCHS = int(os.environ.get("LAB_EPOCHS", "10"))
TRIALS = 8
ROUNDS = 3
QUICK_MINUTES = 15


class Stopwatch(Silent):
    """When each run was saved."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.first = 0.0
        self.saved: list[float] = []
        self.spent: list[float] = []

    def begin(
        self, design: Design, records: Sequence[Record], *, epochs: int, runs: int, reused: int, jobs: int
    ) -> None:
        """The study begins."""
        self.begun = time.perf_counter()

    def recorded(self, record: Record) -> None:
        """A run is saved."""
        self.saved.append(time.perf_counter())
        self.spent.append(record.duration_s)


def d2l() -> Iterator[Row]:
    """One run of the chapter's network, in turn with d2l's: 10 epochs, batches of 256, Fashion-MNIST."""
    folder = os.environ.get("D2L_FOLDER")
    if folder is None or not (Path(folder) / "d2l").is_dir():
        print(
            "d2l is left out: expected $D2L_FOLDER, a folder with d2l and torchvision. Do: pip install --target "
            "d2l-folder --no-deps d2l==1.0.3 torchvision==0.28.0",
            file=sys.stderr,
        )
        return
    task = Networks.on("fashion-mnist")
    settings = Configuration(epochs=EPOCHS).as_json()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as root:
        _lay_out(Path(root))
        for seed in range(ROUNDS):
            begun = time.perf_counter()
            task.run(settings, seed)
            ours.append(time.perf_counter() - begun)
            command = [
                sys.executable,
                str(Path(__file__).with_name("d2l_chapter.py")),
                folder,
                root,
                str(EPOCHS),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own script
            theirs.append(float(done.stdout.split()[0]))
    us, them = statistics.median(ours), statistics.median(theirs)
    what = f"one run of the chapter's network, {EPOCHS} epochs, one thread"
    yield Row(what, f"d2l.Trainer and d2l.FashionMNIST, {processors()} threads", them / us, 7, us, them)


def _lay_out(root: Path) -> None:
    """Fashion-MNIST's files as torchvision unpacks them."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    home = data_folder(None)
    archives = sorted((home or Path()).rglob("*ubyte.gz"))
    if len(archives) != 4:
        sys.exit(f"expected Fashion-MNIST's four archives below $THINNED_DATA; got {len(archives)}.")
    for archive in archives:
        with gzip.open(archive) as packed, (raw / archive.stem).open("wb") as plain:
            shutil.copyfileobj(packed, plain)


def two_workers() -> Iterator[Row]:
    """Trials a minute with two worker processes against one, start-up included, of runs of about five seconds."""
    took = {jobs: statistics.median(_study(jobs)[0] for _ in range(ROUNDS)) for jobs in (1, 2)}
    what = f"{TRIALS} trials with two workers, on {processors()} processors"
    yield Row(what, "the same with one worker", took[1] / took[2], 1.8, took[2], took[1])


def overhead() -> Iterator[Row]:
    """What a trial takes beyond its training, one worker: between records, against the training's own time."""
    found = [_study(1) for _ in range(ROUNDS)]
    shares = [statistics.mean(gaps) / statistics.mean(spent) for _, gaps, spent in found]
    gap = statistics.median(statistics.mean(gaps) for _, gaps, _ in found)
    spent = statistics.median(statistics.mean(each) for _, _, each in found)
    yield Row(
        "a trial from record to record", "its training", statistics.median(shares), 1.05, gap, spent, True
    )


def _study(jobs: int) -> tuple[float, list[float], list[float]]:
    """Seconds of a study without its page; those from record to record; those of the trainings between."""
    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch()
        settings = {"epochs": EPOCHS, "hidden": (256, 256), "train_examples": 30_000}
        asked = Study(
            "dropout", data="fashion-mnist", seeds=TRIALS // 2, settings=settings, out=Path(folder), jobs=jobs,
            stacked="never",
        )  # fmt: skip
        asked.run(watch)
        gaps = [later - sooner for sooner, later in zip(watch.saved, watch.saved[1:], strict=False)]
        return watch.saved[-1] - watch.begun, gaps, watch.spent[1:]


def quick() -> Iterator[Row]:
    """Every study, quickly, as the command line does it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "thinned", "study", "all", "--quick", "--out", folder]
        begun = time.perf_counter()
        subprocess.run(command, check=True)  # noqa: S603 - our own program
        took = time.perf_counter() - begun
    limit = QUICK_MINUTES * 60
    yield Row(
        f"thinned study all --quick, {len(STUDIES)} studies", "15 minutes", took / limit, 1, took, limit, True
    )


CASES = {"d2l": d2l, "workers": two_workers, "overhead": overhead, "quick": quick}

if __name__ == "__main__":
    run("lab", CASES, ("torch", "scipy"))
