"""Records of runs: one file, one line a run, only ever appended to.

A line is one JSON object. It is written by a single call under an exclusive lock and forced to the disk
before the run counts as saved, so that processes killed at any moment leave at most one torn line, the last.
A reader skips a damaged line and says so; the next writer moves a torn one aside.

Several machines may share a file, where their file system keeps `flock` for all of them: NFS from version 4 on,
Lustre and GPFS with locks switched on, CIFS with its default locks; not s3fs and its kin, nor folders that a
service copies from machine to machine. Files that were written apart can be put together by `cat`: a key that
occurs twice counts once.
"""

import errno
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from thinned.errors import RecordError
from thinned.lab.fields import check

if sys.platform != "win32":  # there, one write in append mode is all the protection there is
    import fcntl


@dataclass(frozen=True, slots=True)
class Record:
    """One run: what was asked, what came out, and how it was made.

    Args:
        key: of what was computed; see `key_of`.
        study: the study's name.
        arm: which of its arms.
        seed: of the weights, the order of examples, and the masks.
        design: the study's configuration, before its arms change it, and its scope.
        configuration: what was trained, in full.
        data: `name, asked, digest, source, train_examples, test_examples, features, classes`.
        status: "finished" or "diverged".
        epochs: metrics of each epoch.
        final: metrics of the trained network; empty where it diverged.
        law: version of the mask law.
        trial: version of the training code.
        versions: of this library, Python and the packages.
        machine: platform and processor.
        git: state of this library's sources, or None.
        started: UTC, ISO 8601.
        duration_s: wall-clock time of the run; of a stacked one, its share of the cohort's.
        stacked: None of a run that was trained alone; else `trials, device, duration_s` of its cohort
            (`thinned.lab.stacked`), whose figures agree with the run alone up to rounding and not to the last bit.
    """

    key: str
    study: str
    arm: str
    seed: int
    design: dict[str, Any]
    configuration: dict[str, Any]
    data: dict[str, Any]
    status: str
    epochs: list[dict[str, float]]
    final: dict[str, float]
    law: int
    trial: int
    versions: dict[str, str]
    machine: dict[str, str]
    git: dict[str, Any] | None
    started: str
    duration_s: float
    stacked: dict[str, Any] | None = None

    @classmethod
    def from_line(cls, line: bytes) -> "Record":
        """Parse one line.

        Raises:
            ValueError: not JSON, a field that is missing or holds what it cannot, or a key that does not belong
                to the content.
        """
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not a JSON document ({error})") from None
        if not isinstance(values, dict):
            raise ValueError(f"expected an object, got {type(values).__name__}")
        missing = [
            field.name for field in fields(cls) if field.default is MISSING and field.name not in values
        ]
        if missing:
            raise ValueError(f"without {', '.join(missing)}")
        check(values)
        try:
            json.dumps(values, allow_nan=False)
        except ValueError:
            raise ValueError("it holds NaN or an infinity, which JSON does not know") from None
        record = cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})
        if record.key != key_of(record.identity()):
            raise ValueError(f"its key {record.key} does not belong to its content")
        return record

    def as_line(self) -> bytes:
        """The record's line, with its newline."""
        values = asdict(self)
        if self.stacked is None:
            del values["stacked"]
        return (canonical(values) + "\n").encode()

    @property
    def digest(self) -> str:
        """Of the data."""
        return str(self.data["digest"])

    @property
    def trial_key(self) -> str:
        """The key that the run has where it is trained alone."""
        return self.key if self.stacked is None else key_of(self._alone())

    def identity(self) -> dict[str, Any]:
        """Everything that the outcome depends on; equal identities give equal outcomes, stacked up to rounding."""
        return self._alone() | ({} if self.stacked is None else {"stacked": True})

    def _alone(self) -> dict[str, Any]:
        return identity(self.configuration, self.seed, self.digest, self.law, self.trial, self.versions)


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that could not be read.

    Args:
        line: its number, from 1.
        reason: why.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file of records holds, in the order it was written.

    Args:
        records: each key once; the first writer wins.
        damaged: lines that were skipped.
    """

    records: tuple[Record, ...]
    damaged: tuple[Damage, ...]


def identity(
    configuration: Mapping[str, Any],
    seed: int,
    digest: str,
    law: int,
    trial: int,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """What an outcome depends on: neither the study that asked nor the name of the arm."""
    return {
        "configuration": dict(configuration),
        "seed": seed,
        "data": digest,
        "law": law,
        "trial": trial,
        "versions": counting(versions),
    }


def counting(versions: Mapping[str, str]) -> dict[str, str]:
    """The versions that an outcome depends on."""
    return {name: versions[name] for name in ("thinned", "torch")}


def key_of(content: Mapping[str, Any]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON.

    Example:
        >>> key_of({"b": 1, "a": 2}) == key_of({"a": 2, "b": 1})
        True
    """
    return hashlib.sha256(canonical(content).encode()).hexdigest()[:16]


