"""One study at a time in a folder: two at once would train every run twice."""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from thinned.errors import RecordError

if sys.platform != "win32":  # there, two studies at once are slower, and wrong in nothing
    import fcntl

NAME = ".lock"


@contextmanager
def alone(folder: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold a folder's lock; where another process has it, say so and wait.

    The system lets go of the lock when the process that holds it ends, however it ends.

    Args:
        folder: made where it does not exist.
        waiting: told once, if there is something to wait for.

    Raises:
        RecordError: no file can be made or locked there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The file stays: whoever removed it would take it from under one who has opened it and waits.
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        try:
            _take(descriptor, folder, waiting)
        except OSError as error:
            raise _refused(folder, error) from error
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path, waiting: Callable[[str], None]) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting(
            f"Another study, process {_holder(descriptor)}, is at work in {folder}. This one waits for it, and "
            "then takes over what it has trained. Ctrl-C leaves; --out names another folder."
        )
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _holder(descriptor: int) -> str:
    """The process that holds the lock, as it says itself a moment after it has taken it."""
    for _ in range(20):
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        if holder:
            return holder
        time.sleep(0.05)
    return "unknown"


def _refused(folder: Path, error: OSError) -> RecordError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return RecordError(
        f"expected a folder that can be written to; got {error.strerror or error} at {folder}. "
        f"Choose another folder with --out, or {'make room' if full else 'change its permissions'}."
    )
