"""What a page says, as plain values: everything is computed here, and the template only lays it out."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from thinned.errors import ConfigurationError, RecordError
from thinned.lab.answer import Answer, Chart, Table
from thinned.lab.configuration import ALWAYS, Configuration
from thinned.lab.own_study import NETWORKS, OwnBase
from thinned.lab.question import Design
from thinned.lab.records import Contents, Record
from thinned.lab.studies import STUDIES
from thinned.report.command import command_of
from thinned.report.curves import learning_curves, run_table

MOST_GAPS = 5
"""Arms with missing runs that a page names; more are counted."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a study's page says.

    Args:
        study: its name.
        asks: the question.
        how: the design, in a few sentences.
        refuted_by: what would speak against the expected answer.
        answer: what was found.
        data: as the records describe it.
        counted: how many arms, seeds and runs there are, in words.
        curves: learning curves of the arms.
        runs: what each run reached.
        about: how it was run: name and value.
        command: that repeats the study.
        records: the runs, by seed and arm.
        gaps: which runs are missing, in a sentence; empty where every arm has every seed.
    """

    study: str
    asks: str
    how: str
    refuted_by: str
    answer: Answer
    data: dict[str, Any]
    counted: str
    curves: tuple[Chart, ...]
    runs: Table
    about: tuple[tuple[str, str], ...]
    command: str
    records: tuple[Record, ...]
    gaps: str = ""


def gather(contents: Contents, design: Design | None = None) -> Facts:
    """Compute a page's facts from records, and from nothing else.

    Args:
        contents: of a store.
        design: whose runs to report; None takes that of the last record.

    Returns:
        The same facts for the same records, in whatever order they were written.

    Raises:
        RecordError: no record of a study that this version knows.
    """
    design = design or last_design(contents)
    records = design.select(contents.records)
    if not records:
        raise RecordError("expected a finished run of this design; got none. Run the study again.")
    question = design.question
    arms = list(design.all_arms(contents.records))
    answer = question.answer(design, records)
    own = any(isinstance(each, Chart) and each.x_label == "epoch" for each in answer.charts)
    return Facts(
        study=question.name,
        asks=question.asks,
        how=question.how,
        refuted_by=question.refuted_by,
        answer=answer,
        data=records[0].data,
        counted=_counted(records),
        curves=() if own else learning_curves(records, arms),
        runs=run_table(records),
        about=_about(design, records, contents),
        command=command_of(design, records),
        records=records,
        gaps=_gaps(design, arms, records),
    )


def _gaps(design: Design, arms: Sequence[str], records: Sequence[Record]) -> str:
    """Every arm is to have each seed that another arm of its stage has: a run that failed has left no record."""
    first = set(design.arms())
    have: dict[str, set[int]] = {arm: set() for arm in arms}
    for record in records:
        have[record.arm].add(record.seed)
    said, lost, planned = [], 0, 0
    for stage in ([arm for arm in arms if arm in first], [arm for arm in arms if arm not in first]):
        seeds = set[int]().union(*(have[arm] for arm in stage))
        planned += len(seeds) * len(stage)
        for arm in stage:
            missing = seeds - have[arm]
            lost += len(missing)
            said += (
                [f"{arm} at {'seed' if len(missing) == 1 else 'seeds'} {spans(missing)}"] if missing else []
            )
    if not said:
        return ""
    more = [f"{len(said) - MOST_GAPS} more arms"] if len(said) > MOST_GAPS else []
    verb = "is" if lost == 1 else "are"
    return (
        f"Incomplete: {lost:,} of {planned:,} runs {verb} missing, {'; '.join([*said[:MOST_GAPS], *more])}."
    )


def last_design(contents: Contents) -> Design:
    """That of the last record which belongs to a design of a study that this version knows.

    Raises:
        RecordError: there is none.
    """
    for record in reversed(contents.records):
        if record.study in STUDIES or "task" in record.design:
            with suppress(ConfigurationError):  # its design has no arms; something else wrote the line
                design = Design.of(record, STUDIES)
                if design.select([record]):
                    return design
    raise RecordError(
        f"expected a record of a study ({', '.join(STUDIES)}); got {len(contents.records)} records and "
        f"{len(contents.damaged)} damaged lines. Run `thinned study` into this folder first."
    )


def _counted(records: Sequence[Record]) -> str:
    arms, seeds = ({getattr(record, name) for record in records} for name in ("arm", "seed"))
    # Arms may share runs: one that is the same training in two arms was done once.
    runs = len({record.key for record in records})
    parts = ((len(arms), "arm"), (len(seeds), "seed"), (runs, "run"))
    return ", ".join(f"{count:,} {noun}{'s' * (count != 1)}" for count, noun in parts)


def _about(design: Design, records: Sequence[Record], contents: Contents) -> tuple[tuple[str, str], ...]:
    data = records[0].data
    described = (
        f"{data['name']}: {data['train_examples']:,} training and {data['test_examples']:,} test examples. "
        f"{data['source']} Fingerprint {data['digest']}."
    )
    rows = [("Data", described), *_configuration(design.base, data), *_made_with(records)]
    others = len(contents.records) - len({record.key for record in records})
    if others:
        rows.append(("Not counted here", f"{others} records of other designs in the same file."))
    if contents.damaged:
        said = f"{len(contents.damaged)} lines of the records could not be read and were skipped."
        rows.append(("Damaged", said))
    return tuple((name, value) for name, value in rows if value)


def _configuration(base: Configuration | OwnBase, data: dict[str, Any]) -> list[tuple[str, str]]:
    """What the arms start from; what one of them changes is in its name, and in the question's design."""
    if isinstance(base, OwnBase):
        if base.kind == NETWORKS:
            return [*_configuration(Configuration.from_json(base.common), data), *base.told()]
        return [
            ("Training", ", ".join(f"{name} {value}" for name, value in base.common.items())),
            *base.told(),
        ]
    layers = (data["features"], *base.hidden, data["classes"])
    network = f"{'-'.join(map(str, layers))} multilayer perceptron" if base.model == "mlp" else base.model
    rows = [
        ("Network", network),
        (
            "Rates",
            f"{listed(base.rates)} at the hidden layers, in order, where an arm does not say otherwise",
        ),
        ("Training", f"learning rate {base.lr:g}, batch {base.batch}, {base.epochs} epochs"),
    ]
    told = {*ALWAYS, "model"}
    changed = [
        f"{field.name} {getattr(base, field.name)}"
        for field in fields(base)
        if field.name not in told and getattr(base, field.name) != field.default
    ]
    return [*rows, ("Other settings", "; ".join(changed))]


