"""The audit: runs a model a few times, lets every rule read what happened, and silences what the user silenced."""

import importlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from thinned.diagnosis.finding import Report, merged, ordered
from thinned.diagnosis.inputs import scales
from thinned.diagnosis.rule import all_rules
from thinned.diagnosis.silence import Silence, silenced
from thinned.errors import AuditError

_PACKAGES = {"keras": "keras", "flax": "flax", "torch": "torch"}
"""Whose models can be audited, by package; Keras first, because its layers are also those of its backend."""


def audit(
    model: Any,
    example_input: Any = None,
    *,
    train_input: Any = None,
    eval_input: Any = None,
    select: Iterable[str] | None = None,
    ignore: Mapping[str, str] | Sequence[Silence] = (),
    files: Iterable[str | Path] = (),
) -> Report:
    """Find what is wrong with a model's dropout: where, with which evidence, what it costs, what to do.

    A PyTorch model is run five times: twice in training, once of them backward, twice in evaluation, and once more
    in training with all noise taken out. Each draw is followed from the generator to the data that it meets,
    whoever wrote the dropout: layers of PyTorch, of others and of ours, functionals, attention's `dropout_p`, masks
    made by hand. Weights, buffers, modes, attributes, gradients and generators are afterwards what they were. The
    seeds are the audit's own, so it says the same each time; where the draws are what they should be, it reports a
    wrong strength with a chance of at most 1e-6. Of Flax and Keras models the structure is read, and, with an
    input, their activations in both modes.

    Args:
        model: of PyTorch, Flax or Keras.
        example_input: of one call: an array, a tuple of arguments or a dictionary of keyword arguments.
        train_input: as it is fed in training, where that differs from evaluation.
        eval_input: as it is fed in evaluation; where both are given, their scales are compared.
        select: ids of rules; all by default.
        ignore: ids of rules to silence, each with a reason.
        files: of the model's source, in addition to those of its classes; they are read, not run.

    Returns:
        The findings, the worst first, and what was measured; `print(report)` shows it.

    Raises:
        AuditError: no input, a model that cannot be called with it, or a rule that does not exist.
        TypeError: a model of no framework that can be audited.

    Example:
        >>> import torch, thinned
        >>> class Net(torch.nn.Module):
        ...     def forward(self, x):
        ...         return torch.nn.functional.dropout(x, 0.5) @ torch.ones(64, 2)
        >>> report = thinned.audit(Net(), torch.ones(16, 64))
        >>> [finding.rule for finding in report]
        ['active-in-eval']
        >>> print(report[0].evidence)
        In evaluation dropout drew at rate 0.5 and dropped 0.483 of 1024 values; two passes over one input gave
        different outputs.

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014,
        https://jmlr.org/papers/v15/srivastava14a.html.
    """
    chosen = _chosen(select)
    packages = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    package = next((name for name in _PACKAGES if name in packages), None)
    if package is None:
        raise TypeError(
            "expected a model of PyTorch, Flax or Keras; got an object of type "
            f"{type(model).__module__}.{type(model).__qualname__}."
        )
    first = train_input if train_input is not None else example_input
    second = eval_input if eval_input is not None else example_input
    first, second = (second if first is None else first), (first if second is None else second)
    room = importlib.import_module(f"thinned.diagnosis.of_{package}")
    pairs = []
    if train_input is not None and eval_input is not None:
        pairs = [*zip(scales(train_input), scales(eval_input), strict=False)]
    found, layers, facts = room.examine(
        model, first, second, pairs, chosen, [*_sources(model), *map(str, files)]
    )
    kept, quiet = silenced(merged(found), _silences(ignore))
    return Report(type(model).__name__, package, ordered(kept), ordered(quiet), tuple(layers), facts)


def _chosen(select: Iterable[str] | None) -> set[str]:
    known = all_rules()
    if select is None:
        return set(known)
    chosen = {select} if isinstance(select, str) else set(select)
    unknown = sorted(chosen - set(known))
    if unknown:
        raise AuditError(f"expected ids of rules: {', '.join(known)}; got {', '.join(map(repr, unknown))}.")
    return chosen


def _silences(ignore: Mapping[str, str] | Sequence[Silence]) -> list[Silence]:
    if not isinstance(ignore, Mapping):
        return list(ignore)
    _chosen(ignore)
    return [Silence(rule, reason) for rule, reason in ignore.items()]


def _sources(model: Any) -> list[str]:
    """The files of the classes of a model that are not a framework's or an installed package's."""
    modules = getattr(model, "modules", None)
    classes = {type(each) for each in modules()} if callable(modules) else {type(model)}
    found = []
    for each in classes:
        try:
            file = inspect.getsourcefile(each)
        except (TypeError, OSError):
            continue
        if file is not None and "site-packages" not in file and not file.startswith("<"):
            found.append(file)
    return sorted(set(found))
