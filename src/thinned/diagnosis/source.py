"""Reads source files without running them: lines that silence a rule, and seeds that are the same on every rank."""

import ast
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_IGNORE = re.compile(r"#\s*thinned:\s*ignore\[([^\]]+)\]\s*(.*)$")
_PARALLEL = (
    "DistributedDataParallel",
    "init_process_group",
    "FullyShardedDataParallel",
    "fully_shard",
    "DDP",
    "FSDP",
)
_SEEDERS = ("manual_seed", "seed_everything", "set_seed")
_RANK = re.compile(r"rank|process_index|local_id|worker", re.IGNORECASE)


@dataclass(frozen=True)
class Seeding:
    """A call that seeds a generator.

    Args:
        line: of it.
        text: the call.
    """

    line: int
    text: str


@dataclass(frozen=True)
class Reading:
    """What a file says.

    Args:
        file: its path.
        parallel: the name by which it runs on several ranks, or "".
        seedings: that are the same on every rank.
        checkpoints: lines of checkpoints that do not keep the state of the generators.
    """

    file: str
    parallel: str
    seedings: tuple[Seeding, ...]
    checkpoints: tuple[Seeding, ...]


def ignored(file: str | None, line: int | None) -> dict[str, str]:
    """Rules that a line silences by `# thinned: ignore[rule, other] reason`, each with its reason."""
    if file is None or line is None:
        return {}
    try:
        with tokenize.open(file) as opened:
            lines = opened.read().splitlines()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return {}
    found = _IGNORE.search(lines[line - 1]) if line <= len(lines) else None
    if found is None:
        return {}
    reason = found[2].strip().lstrip("-:").strip() or f"{Path(file).name}, line {line}"
    return {rule.strip(): reason for rule in found[1].split(",")}


def readings(files: Iterable[str]) -> list[Reading]:
    """What each of these files says; files that are no Python are left out."""
    found = []
    for file in dict.fromkeys(files):
        try:
            with tokenize.open(file) as opened:
                tree = ast.parse(opened.read())
        except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
            continue
        found.append(_read(file, tree))
    return found


def _read(file: str, tree: ast.Module) -> Reading:
    ranked = _names_of_rank(tree)
    seedings, checkpoints, parallel = [], [], ""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _name(node.func)
        if name in _PARALLEL:
            parallel = parallel or name
        if name in _SEEDERS and node.args and not _depends_on_rank(node, ranked):
            seedings.append(Seeding(node.lineno, ast.unparse(node)))
        if any(word.arg == "preserve_rng_state" and _is_false(word.value) for word in node.keywords):
            checkpoints.append(Seeding(node.lineno, ast.unparse(node)))
    return Reading(file, parallel, tuple(seedings), tuple(checkpoints))


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_false(value: Any) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def _names_of_rank(tree: ast.Module) -> set[str]:
    """Names that were assigned from something that speaks of a rank."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (
            _RANK.search(ast.unparse(node.value)) or _uses(node.value, found)
        ):
            found |= {
                each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)
            }
    return found


def _uses(value: ast.expr, names: set[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(value))


def _depends_on_rank(call: ast.Call, ranked: set[str]) -> bool:
    arguments = [*call.args, *(word.value for word in call.keywords)]
    return any(_RANK.search(ast.unparse(each)) or _uses(each, ranked) for each in arguments)
