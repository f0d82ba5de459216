"""The command line: verbs only. What they do lives in the rooms to the left."""

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
