"""Fresh Python processes, for facts that only a fresh process can show."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Python 3.12 warns of every fork of a process with threads; forking one is what these tests are for.
_WARNINGS = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]


def python(code, **environment):
    """Run `code`, fail with its own words, and return (stdout, stderr)."""
    return _run(["-c", textwrap.dedent(code)], environment)


def script(path, *arguments):
    """The same for a file, which workers can import."""
    return _run([str(path), *arguments], {})


def _run(arguments, environment):
    done = subprocess.run(
        [sys.executable, *_WARNINGS, *arguments],
        cwd=ROOT,  # so that `tests` can be imported
        env=os.environ | {name: str(value) for name, value in environment.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
