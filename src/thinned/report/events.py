"""Records as TensorBoard's event files: one folder a run, the same bytes again."""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from thinned.errors import RecordError
from thinned.extras import need
from thinned.lab.records import Record
from thinned.report.export import settings_of
from thinned.report.selection import started

EXTRA = "tensorboard"
SESSION = "_hparams_/session_start_info"
"""Where TensorBoard's page of hyperparameters looks for those of a run."""


def write(records: Iterable[Record], folder: Path) -> list[Path]:
    """Write one event file a run, in `folder/study/data/arm/seed-key`.

    A scalar by epoch for everything that was measured, what the trained network reached under `final/`, and the
    settings for the page of hyperparameters. A run that was written before is written again, to the same bytes.

    Args:
        records: the runs.
        folder: to point `tensorboard --logdir` at.

    Returns:
        The files.

    Raises:
        MissingExtraError: TensorBoard is not installed.
        RecordError: the folder cannot be written to.
    """
    writer = need("tensorboard.summary.writer.record_writer", EXTRA)
    written = []
    for record in records:
        path = (
            folder / _place(record) / f"events.out.tfevents.{int(started(record).timestamp())}.{record.key}"
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                out = writer.RecordWriter(file)
                for event in events(record):
                    out.write(event.SerializeToString(deterministic=True))
        except OSError as error:
            raise RecordError(
                f"expected a folder that can be written to; got {error.strerror or error} at {path}. "
                "Choose another one."
            ) from error
        written.append(path)
    return written


def events(record: Record) -> Iterator[Any]:
    """TensorBoard's events of one run, in order.

    The records know when a run began and how long it took, so epochs stand at equal distances in time.
    """
    proto = need("tensorboard.compat.proto.event_pb2", EXTRA)
    begun, length = started(record).timestamp(), max(len(record.epochs), 1)
    yield proto.Event(wall_time=begun, file_version="brain.Event:2")
    yield proto.Event(wall_time=begun, summary=_hyperparameters(record))
    for k, epoch in enumerate(record.epochs, start=1):
        values = {name: value for name, value in epoch.items() if name != "epoch"}
        when = begun + record.duration_s * k / length
        yield proto.Event(wall_time=when, step=int(epoch["epoch"]), summary=_scalars(values))
    if record.final:
        values = {f"final/{name}": value for name, value in record.final.items()}
        yield proto.Event(
            wall_time=begun + record.duration_s, step=len(record.epochs), summary=_scalars(values)
        )


def _scalars(values: dict[str, float]) -> Any:
    proto = need("tensorboard.compat.proto.summary_pb2", EXTRA)
    return proto.Summary(
        value=[proto.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    )


def _hyperparameters(record: Record) -> Any:
    """The message that TensorBoard's own `hparams` writes, whose module would bring all of TensorFlow along."""
    summary = need("tensorboard.compat.proto.summary_pb2", EXTRA)
    data = need("tensorboard.plugins.hparams.plugin_data_pb2", EXTRA)
    info = data.SessionStartInfo(start_time_secs=started(record).timestamp(), group_name=record.key)
    for name, value in _settings(record).items():
        if isinstance(value, bool):
            info.hparams[name].bool_value = value
        elif isinstance(value, int | float) and math.isfinite(value):
            info.hparams[name].number_value = value
        else:
            info.hparams[name].string_value = str(value)
    content = data.HParamsPluginData(version=0, session_start_info=info).SerializeToString(deterministic=True)
    plugin = summary.SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    value = summary.Summary.Value(tag=SESSION, metadata=summary.SummaryMetadata(plugin_data=plugin))
    return summary.Summary(value=[value])


def _settings(record: Record) -> dict[str, Any]:
    told = settings_of(record)
    rates = {f"rate_{k}": rate for k, rate in enumerate(told.get("rates", ()), start=1)}
    return {"study": record.study, "arm": record.arm, "seed": record.seed} | told | rates


def _place(record: Record) -> Path:
    names = (record.study, record.data["name"], record.arm, f"seed-{record.seed}-{record.key}")
    return Path(*map(_folder, names))


def _folder(name: str) -> str:
    """A name that every file system has, and that leads nowhere else.

    Example:
        >>> _folder("../a b"), _folder("dropout 0.5")
        ('_a_b', 'dropout_0.5')
    """
    return re.sub(r"[^\w.=+-]+", "_", name).lstrip(".")[:80] or "_"
