"""Records of trainings: one file, one line each, only ever appended to."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from thinned.errors import RecordError
from thinned.lab.frameworks.setting import Setting
from thinned.lab.records import canonical, key_of

STUDY = "frameworks"

TRIAL = 1
"""The version of this study's training code: raise it when a change alters what a training computes."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training: what was asked, what came out, and with what.

    Args:
        key: of everything that the outcome depends on.
        study: `STUDY`.
        framework: its name in the catalogue.
        setting: what was trained.
        data: `name, digest, source, train_examples, test_examples`.
        outcome: `losses, test_loss, test_accuracy, ledger`; see `worker.run`.
        law: version of the mask law.
        trial: `TRIAL`.
        versions: of `thinned`, Python, NumPy and the framework.
        machine: platform and processor.
        git: state of this library's sources, or None.
        started: UTC, ISO 8601.
        duration_s: wall-clock time.
    """

    key: str
    study: str
    framework: str
    setting: dict[str, Any]
    data: dict[str, Any]
    outcome: dict[str, Any]
    law: int
    trial: int
    versions: dict[str, str]
    machine: dict[str, str]
    git: dict[str, Any] | None
    started: str
    duration_s: float

    @classmethod
    def from_line(cls, line: bytes) -> "Run":
        """Read one line.

        Raises:
            ValueError: it is no record of this study, or its key does not belong to it.
        """
        values = json.loads(line)
        if not isinstance(values, dict) or set(values) != {field.name for field in fields(cls)}:
            raise ValueError("it is no record of a training in a framework")
        run = cls(**values)
        if run.key != key(run.framework, run.setting, run.data["digest"], run.law, run.trial, run.versions):
            raise ValueError(f"its key {run.key} does not belong to its content")
        return run

    def as_line(self) -> bytes:
        """The record's line, with its newline."""
        return (canonical(asdict(self)) + "\n").encode()

    @property
    def asked(self) -> Setting:
        """The setting, read."""
        return Setting.from_json(self.setting)


def key(
    framework: str,
    setting: Mapping[str, Any],
    digest: str,
    law: int,
    trial: int,
    versions: Mapping[str, str],
) -> str:
    """Of everything that an outcome depends on; the number of restarts that a study asks for is none of it."""
    return key_of(
        {
            "framework": framework,
            "setting": dict(setting),
            "data": digest,
            "law": law,
            "trial": trial,
            "versions": dict(versions),
        }
    )


class Store:
    """The file; one writer at a time, which holds the folder's lock.

    Args:
        path: of the file; it and its folder are made at the first append.

    Raises:
        RecordError: from `append` and `read`, where the file system refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, *runs: Run) -> None:
        """Add one line a run, and return when it is on the disk; a torn line before it is ended first."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
                for run in runs:
                    file.write(run.as_line())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _refused("written", self.path, error) from error

    def read(self) -> dict[str, Run]:
        """Every run by its key, the first of equal keys; lines that are none are passed over."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _refused("read", self.path, error) from error
        found: dict[str, Run] = {}
        for line in lines:
            try:
                run = Run.from_line(line)
            except (ValueError, KeyError, TypeError):
                continue
            found.setdefault(run.key, run)
        return found


def _refused(what: str, path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"expected a file of records that can be {what}; got {error.strerror or error} at {path}. "
        "Choose another folder with --out, or change its permissions."
    )
