"""The program as a user runs it: a process with arguments, two outputs and an exit code."""

import os
import subprocess
import sys
from dataclasses import dataclass

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "THINNED_DATA"} | {
    "NO_COLOR": "1"
}


@dataclass(frozen=True)
class Ended:
    """A process that ended."""

    code: int
    out: str
    err: str


def thinned(*arguments, cwd=None, **environment):
    """Run `python -m thinned` with no data directory and no colours."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "thinned", *map(str, arguments)],
        env=ENVIRONMENT | {"COLUMNS": "200"} | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
