"""The findings: a page, a picture and the records of each study, and an index; a pure function of the records.

    findings/README.md                every question with its answer
    findings/<study>.md               one page a study
    findings/images/<study>.png       its main picture
    findings/records/<study>.jsonl.gz what both are made from, compressed

`thinned report --findings docs/findings` writes them all again.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from thinned.errors import RecordError
from thinned.lab.answer import Picture
from thinned.lab.question import Design
from thinned.lab.records import Contents, Record, Store, parsed
from thinned.lab.studies import STUDIES
from thinned.lab.wording import count, listed
from thinned.report.command import command_of
from thinned.report.facts import Facts, gather, last_design
from thinned.report.markdown import escaped, page
from thinned.report.pages import save_bytes
from thinned.report.still import png

SUFFIX = ".jsonl.gz"
"""Of the committed records: text that repeats itself, a fifth as large compressed."""

MOST_ARMS = 6
"""That a page names where runs of them are missing; more are counted."""

EXERCISES = {
    "swap-rates": "1. Other rates in the two layers, and the two rates swapped",
    "more-epochs": "2. More epochs, with and without dropout",
    "activation-variance": "3. The variance of the hidden activations over training, with and without dropout",
    "test-time": "4. Why dropout is off at test time",
    "weight-decay": "5. Dropout beside weight decay, and both at once",
    "drop-connect": "6. Dropping weights instead of activations",
    "better-noise": "7. Another noise that is better than dropout, on a fixed network",
}
"""The exercises of the textbook's section on dropout, in our words, and the study that answers each."""

HEAD = """# Findings

What the studies of `thinned study --list` found, each on one page with its picture, its tables, the number of
seeds, and the smallest difference that they could have shown. Every figure is computed from the
[records](records), and `thinned report --findings docs/findings` writes all of this again from them. A study
without a page has not been run at length; `thinned study NAME --full` does. "Undecided" says that no difference was
seen, not that there is none: how large a hidden one could be is on the page. Where runs are missing, diverged or
learned nothing, the answer says so.
"""

RESERVES = ("Quick", "Missing")
"""Rows of a page that belong beside its answer too."""

TEXTBOOK = """So ends the section "Dropout" of Zhang, Lipton, Li, Smola, "Dive into Deep Learning",
https://d2l.ai, in our words."""


def all_pages(folder: Path, draw: Callable[[Picture], bytes] = png) -> dict[Path, bytes]:
    """What belongs into a folder of findings, from its records alone: each file's content.

    Args:
        folder: whose `records` are read; without any, there is an index that says so.
        draw: from a picture to its file's content.

    Raises:
        RecordError: no folder, or records of another study than their file is named for.
    """
    if not folder.is_dir():
        raise RecordError(
            f"expected a folder of findings; got {str(folder)!r}, which is none. With --add it is made."
        )
    found = {
        path.name.removesuffix(SUFFIX): _read(path)
        for path in sorted((folder / "records").glob(f"*{SUFFIX}"))
    }
    facts = {
        name: reserved(gather(found[name]), last_design(found[name])) for name in STUDIES if name in found
    }
    unknown = sorted(set(found) - set(facts))
    if unknown:
        raise RecordError(
            f"expected files named after studies ({', '.join(STUDIES)}); got {', '.join(unknown)} in "
            f"{folder / 'records'}. Rename or remove them."
        )
    content: dict[Path, bytes] = {folder / "README.md": index(facts).encode()}
    for name, each in facts.items():
        content[folder / f"{name}.md"] = _page(folder, name, found[name], each).encode()
        if each.answer.charts:
            content[folder / "images" / f"{name}.png"] = draw(each.answer.charts[0])
    return content


def write(folder: Path) -> list[Path]:
    """Write `all_pages`, each file whole or not at all.

    Returns:
        The files.
    """
    return [save_bytes(content, path) for path, content in all_pages(folder).items()]


def add(folder: Path, sources: Iterable[Path]) -> int:
    """Add the runs of studies to the findings' records; those that are there already are not added again.

    Args:
        folder: of the findings.
        sources: files of records; of each, the runs of its last design.

    Returns:
        How many were added.
    """
    added = 0
    for source in sources:
        contents = _read(source)
        design = last_design(contents)
        path = folder / "records" / f"{design.question.name}{SUFFIX}"
        known = _read(path).records if path.is_file() else ()
        wanted = {record.key for record in design.select(contents.records)} - {each.key for each in known}
        new = [record for record in contents.records if record.key in wanted]
        if new:
            lines = b"".join(record.as_line() for record in (*known, *new))
            save_bytes(gzip.compress(lines, mtime=0), path)
        added += len(new)
    return added


