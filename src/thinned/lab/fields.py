"""What each field of a record may hold: records come from a file, and anyone can write to a file."""

import reprlib
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from thinned.errors import ThinnedError
from thinned.lab.configuration import ALWAYS, Configuration
from thinned.lab.scope import read_design

Check = Callable[[Any, str], None]
"""Passes a value, or raises `ValueError` that says where it stands, what was expected and what came."""

METRICS = ("loss", "accuracy")
"""What is measured at each epoch and at the end, of the training part and of what is held out."""


def check(values: Mapping[str, Any]) -> None:
    """Pass the values of a record's fields, or name the first that is wrong.

    Raises:
        ValueError: a field of another type or outside its range, or curves of another length than the training's.

    Example:
        >>> check({"key": 7})
        Traceback (most recent call last):
            ...
        ValueError: key: expected 16 hexadecimal digits, got 7
    """
    for name, passes in FIELDS.items():
        passes(values[name], name)
    if values.get("stacked") is not None:
        _stacked(values["stacked"], "stacked")
    diverged, planned = values["status"] == "diverged", values["configuration"]["epochs"]
    own = "task" in values["configuration"]
    held_out = None if own else Configuration.from_json(values["configuration"]).held_out
    (_no_metrics if diverged else _metrics(held_out, final=True))(values["final"], "final")
    found = len(values["epochs"])
    if (found >= planned) if diverged else (found != planned):
        expected = f"fewer than {planned}" if diverged else f"{planned}"
        raise ValueError(f"epochs: expected {expected} of a run that {values['status']}, got {found}")
    for k, epoch in enumerate(values["epochs"]):
        _metrics(held_out, final=False)(epoch, f"epochs[{k}]")
        _integer(k + 1, k + 1)(epoch.get("epoch"), f"epochs[{k}].epoch")


def _wrong(at: str, expected: str, value: object) -> ValueError:
    return ValueError(f"{at}: expected {expected}, got {reprlib.repr(value)}")


def _text(value: Any, at: str) -> None:
    if not isinstance(value, str):
        raise _wrong(at, "a text", value)
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _wrong(at, "a text that UTF-8 can write", value)


def _name(value: Any, at: str) -> None:
    _text(value, at)
    if not value or not value.isprintable():
        raise _wrong(at, "a name in printable letters", value)


def _digits(value: Any, at: str) -> None:
    if not isinstance(value, str) or len(value) != 16 or set(value) - set("0123456789abcdef"):
        raise _wrong(at, "16 hexadecimal digits", value)


def _time(value: Any, at: str) -> None:
    _text(value, at)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise _wrong(at, "a time in ISO 8601", value) from None


def _status(value: Any, at: str) -> None:
    if value not in ("finished", "diverged"):
        raise _wrong(at, "finished or diverged", value)


def _truth(value: Any, at: str) -> None:
    if not isinstance(value, bool):
        raise _wrong(at, "true or false", value)


def _integer(low: int, high: int = 2**64 - 1) -> Check:
    def passes(value: Any, at: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(at, f"an integer from {low} to {high}", value)

    return passes


def _number(low: float, high: float) -> Check:
    def passes(value: Any, at: str) -> None:
        # A NaN lies between no two numbers, and an infinity beyond all.
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(at, f"a number from {low:g} to {high:g}", value)

    return passes


def _object(**parts: Check) -> Check:
    """At least these parts; more are let through, for versions to come."""

    def passes(value: Any, at: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(at, "an object", value)
        for name, part in parts.items():
            if name not in value:
                raise ValueError(f"{at}: expected an object with {', '.join(parts)}, got none of name {name}")
            part(value[name], f"{at}.{name}")

    return passes


def _texts(*names: str) -> Check:
    needed = _object(**dict.fromkeys(names, _text))

    def passes(value: Any, at: str) -> None:
        needed(value, at)
        for name, text in value.items():
            _text(name, at)
            _text(text, f"{at}.{name}")

    return passes


def _list(value: Any, at: str) -> None:
    if not isinstance(value, list):
        raise _wrong(at, "a list", value)


def _or_none(passes: Check) -> Check:
    return lambda value, at: None if value is None else passes(value, at)


def _configuration(value: Any, at: str) -> None:
    if isinstance(value, dict) and "task" in value:  # a module of the user's own
        _own(value, at)
        return
    _object(**{name: lambda value, at: None for name in ALWAYS})(value, at)
    try:
        Configuration.from_json(value)
    except ThinnedError as error:
        raise ValueError(f"{at}: {error}") from None


def _data(value: Any, at: str) -> None:
    texts = _object(name=_text, asked=_text, digest=_digits, source=_text)
    texts(value, at)
    _object(train_examples=_count, test_examples=_count)(value, at)
    if value["asked"] != "own":  # the user's own has what features it has
        _object(features=_count, classes=_count)(value, at)


def _own_task(value: Any, at: str) -> None:
    if value != "own":
        raise _wrong(at, "own", value)


def _design(value: Any, at: str) -> None:
    if not (isinstance(value, dict) and "task" in value):
        _object(**{name: lambda value, at: None for name in ALWAYS})(value, at)
        _object()(value.get("asked", {}), f"{at}.asked")
    try:
        read_design(value, {"train_examples": 1, "features": 1, "classes": 1})
    except ThinnedError as error:
        raise ValueError(f"{at}: {error}") from None


def _no_metrics(value: Any, at: str) -> None:
    if value != {}:
        raise _wrong(at, "nothing of a run that diverged", value)


_count = _integer(1)
_own = _object(task=_own_task, settings=_object(), epochs=_count, code=_digits)
_RANGES = {"loss": _number(0, 2.0**128), "accuracy": _number(0, 1)}  # losses were computed in float32
_BOUNDS = _number(-sys.float_info.max, sys.float_info.max)


def _metrics(held_out: str | None, *, final: bool) -> Check:
    """Loss and accuracy of both parts; whatever else was measured is a finite number with a name.

    A task of the user's own, with nothing held out by us, measures what it measures.
    """
    parts: dict[str, Check] = {}
    if held_out is not None:
        parts = {f"{part}_{name}": _RANGES[name] for part in ("train", held_out) for name in METRICS}
        parts |= {"gap": _number(-1, 1)} if final else {}
    needed = _object(**parts)

    def passes(value: Any, at: str) -> None:
        needed(value, at)
        for name, measured in value.items():
            _name(name, at)
            _BOUNDS(measured, f"{at}.{name}")

    return passes


FIELDS: dict[str, Check] = {
    "key": _digits,
    "study": _name,
    "arm": _name,
    "seed": _integer(0),
    "design": _design,
    "configuration": _configuration,
    "data": _data,
    "status": _status,
    "epochs": _list,
    "final": _object(),
    "law": _count,
    "trial": _count,
    "versions": _texts("thinned", "torch"),
    "machine": _texts("platform", "processor"),
    "git": _or_none(_object(commit=_or_none(_text), altered=_truth)),
    "started": _time,
    "duration_s": _number(0, 1e10),  # three hundred years
}  # fmt: skip
"""The check of each field; the curves depend on several and come after."""

_stacked = _object(trials=_count, device=_text, duration_s=_number(0, 1e10))
"""Of a run that was trained with others; a record of another has no such field."""
