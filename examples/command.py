"""The options that every chapter has, and where its picture goes."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from curves import Curves, picture


def options(description: str, folder: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for: data, epochs, out."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data", help="digits, fashion-mnist or a path (default: fashion-mnist if it is here)"
    )
    parser.add_argument("--epochs", type=int, help="for each network (default: 10, more on small data)")
    parser.add_argument("--out", type=Path, default=Path(folder), help="folder for the picture")
    return parser.parse_args(arguments)


def save(panels: Sequence[Curves], folder: Path) -> None:
    """Leave the curves as a picture, and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    picture(panels).savefig(folder / "curves.png", dpi=120)
    print(f"Curves: {folder / 'curves.png'}")