def index(facts: Mapping[str, Facts]) -> str:
    """The page that lists them: the textbook's exercises first, then the other studies."""
    exercises = [
        f"| {exercise} | {_linked(name, facts)} |" for name, exercise in EXERCISES.items() if name in STUDIES
    ]
    others = [
        f"| {escaped(question.asks)} | {_linked(name, facts)} |"
        for name, question in STUDIES.items()
        if name not in EXERCISES
    ]
    parts = [HEAD.strip()]
    if exercises:
        parts += [
            "## The textbook's exercises",
            TEXTBOOK,
            "\n".join(["| exercise | answer |", "| --- | --- |", *exercises]),
        ]
    parts += ["## Further questions", "\n".join(["| question | answer |", "| --- | --- |", *others])]
    return "\n\n".join(parts) + "\n"


def _linked(name: str, facts: Mapping[str, Facts]) -> str:
    """The answer in short; which runs are missing, and all else, is on the page."""
    if name not in facts:
        return f"`thinned study {name}` has not been run at length yet"
    found = facts[name]
    verdict = f"**[{escaped(found.answer.verdict.capitalize())}]({name}.md).**"
    reserves = (f"{each.removesuffix('.').partition(', ')[0]}." for each in _reserves(found))
    return " ".join([verdict, escaped(found.answer.brief), *map(escaped, reserves)])


def _reserves(facts: Facts) -> list[str]:
    """What a reader must know of the runs before the answer counts: a small design, or one with gaps."""
    return [text for name, text in facts.about if name in RESERVES]


def reserved(facts: Facts, design: Design) -> Facts:
    """The facts with what their runs lack of the design."""
    said: list[tuple[str, str]] = []
    if str(design.scope) == "quick":
        said.append(
            (
                "Quick",
                f"This is the quick design, on small data, and thinned study {facts.study} --full asks in earnest.",
            )
        )
    if gaps := missing(design, facts.records):
        said.append(("Missing", f"Incomplete: {gaps}"))
    return replace(facts, about=(*facts.about, *said))


def missing(design: Design, records: Sequence[Record]) -> str:
    """Which runs of the design are not there, in a sentence; empty where all are.

    Every arm is to have as many seeds as the plan says, or as the arm with most of them has.

    Args:
        design: of the study.
        records: its runs.
    """
    plan = design.question.plan(str(design.scope))
    first, every = design.arms(), design.all_arms(records)
    later = {arm: each for arm, each in every.items() if arm not in first}
    gaps: dict[str, int] = {}
    planned = 0
    for arms, seeds in ((first, plan.seeds), (later, plan.second)):
        if gaps:  # what the second stage has depends on all of the first
            later = {}
            break
        have = dict(_seeds_of_arms(arms, records))
        wanted = max([seeds, *have.values()]) if arms else 0
        planned += wanted * len(arms)
        gaps |= {arm: wanted - found for arm, found in have.items() if found < wanted}
    if not gaps:
        return "" if later or design.question.second is None else "the second stage has not been run."
    said = [f"{gap} of {arm}" for arm, gap in list(gaps.items())[:MOST_ARMS]]
    if len(gaps) > MOST_ARMS:
        said.append(
            f"{sum(list(gaps.values())[MOST_ARMS:])} of {count(len(gaps) - MOST_ARMS, 'further arm')}"
        )
    stage = "" if later or design.question.second is None else ", and the second stage has not been run"
    return f"{sum(gaps.values()):,} of {planned:,} runs of arms are missing, {listed(said)}{stage}."


def _seeds_of_arms(arms: Iterable[str], records: Sequence[Record]) -> Iterator[tuple[str, int]]:
    for arm in arms:
        yield arm, len({record.seed for record in records if record.arm == arm})


def _page(folder: Path, name: str, contents: Contents, facts: Facts) -> str:
    design = last_design(contents)
    seeds = 2 * len({record.seed for record in facts.records})
    return page(
        facts,
        image=f"images/{name}.png",
        records=f"records/{name}{SUFFIX}",
        again="thinned report --findings docs/findings",
        reserves=_reserves(facts),
        more=(
            f"mkdir -p runs/{name} && gunzip -c docs/findings/records/{name}{SUFFIX} > runs/{name}/records.jsonl",
            f"{command_of(design, facts.records, seeds)} --out runs/{name}",
            f"thinned report --findings docs/findings --add runs/{name}",
        ),
    )


def _read(path: Path) -> Contents:
    """The records of a file, compressed or as a study writes them."""
    if path.name.endswith(SUFFIX):
        try:
            contents = parsed(gzip.decompress(path.read_bytes()))
        except (OSError, EOFError, zlib.error) as error:
            raise RecordError(
                f"expected compressed records in {path}; got {error}. Restore the file, or remove it."
            ) from error
    else:
        contents = Store(path).read()
    if not contents.records:
        raise RecordError(
            f"expected records in {path}; got none that can be read. Remove the file, or restore it."
        )
    return contents