def canonical(content: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces; a NaN or infinity is an error, since JSON has no word for it."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


class Store:
    """An append-only file of records, safe for several writers.

    Args:
        path: of the file; it and its folder are made at the first append.

    Raises:
        RecordError: from `append` and `read`, where the file system refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = _Read()

    @property
    def torn(self) -> Path:
        """Where lines go that their writer did not finish."""
        return self.path.with_name(self.path.name + ".torn")

    def append(self, *records: Record) -> int:
        """Add one line a record, and return only when they are on the disk; none only makes the file.

        Returns:
            How many bytes of a torn line lay at the end, and are in `torn` now.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _opened(self.path, os.O_RDWR) as descriptor, _locked(descriptor, exclusive=True):
                moved = self._mend(descriptor)
                for record in records:
                    _write(descriptor, record.as_line())
                os.fsync(descriptor)
        except OSError as error:
            raise _refused("written", self.path, error) from error
        return moved

    def _mend(self, descriptor: int) -> int:
        """End the file with a whole line; how many bytes were moved aside for that."""
        tail, start = _unfinished(descriptor)
        if not tail:
            return 0
        try:
            Record.from_line(tail)
        except ValueError:
            with _opened(self.torn, os.O_WRONLY) as aside:
                _write(aside, tail + b"\n")
                os.fsync(aside)
            os.ftruncate(descriptor, start)
            return len(tail)
        _write(descriptor, b"\n")  # it lacked no more than that
        return 0

    def read(self) -> Contents:
        """Every record, and which lines are damaged; nothing where the file does not exist."""
        try:
            with self.path.open("rb") as file, _locked(file.fileno(), exclusive=False):
                status = os.fstat(file.fileno())
                if status.st_ino != self._read.file or status.st_size < self._read.size:
                    self._read = _Read(status.st_ino)
                file.seek(self._read.size)
                content = file.read()
        except FileNotFoundError:
            return Contents((), ())
        except OSError as error:
            raise _refused("read", self.path, error) from error
        whole, newline, rest = content.rpartition(b"\n")
        self._read.take(whole + newline)
        return self._read.contents(rest)


def parsed(content: bytes) -> Contents:
    """What a file of records with this content holds, as `Store.read` says it.

    Example:
        >>> parsed(b"").records
        ()
    """
    whole, newline, rest = content.rpartition(b"\n")
    found = _Read()
    found.take(whole + newline)
    return found.contents(rest)


@dataclass(slots=True)
class _Read:
    """What was read of a file: whole lines never change, so nobody reads them twice.

    Args:
        file: its number in the file system.
        size: bytes of whole lines.
        lines: how many.
        records: by key.
        damaged: lines that were skipped.
    """

    file: int = -1
    size: int = 0
    lines: int = 0
    records: dict[str, Record] = field(default_factory=dict)
    damaged: list[Damage] = field(default_factory=list)

    def take(self, content: bytes) -> None:
        """More whole lines."""
        self.size += len(content)
        for line in content.split(b"\n")[:-1]:
            self.lines += 1
            if line.strip():
                try:
                    record = Record.from_line(line)
                except ValueError as error:
                    self.damaged.append(Damage(self.lines, str(error)))
                else:
                    self.records.setdefault(record.key, record)

    def contents(self, rest: bytes) -> Contents:
        """With what follows the last whole line, which may lack no more than its newline."""
        records, damaged = dict(self.records), list(self.damaged)
        if rest.strip():
            try:
                record = Record.from_line(rest)
            except ValueError as error:
                damaged.append(Damage(self.lines + 1, str(error)))
            else:
                records.setdefault(record.key, record)
        return Contents(tuple(records.values()), tuple(damaged))


def _unfinished(descriptor: int) -> tuple[bytes, int]:
    """What follows the last newline, and where it starts."""
    start = size = os.fstat(descriptor).st_size
    tail = b""
    while start and b"\n" not in tail:
        end, start = start, max(0, start - 65536)
        os.lseek(descriptor, start, os.SEEK_SET)
        tail = os.read(descriptor, end - start) + tail
    rest = tail[tail.rfind(b"\n") + 1 :]
    return rest, size - len(rest)


def _write(descriptor: int, content: bytes) -> None:
    before = os.fstat(descriptor).st_size
    written = os.write(descriptor, content)
    if written != len(content):
        os.ftruncate(descriptor, before)
        raise OSError(f"only {written} of {len(content)} bytes were written; is the disk full?")


@contextmanager
def _opened(path: Path, mode: int) -> Iterator[int]:
    descriptor = os.open(path, mode | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _locked(descriptor: int, *, exclusive: bool) -> Iterator[None]:
    if sys.platform == "win32":
        yield
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _refused(what: str, path: Path, error: OSError) -> RecordError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT} or "disk full" in str(error)
    advice = (
        "Nothing that was saved is lost. Make room, and give the same command again: it goes on where it was."
        if full
        else "Choose another folder with --out, or change its permissions."
    )
    return RecordError(
        f"expected a file of records that can be {what}; got {error.strerror or error} at {path}. {advice}"
    )
