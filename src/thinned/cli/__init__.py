"""The command line: verbs only. What they do lives in the rooms to the left."""

import os
import sys

__all__ = ["main"]

_EXTRA = {
    "jinja2",
    "matplotlib",
    "PIL",
    "polars",
    "pooch",
    "rich",
    "safetensors",
    "scipy",
    "sklearn",
    "torch",
    "tqdm",
    "typer",
}
"""What the `lab` extra installs, by import name."""


def main() -> None:
    """Run the command line and exit: 0 fine, 1 trouble found, 2 usage, 130 interrupted."""
    _open_streams()
    try:
        from thinned.cli.app import run

        code = run()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        print(
            f"thinned: expected the package {package}; it is not installed. Do: pip install 'thinned[lab]'",
            file=sys.stderr,
        )
        code = 1
    sys.exit(code)


def _open_streams() -> None:
    """Give a process that was started with closed streams ones to nowhere: what it prints is lost, its work is not.

    Left closed, the next file that is opened would have a stream's number, and take what libraries print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))
