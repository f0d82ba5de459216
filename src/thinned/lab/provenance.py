"""With what, on what, and from which sources a run was made."""

import hashlib
import platform
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from thinned import __version__
from thinned.lab.data import Data

LAW = 1
"""The version of the mask law that trials draw from."""

TRIAL = 1
"""The version of the training code: raise it when a change alters what a trial computes."""

PACKAGES = ("torch", "numpy", "numba")


@cache
def versions() -> dict[str, str]:
    """Of this library, of Python, and of each package that a trial computes with.

    Example:
        >>> sorted(versions())
        ['numba', 'numpy', 'python', 'thinned', 'torch']
    """
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"thinned": __version__, "python": platform.python_version()} | found


@cache
def machine() -> dict[str, str]:
    """The platform and the processor's name, as the system gives them."""
    return {"platform": platform.platform(), "processor": _processor()}


@cache
def git_state() -> dict[str, Any] | None:
    """The commit that this library's sources come from, and whether they were altered since.

    None where they are not tracked by git, as in an installed wheel.
    """
    package = Path(__file__).resolve().parent.parent
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return {"commit": commit, "altered": bool(changes)}


def fingerprint(data: Data) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all four arrays, their shapes and dtypes.

    Example:
        >>> from thinned.lab.data import load
        >>> fingerprint(load("digits")) == fingerprint(load("digits"))
        True
    """
    digest = hashlib.sha256()
    for array in (data.train_x, data.train_y, data.test_x, data.test_y):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.data if array.flags.c_contiguous else array.tobytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers, or None where there is no git, no repository, or no such file in it."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    return answer.stdout.strip() if answer.returncode == 0 else None
