"""Which draws a recomputation repeats: activation checkpointing, told from an ordinary call.

A checkpoint runs a piece of the model twice, the second time in the middle of a backward pass, with nothing
that says which training step it belongs to. Two facts of autograd do:

- A piece that runs *without* gradients (any checkpoint made of an `autograd.Function`) is recomputed by the
  node of that function, and the node was numbered just before the piece ran. So the j-th draw of a layer in
  the recomputation is the j-th draw that it noted after that number.
- A piece that runs *with* saved-tensor hooks (PyTorch's non-reentrant checkpoint) has a frame, alive as long
  as its graph, which the hooks of both runs refer to. The j-th draw in the second is the j-th in the first.

Where neither holds, a draw is known if the layer drew once in the root call that the node belongs to.
Draws are noted only where one of the two may happen; plain training notes nothing but one number a step.
"""

import itertools
import threading
import weakref
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Any, NamedTuple

import torch
from torch.utils.checkpoint import _CheckpointFrame

LIMIT = 4096
"""How many draws of one layer, and how many root calls, are remembered without a graph that holds them."""

_top_hooks = torch._C._autograd._top_saved_tensors_default_hooks


class _Thread(threading.local):
    """A number of its own for each thread; the system's are given out again."""

    _next = itertools.count()

    def __init__(self) -> None:
        self.number = next(_Thread._next)
        _alive[self.number] = threading.current_thread()


_alive: "weakref.WeakValueDictionary[int, threading.Thread]" = weakref.WeakValueDictionary()
_thread = _Thread()


class Draw(NamedTuple):
    """A draw of a bound layer, or a call of the root."""

    site: int
    step: int
    draw: int = 0


class _Noted(NamedTuple):
    sequence: int
    draw: Draw


def now() -> int:
    """The number that autograd's next node in this thread will have."""
    return torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]


def recomputing_node() -> int | None:
    """The number of the node whose backward this code runs in, or None in an ordinary forward pass."""
    node: Any = torch._C._current_autograd_node()
    return None if node is None else int(node._sequence_nr())


class History:
    """The draws of one bound model that a recomputation may ask for again."""

    def __init__(self) -> None:
        self._frames: weakref.WeakKeyDictionary[Any, dict[Hashable, list[Draw]]] = weakref.WeakKeyDictionary()
        self._logs: dict[tuple[int, Hashable], deque[_Noted]] = {}
        self._calls: dict[int, deque[_Noted]] = {}
        self._turns: OrderedDict[tuple[Hashable, ...], int] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, draw: Draw) -> None:
        """A root call begins here."""
        calls = self._calls.setdefault(_thread.number, deque(maxlen=LIMIT))
        calls.append(_Noted(now(), draw))

    def note(self, who: Hashable, draw: Draw) -> None:
        """Remember a draw, if it is made where it may be made again."""
        hooks: Any = _top_hooks(True)
        if hooks is None and torch.is_grad_enabled():
            return
        frame = None if hooks is None else _frame(hooks[0])
        with self._lock:
            if frame is not None:
                self._frames.setdefault(frame, {}).setdefault(who, []).append(draw)
            log = self._logs.setdefault((_thread.number, who), deque(maxlen=LIMIT))
            log.append(_Noted(now(), draw))

    def recall(self, who: Hashable, node: int) -> Draw | None:
        """The draw that this recomputation repeats, or None where it cannot be known."""
        hooks: Any = _top_hooks(True)
        frame = None if hooks is None else _frame(hooks[0])
        with self._lock:
            if frame is not None and frame in self._frames and _is_second_run(hooks[0]):
                first = self._frames[frame].get(who, [])
                turn = self._turn(("frame", id(frame), who))
                return first[turn] if turn < len(first) else None
            log = self._log(who, node)
            if _has_forgotten(log, node):
                return None
            if hooks is None:
                after = [noted.draw for noted in log if noted.sequence > node]
                turn = self._turn(("node", node, who))
                if turn < len(after):
                    return after[turn]
            return self._only_draw_of_call(log, node)

    def _turn(self, key: tuple[Hashable, ...]) -> int:
        """How often this recomputation has asked before: one graph task evaluates a node once."""
        key = (torch._C._current_graph_task_id(), *key)
        turn = self._turns.pop(key, -1) + 1
        self._turns[key] = turn
        while len(self._turns) > LIMIT:
            self._turns.popitem(last=False)
        return turn

    def _log(self, who: Hashable, node: int) -> list[_Noted]:
        """The notes of the thread that the node comes from; none where two threads may be meant.

        That is this thread, or, on a thread that has no notes (a device's backward thread), the one that has.
        """
        logs = {number: log for (number, name), log in self._logs.items() if name == who}
        mine = logs.pop(_thread.number, None)
        if mine is None:
            return list(next(iter(logs.values()))) if len(logs) == 1 else []
        later = (number for number, log in logs.items() if log[-1].sequence > node)
        return [] if any(_runs(number) for number in later) else list(mine)

    def _only_draw_of_call(self, log: list[_Noted], node: int) -> Draw | None:
        calls = self._calls.get(_thread.number)
        if calls is None and len(self._calls) == 1:
            (calls,) = self._calls.values()
        begun = list(calls or ())
        place = bisect_right(begun, node, key=lambda call: call.sequence) - 1
        if place < 0 or _has_forgotten(log, begun[place].sequence):
            return None
        found = {noted.draw for noted in log if noted.draw[1:] == begun[place].draw[1:]}
        return found.pop() if len(found) == 1 else None


def _runs(number: int) -> bool:
    thread = _alive.get(number)
    return thread is not None and thread.is_alive()


def _has_forgotten(log: list[_Noted], node: int) -> bool:
    """Whether a full log may lack draws that were noted after this node."""
    return len(log) == LIMIT and log[0].sequence > node


def _frame(pack: Any) -> Any:
    """The checkpoint frame that a pack hook belongs to, if it belongs to one."""
    for value in _closure(pack):
        if isinstance(value, _CheckpointFrame):
            return value
        if isinstance(value, weakref.ref) and isinstance(value(), _CheckpointFrame):
            return value()
    return None


def _is_second_run(pack: Any) -> bool:
    """The hook of a recomputation holds its frame weakly, that of the first run strongly."""
    return any(isinstance(value, weakref.ref) for value in _closure(pack))


def _closure(function: Any, depth: int = 2) -> list[Any]:
    """What a function closes over, and what functions among that close over: wrappers hide one level."""
    values = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    if depth:
        values += [inner for value in values if callable(value) for inner in _closure(value, depth - 1)]
    return values
