"""How long a user waits for the first dropout: medians over fresh processes, imports included.

    python benchmarks/first_call.py

The time runs from before `import numpy` to after the first call, inside the process, so that the
interpreter's own start is not counted. Bounds to hold: 5 s when the kernel is compiled, 0.5 s when it is
found on disk.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CODE = """
import time
marks = [time.perf_counter()]
import numpy as np
marks.append(time.perf_counter())
from thinned.methods.dropout import plan
from thinned.kernels.execute import DROP, thin
marks.append(time.perf_counter())
x = np.ones(1 << 16, np.float32)
y = np.empty_like(x)
thin(DROP, x, y, plan(x.shape, 0.5), (0, 0, 0, 0), threads=1)
marks.append(time.perf_counter())
thin(DROP, x, y, plan(x.shape, 0.5), (0, 0, 0, 0), threads=1)
marks.append(time.perf_counter())
print(*(b - a for a, b in zip(marks, marks[1:])), marks[3] - marks[0])
"""
PARTS = ("import numpy", "import thinned", "first call", "second call", "total")


def once(cache: Path) -> list[float]:
    """Seconds of each part, in a process of its own."""
    out = subprocess.run(  # noqa: S603 - our own interpreter and our own code
        [sys.executable, "-c", CODE],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [float(word) for word in out.split()]


def show(name: str, runs: list[list[float]]) -> None:
    """One line of medians."""
    medians = [statistics.median(part) for part in zip(*runs, strict=True)]
    print(
        f"{name:10}" + "".join(f"  {part} {value:.4f} s" for part, value in zip(PARTS, medians, strict=True))
    )


def main() -> None:
    """Five processes that compile, twenty that find the kernel on disk."""
    compiled = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            compiled.append(once(Path(folder)))
    show("compiling", compiled)
    with tempfile.TemporaryDirectory() as folder:
        once(Path(folder))
        show("cached", [once(Path(folder)) for _ in range(20)])


if __name__ == "__main__":
    main()