def _made_with(records: Sequence[Record]) -> list[tuple[str, str]]:
    """All values that occur."""
    runs = list({record.key: record for record in records}.values())
    versions = [", ".join(f"{name} {each.versions[name]}" for name in sorted(each.versions)) for each in runs]
    commits = [
        f"{each.git['commit'][:12]}{' with changes' * each.git['altered']}"
        for each in runs
        if each.git and each.git["commit"]
    ]
    return [
        ("Seeds", spans(record.seed for record in records)),
        ("Versions", _distinct(versions)),
        ("Mask law", _distinct(str(record.law) for record in runs)),
        ("Sources", _distinct(commits)),
        ("Platform", _distinct(record.machine["platform"] for record in runs)),
        ("Processor", _distinct(record.machine["processor"] for record in runs)),
        ("Trained", _period(runs)),
        ("Stacked", _stacked(runs)),
        ("Compute time", f"{spent(sum(record.duration_s for record in runs))} in all, run by run"),
    ]


def _stacked(runs: Sequence[Record]) -> str:
    """How many were trained as one program with others; their figures are those of the run alone up to rounding."""
    devices = [run.stacked["device"] for run in runs if run.stacked]
    if not devices:
        return ""
    return (
        f"{len(devices)} of {len(runs)} runs were trained together with others, on {_distinct(devices)}; such a "
        "run differs from the same alone by rounding"
    )


def spans(seeds: Iterable[int]) -> str:
    """Seeds, those in a row as the first and the last.

    Example:
        >>> spans([4, 0, 1, 2, 9, 2])
        '0 to 2, 4, 9'
    """
    parts: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ", ".join(f"{part[0]} to {part[-1]}" if len(part) > 2 else listed(part) for part in parts)


def spent(seconds: float) -> str:
    """A length of time in the unit that fits it.

    Example:
        >>> spent(42.2), spent(600), spent(9000)
        ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _period(records: Sequence[Record]) -> str:
    times = sorted(record.started for record in records)
    return times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}"


def listed(values: Iterable[object]) -> str:
    """Values with commas."""
    return ", ".join(map(str, values))


def _distinct(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))
