"""What a model states and then leaves out: a rate that is in an attribute, and in no call.

A functional that is called without its rate takes its own, and nothing tells the two apart but the source. So the
call that runs is found in it, by its place in the bytecode, and the class that calls is read for other uses.
"""

import ast
import linecache
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

from thinned.diagnosis.frames import is_users
from thinned.diagnosis.rates import RATES

_SHOWS = {"extra_repr", "__repr__", "__str__"}
_OWNERS = {"nn", "F", "torch", "torch.nn", "nn.functional", "torch.nn.functional", "functional"}
_CALLS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
_MAKES = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")


def left_out(function: Callable[..., Any], name: str, place: int, stop: CodeType) -> bool:
    """Whether the user's line that calls a function names it itself, and gives it no argument of this name.

    Args:
        function: that is running.
        name: of its parameter.
        place: of the parameter, among those given by position.
        stop: the code that runs the model.
    """
    frame = _users(stop)
    call = None if frame is None else _running(frame)
    if frame is None or call is None or _value(call.func, frame) is not function:
        return False
    by_name = {word.arg for word in call.keywords}
    unpacked = None in by_name or any(isinstance(each, ast.Starred) for each in call.args)
    return not unpacked and name not in by_name and len(call.args) <= place


def unused(module: Any) -> dict[str, float]:
    """Rates that a module has in attributes of its own, and that its classes nowhere hand on."""
    cls: Any = type(module)
    trees = [tree for _, tree in _files_of(cls)]
    names = [name for name in dict.fromkeys((*RATES, *vars(module))) if _speaks(module, name)]
    if not trees:
        return {}
    return {
        name: float(getattr(module, name))
        for name in names
        if not any(_hands_on(tree, name) for tree in trees)
    }


def made_without(module: Any) -> Iterator[tuple[str, str, int]]:
    """Dropout layers that a module's class makes without a rate: attribute, file and line."""
    cls: Any = type(module)
    for file, tree in _files_of(cls):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            call, target = node.value, node.targets[0]
            made = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            bare = not call.args and not {"p", None} & {word.arg for word in call.keywords}
            if made in _MAKES and bare and isinstance(target, ast.Attribute):
                yield target.attr, file, node.lineno


def keeps(module: Any) -> Iterator[tuple[str, str, str, int]]:
    """Calls of PyTorch's dropouts in a module's class that are given a keep rate, by its name, for the rate.

    Yields:
        The call, the name, file and line.
    """
    cls: Any = type(module)
    for file, tree in _files_of(cls):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner, place = ast.unparse(node.func.value), 0 if node.func.attr in _MAKES else 1
            if owner not in _OWNERS or node.func.attr not in (*_MAKES, *_CALLS):
                continue
            given = [word.value for word in node.keywords if word.arg == "p"] or node.args[place : place + 1]
            for rate in given:
                name = rate.attr if isinstance(rate, ast.Attribute) else getattr(rate, "id", "")
                if "keep" in name.lower():
                    yield ast.unparse(node), name, file, node.lineno


def _speaks(module: Any, name: str) -> bool:
    """Whether an attribute states a rate: a number between 0 and 1, by a name that speaks of dropping."""
    if name not in RATES and "drop" not in name.lower():
        return False
    value = getattr(module, name, None)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1


def _users(stop: CodeType) -> FrameType | None:
    """The innermost frame that is the user's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not stop:
        if is_users(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


def _running(frame: FrameType) -> ast.Call | None:
    """The call that a frame is in, by the place that its bytecode has in the source."""
    tree = _tree(frame.f_code.co_filename)
    positions = list(frame.f_code.co_positions())
    if tree is None or frame.f_lasti // 2 >= len(positions):
        return None
    line, last, column, end = positions[frame.f_lasti // 2]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset) == (
            line, last, column, end,
        ):  # fmt: skip
            return node
    return None


def _value(name: ast.expr, frame: FrameType) -> Any:
    """What a name, or names and dots, stand for in a frame; None of anything else."""
    if isinstance(name, ast.Attribute):
        return getattr(_value(name.value, frame), name.attr, None)
    if isinstance(name, ast.Name):
        return frame.f_locals.get(name.id, frame.f_globals.get(name.id))
    return None


def _tree(file: str) -> ast.Module | None:
    return _parsed("".join(linecache.getlines(file)))


@lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text) if text else None
    except (SyntaxError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _files_of(cls: type) -> tuple[tuple[str, ast.ClassDef], ...]:
    """The source of a class and of those that it extends, but PyTorch's: nothing where one cannot be read."""
    found = []
    for each in cls.__mro__:
        codes = [value.__code__ for value in vars(each).values() if hasattr(value, "__code__")]
        codes = [code for code in codes if is_users(code.co_filename)]
        if not codes:
            continue
        tree = _tree(codes[0].co_filename)
        own = [
            node
            for node in ast.walk(tree or ast.Module([], []))
            if isinstance(node, ast.ClassDef)
            and node.name == each.__name__
            and node.lineno <= codes[0].co_firstlineno <= (node.end_lineno or 0)
        ]
        if not own:
            return ()
        found.append((codes[0].co_filename, own[-1]))
    return tuple(found)


def _hands_on(tree: ast.ClassDef, name: str) -> bool:
    """Whether a class reads an attribute for more than to compare it or to show it."""
    quiet = {id(inner) for node in ast.walk(tree) for part in _looks(node) for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == name:
            return True  # getattr(self, "p"), or a list of names
        read = isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load)
        if read and id(node) not in quiet:
            return True
    return False


def _looks(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of the source that look at a value, and do nothing with it."""
    shows = isinstance(node, ast.FunctionDef) and node.name in _SHOWS
    if shows or isinstance(node, (ast.Compare, ast.JoinedStr, ast.Assert)):
        yield node
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield from (part for part in _parts(node.test) if isinstance(part, ast.Attribute))


def _parts(test: ast.expr) -> Iterator[ast.expr]:
    """What a test is put together from by `and`, `or` and `not`."""
    inner = (
        test.values
        if isinstance(test, ast.BoolOp)
        else [test.operand]
        if isinstance(test, ast.UnaryOp)
        else []
    )
    yield test
    for each in inner:
        yield from _parts(each)
