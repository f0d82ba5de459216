"""The system's clock may jump while a study runs: it names moments, and measures nothing."""

import ast
from pathlib import Path

import pytest

import thinned

ROOMS = [Path(thinned.__file__).parent / room for room in ("lab", "report", "cli")]

NAMES_MOMENTS = {"lab/worker.py", "lab/stacked/work.py", "lab/frameworks/worker.py", "cli/runs.py"}
"""Files that may ask what time it is: for a record's `started`, and for `--since 7d`, which compares with it."""


def asked(source):
    """The lines of a source that read the clock which can jump."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in {"time.time", "time.time_ns"})
        or (isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"})
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and {"time"} & {x.name for x in node.names}
        )
    ]


def test_durations_and_waits_are_measured_by_clocks_that_only_go_forward():
    """`perf_counter` and `monotonic`; nobody else reads the wall clock."""
    found = {
        file.relative_to(room.parent).as_posix()
        for room in ROOMS
        for file in room.rglob("*.py")
        if asked(file.read_text(encoding="utf-8"))
    }

    assert NAMES_MOMENTS == found


@pytest.mark.parametrize(
    "source", ["time.time()", "from time import time", "datetime.now(UTC)", "date.today()", "time.time_ns()"]
)
def test_it_would_be_seen(source):
    """The test above can fail."""
    assert [1] == asked(source)
