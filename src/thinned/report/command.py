"""The command that repeats a study, from its records alone."""

import shlex
from collections.abc import Sequence

from thinned.lab.own_study import NETWORKS, OwnBase
from thinned.lab.question import Design
from thinned.lab.records import Record

OPTIONS = {
    "epochs": "epochs",
    "rates": "rates",
    "hidden": "width",
    "lr": "lr",
    "batch": "batch",
}
"""Settings that the command line has, and what it calls them."""


def command_of(design: Design, records: Sequence[Record], seeds: int | None = None) -> str:
    """The command, or the call from Python where no command says the same.

    Args:
        design: of the study.
        records: its runs.
        seeds: how many; None for as many as were run.
    """
    if isinstance(design.base, OwnBase):
        return _call_of(
            design.base, str(records[0].data["asked"]), sorted({record.seed for record in records})
        )
    asked = dict(design.scope.asked)
    name, data = design.question.name, str(records[0].data["asked"])
    ran, first = _seeds(design, records)
    plain = seeds is not None or ran == list(range(first, first + len(ran)))
    if not plain or set(asked) - set(OPTIONS):
        wanted = ran if seeds is None else seeds
        return (
            f"thinned.lab.Study({name!r}, data={data!r}, seeds={wanted}, settings={asked}, "
            f"scope={str(design.scope)!r}).run()"
        )
    options = {"data": data, "seeds": max(len(ran), 2) if seeds is None else seeds}
    options |= {OPTIONS[setting]: _word(value) for setting, value in asked.items()}
    words = " ".join(f"--{option} {shlex.quote(str(value))}" for option, value in options.items())
    return f"thinned study {name} --{design.scope} {words}"


def _call_of(base: OwnBase, data: str, seeds: Sequence[int]) -> str:
    """The call from Python of a question of the user's own; what their own module is, only they know."""
    task = repr(data) if base.kind == NETWORKS else "task"
    arms = {name: dict(settings) for name, settings in base.arms.items()}
    wanted = list(seeds) if base.until is None else f"thinned.lab.{base.until!r}"
    return f"thinned.lab.Study({base.asks!r}, {task}, {arms}, seeds={wanted}).run()"


def _seeds(design: Design, records: Sequence[Record]) -> tuple[list[int], int]:
    """Those that the user chose, and where they begin by default: of two stages, the second follows the first."""
    first = set(design.arms())
    later = {record.seed for record in records if record.arm not in first}
    if later:
        return sorted(later), design.question.plan(design.scope).seeds
    return sorted({record.seed for record in records}), 0


def _word(value: object) -> object:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value
