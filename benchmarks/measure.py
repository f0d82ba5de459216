"""Time alternatives in turn; medians and their ratio."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

Call = Callable[[], object]

ROUND_S = 0.025
"""How long one side has its turn: long against what the other leaves behind in caches and in the allocator."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a ratio of medians, beside what it should reach."""

    case: str
    against: str
    ratio: float
    goal: float
    ours_s: float
    peer_s: float
    at_most: bool = False

    def holds(self) -> bool:
        """Whether the goal is reached."""
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def medians(calls: Mapping[str, Call], *, rounds: int = 15, least_s: float = 1.0) -> dict[str, float]:
    """The median seconds of each call, timed in turn, round by round."""
    repeats = {name: _repeats(call) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    begun = time.perf_counter()
    while len(times[next(iter(times))]) < rounds or time.perf_counter() - begun < least_s:
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            times[name].append((time.perf_counter() - start) / repeats[name])
    return {name: statistics.median(values) for name, values in times.items()}


def compare(case: str, ours: Call, against: str, peer: Call, goal: float, *, rounds: int = 15) -> Row:
    """How many times faster ours is than a peer."""
    found = medians({"ours": ours, "peer": peer}, rounds=rounds)
    return Row(case, against, found["peer"] / found["ours"], goal, found["ours"], found["peer"])


def _repeats(call: Call) -> int:
    """How many calls make a round; warms up on the way."""
    for _ in range(3):
        call()
    start = time.perf_counter()
    for _ in range(3):
        call()
    return max(1, round(3 * ROUND_S / (time.perf_counter() - start)))


def in_process(function: str, **environment: str) -> float:
    """The number that `benchmarks.apart.<function>` prints in a fresh process."""
    command = [sys.executable, str(Path(__file__).with_name("apart.py")), function]
    done = subprocess.run(  # noqa: S603 - our own script
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}
    )
    return float(done.stdout)


def processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def run(name: str, cases: Mapping[str, Callable[[], Iterable[Row]]], packages: Sequence[str]) -> None:
    """Measure the cases that the command line names, or all; print the table, and keep that of a full run.

    Args:
        name: of the table, part of the results' file name.
        cases: by name, what measures them.
        packages: whose versions the results state.
    """
    asked = sys.argv[1:]
    unknown = sorted(set(asked) - set(cases))
    if unknown:
        sys.exit(f"expected cases among {', '.join(cases)}; got {', '.join(unknown)}")
    rows: list[Row] = []
    for case in asked or cases:
        rows += cases[case]()
    show(rows)
    if not asked:
        print(write(name, rows, packages))


def show(rows: Iterable[Row]) -> None:
    """Print a table."""
    table = Table("case", "against", "ratio", "goal", "ours", "peer")
    for row in rows:
        sign, mark = ("<=" if row.at_most else ">="), ("" if row.holds() else " (missed)")
        cells = (f"{row.ratio:.2f}", f"{sign} {row.goal:g}{mark}" if row.goal else "")
        table.add_row(row.case, row.against, *cells, _median(row.ours_s), _median(row.peer_s))
    Console(width=120).print(table)


def _median(value: float) -> str:
    """A median in seconds; of memory, in tensors."""
    if not value:
        return ""
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.2f}"


def write(name: str, rows: list[Row], packages: Sequence[str]) -> Path:
    """Keep the table with what it was measured on."""
    document = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("thinned", "numba", "numpy", *packages)},
        "rows": [{**row.__dict__, "holds": row.holds()} for row in rows],
    }
    path = results(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def results(name: str) -> Path:
    """Where the table of that name is kept, of this processor."""
    return (
        Path(__file__).with_name("results")
        / f"{processor().lower().replace(' ', '-').replace('/', '-')}-{name}.json"
    )


def threads() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
