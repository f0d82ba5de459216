"""Time alternatives in turn; medians and their ratio."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

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


def write(rows: list[Row], threads: int) -> Path:
    """Keep the table with what it was measured on."""
    names = ("thinned", "torch", "numba", "numpy")
    document = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
        "rows": [{**row.__dict__, "holds": row.holds()} for row in rows],
    }
    folder = Path(__file__).with_name("results")
    folder.mkdir(exist_ok=True)
    path = folder / f"{processor().lower().replace(' ', '-').replace('/', '-')}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
