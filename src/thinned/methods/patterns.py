"""Patterns over the names of layers, as `convert` takes them: shell globs, in which `*` also matches dots."""

import difflib
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

_NUMBER = re.compile(r"(?<![^.])\d+(?=\.)")
"""A number before the last part of a name; for the last one `*` would match the neighbours as well."""


def matches(pattern: str, names: Iterable[str]) -> list[str]:
    """Those names that a pattern matches as a whole, in their order.

    Args:
        pattern: `*` matches anything, `?` one character, `[12]` one of some.
        names: qualified, such as `encoder.0.dropout`.

    Example:
        >>> matches("encoder.*.dropout?", ["encoder.0.dropout1", "encoder.0.linear", "decoder.0.dropout1"])
        ['encoder.0.dropout1']
    """
    return [name for name in names if fnmatchcase(name, pattern)]


def nearest(pattern: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The patterns that a user may have meant: names like this one, with `*` for the numbers on the way to them.

    Example:
        >>> nearest("*.drop_pth", ["blocks.0.drop_path", "blocks.1.drop_path", "head.drop", "norm"])
        ['blocks.*.drop_path', 'head.drop', 'norm']
        >>> nearest("2", ["1", "3.1"])
        ['1', '*.1']
    """
    general = dict.fromkeys(_NUMBER.sub("*", name) for name in names)
    return sorted(general, key=lambda name: _distance(pattern, name))[:count]


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names in a sentence, the first of them where there are many.

    Example:
        >>> listed(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    text = ", ".join(map(repr, names[:most]))
    return text + (f" and {len(names) - most} more" if len(names) > most else "")


def _distance(pattern: str, name: str) -> float:
    """Small where the last parts are alike, and then where the whole is."""
    last = difflib.SequenceMatcher(None, pattern.rpartition(".")[2], name.rpartition(".")[2]).ratio()
    return -(2 * last + difflib.SequenceMatcher(None, pattern, name).ratio())
