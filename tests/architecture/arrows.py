"""Which room may import which, and who does otherwise: reads the source, runs nothing.

    mask -> methods -> kernels -> frameworks -> {uncertainty, conformance, diagnosis} -> lab -> report -> cli

A room may import what stands left of it. Rooms of one rank do not import each other, except keras and flax,
which are built on other frameworks.
"""

import ast
from pathlib import Path

FRAMEWORKS = ("numpy", "torch", "jax", "tensorflow", "mxnet", "flax", "keras")
RANKS = [
    ("mask",),
    ("methods",),
    ("kernels",),
    FRAMEWORKS,
    ("uncertainty", "conformance", "diagnosis"),
    ("lab",),
    ("report",),
    ("cli",),
]
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
BASES = {"flax": {"jax"}, "keras": {"torch", "jax", "tensorflow"}}
OPEN_TO_ALL = {"errors", "extras", "__version__"}
DOORS = {"__init__", "__main__"}
"""Files of the package itself, which may look into every room."""


def offences(package):
    """Sentences about every import in `package` that goes against the arrows."""
    found = []
    for file in sorted(package.rglob("*.py")):
        room = _room(file.relative_to(package))
        for line, target in _imports(file, package):
            verdict = _verdict(room, target)
            if verdict:
                found.append(f"{file.relative_to(package)}:{line}: {verdict}")
    return found


def _room(file):
    return file.parts[0] if len(file.parts) > 1 else file.stem


def _verdict(room, target):
    """What is wrong with `room` importing `target`, or None."""
    if room == target or target in OPEN_TO_ALL or room in DOORS:
        return None
    if room in OPEN_TO_ALL:
        return f"{room} is open to all, so it imports no room, but imports {target}"
    unknown = [name for name in (room, target) if name not in RANK]
    if unknown:
        return f"{unknown[0]} is not a room that the arrows know"
    if RANK[target] < RANK[room] or target in BASES.get(room, ()):
        return None
    return f"{room} imports {target}, which does not stand left of it"


def _imports(file, package):
    """(line, room or top-level name) for every import of the package, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{_source(node, file, package)}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first == package.name:
                yield node.lineno, rest[0] if rest else "the whole package"


def _source(node, file, package):
    """The absolute name that a `from` import reads, also where it is written with dots."""
    if not node.level:
        return node.module
    here = Path(package.name, file.relative_to(package)).parts[: -node.level]
    return ".".join([*here, *([node.module] if node.module else [])])
