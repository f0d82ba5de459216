"""Records as tables: one row a run, or one row an epoch, for whoever goes on with them elsewhere.

A column has the name of its place in the record: `seed`, `configuration.lr`, `data.name`, `final.test_accuracy`,
`versions.torch`. Every setting has its column, whether a record names it or leaves it at its default. Several
values, such as `configuration.rates`, are one text with commas, since CSV knows no lists.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from thinned.errors import ConfigurationError, RecordError
from thinned.extras import need
from thinned.lab.configuration import Configuration
from thinned.lab.records import Record

Row = dict[str, Any]

OWN = ("key", "study", "arm", "seed", "status", "law", "trial", "started", "duration_s")
"""Fields of a record that are one value each."""
PARTS = ("configuration", "data", "final", "versions", "machine", "git", "stacked")
"""Those that are several."""


def run_rows(records: Iterable[Record]) -> list[Row]:
    """One row a run, with everything but its curves."""
    return [_own(record) | _parts(record) for record in records]


def epoch_rows(records: Iterable[Record]) -> list[Row]:
    """One row for each epoch of each run, with what was measured after it."""
    return [
        {name: getattr(record, name) for name in ("key", "study", "arm", "seed")}
        | {"data.name": record.data["name"], "epoch": int(epoch["epoch"])}
        | {name: float(value) for name, value in epoch.items() if name != "epoch"}
        for record in records
        for epoch in record.epochs
    ]


def write(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write rows as the file's name says: `.parquet` or `.csv`.

    Returns:
        `path`.

    Raises:
        ConfigurationError: another ending.
        MissingExtraError: Polars is not installed.
        RecordError: the file cannot be written.
    """
    writers: dict[str, Callable[[Any], None]] = {
        ".parquet": lambda frame: frame.write_parquet(path),
        ".csv": lambda frame: frame.write_csv(path),
    }
    if path.suffix not in writers:
        raise ConfigurationError(
            f"expected a file that ends in {' or '.join(writers)}; got {str(path)!r}. Choose one of these endings."
        )
    polars = need("polars", "lab")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    frame = polars.DataFrame(
        [polars.Series(name, values, _type(polars, values), strict=True) for name, values in columns.items()]
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writers[path.suffix](frame)
    except OSError as error:
        raise RecordError(
            f"expected a place that can be written to; got {error.strerror or error} at {path}. Choose another one."
        ) from error
    return path


def _type(polars: Any, values: Sequence[Any]) -> Any:
    """That of a column, from what is in it: a seed needs 64 bits without a sign, and one text makes all texts."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return polars.Boolean
    if kinds <= {int}:
        return polars.UInt64 if all(value is None or value >= 0 for value in values) else polars.Int64
    return polars.Float64 if kinds <= {int, float} else polars.String


def _own(record: Record) -> Row:
    return {name: getattr(record, name) for name in OWN}


def _parts(record: Record) -> Row:
    parts = {name: getattr(record, name) for name in PARTS} | {"configuration": settings_of(record)}
    found = {
        f"{part}.{name}": _flat(value)
        for part, content in parts.items()
        for name, value in (content or {}).items()
    }
    # A metric may happen to be whole in one run and not in the next.
    return found | {f"final.{name}": float(value) for name, value in record.final.items()}


def settings_of(record: Record) -> Row:
    """Every setting by its name, those at their default too; of a task of the user's own, what the record has.

    Example:
        >>> from types import SimpleNamespace
        >>> own = {"task": "own", "settings": {"rate": 0.5}, "epochs": 2, "code": "0" * 16}
        >>> settings_of(SimpleNamespace(configuration=own))["settings.rate"]
        0.5
    """
    if "task" in record.configuration:
        found = dict(record.configuration)
        return found | {f"settings.{name}": value for name, value in found.pop("settings").items()}
    settings = Configuration.from_json(record.configuration)
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def _flat(value: Any) -> Any:
    if isinstance(value, tuple | list):
        if all(isinstance(each, int | float | str) for each in value):
            return ",".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
        return json.dumps(value, sort_keys=True)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def document(files: Iterable[tuple[Path, Sequence[Record]]]) -> str:
    """Every record with its file, as one JSON document."""
    return json.dumps([{"file": str(path)} | asdict(record) for path, records in files for record in records])
