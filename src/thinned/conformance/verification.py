"""`thinned.verify`: every check on one subject."""

import re
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from thinned.conformance.adapt import adapt
from thinned.conformance.bench import Bench
from thinned.conformance.checks import CHECKS, Check
from thinned.conformance.claim import Claim, claim
from thinned.conformance.outcome import (
    EXPECTED,
    LIMIT,
    NOT_APPLICABLE,
    PASSED,
    UNEXPECTED,
    WRONG,
    FailedError,
    NotApplicableError,
    Outcome,
)
from thinned.conformance.report import Report
from thinned.conformance.subject import Subject
from thinned.errors import SubjectError
from thinned.methods.bounds import ALARM


def verify(
    subject: Any,
    *,
    kind: str | None = None,
    method: str | None = None,
    rate: float | None = None,
    shape: tuple[int, ...] | None = None,
    shared: tuple[int, ...] | None = None,
    channels_last: bool | None = None,
    scaled: bool = True,
    train: Callable[..., Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
    seed: Callable[[int], Any] | None = None,
    nan: str | None = None,
    checks: Iterable[str] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    draws: int = 0,
    compiler: str = "inductor",
) -> Report:
    """Hold an implementation of dropout, or of another method of the catalogue, to what the method promises.

    What the subject is, is guessed from its type, its signature and the packages that its code names; what cannot
    be guessed is stated. All statistical checks of one call together fail a right subject with a chance of at most
    1e-6; their bounds follow from that, the number of draws and the rate.

    Args:
        subject: a function `f(x, rate, ...)` of arrays of PyTorch, JAX, TensorFlow, MXNet or NumPy; a class of
            layers, of PyTorch, Flax, Keras, Equinox or Gluon; a function that makes a layer from a rate; a layer.
        kind: which of these it is, such as "torch-function"; `thinned.conformance.KINDS` lists them.
        method: of the catalogue; "Dropout" where the subject's name is none of it.
        rate: the only one to be measured, of a layer that has it already.
        shape: of the input; by default one that shows the method's sharing.
        shared: axes along which one draw is shared; by default the method's.
        channels_last: whether channels are the last axis; by default as the framework has it.
        scaled: whether what is kept is divided by its chance.
        train: `train(subject, x)` calls a layer in training, where calling it is not enough.
        evaluate: `evaluate(subject, x)` calls it in evaluation.
        seed: `seed(n)` seeds what the subject draws from, where that is no generator of its framework.
        nan: what is stated of a NaN that is dropped, "zero" or "propagates".
        checks: names of those to run; by default all.
        expected_failures: reasons by check; such a check that passes is an error.
        draws: number from which inputs and seeds follow; another number is another, independent run.
        compiler: the backend of `torch.compile`.

    Raises:
        SubjectError: what the subject is or how it is called cannot be told; the message says what to state.

    Example:
        >>> import numpy as np, thinned
        >>> def mine(x, rate):
        ...     mask = np.random.randn(*x.shape) > rate
        ...     return (mask * x / (1 - rate)).astype(x.dtype)
        >>> report = thinned.verify(mine)
        >>> report.ok, report["keep_rate"].likely
        (False, 'P(N(0,1) > 0.5) = 0.309: is the mask drawn with randn instead of rand?')
    """
    examination = prepare(
        subject,
        kind=kind,
        method=method,
        rate=rate,
        shape=shape,
        shared=shared,
        channels_last=channels_last,
        scaled=scaled,
        train=train,
        evaluate=evaluate,
        seed=seed,
        nan=nan,
        draws=draws,
        compiler=compiler,
    )
    return examination.report(checks, expected_failures)


def prepare(
    subject: Any,
    *,
    kind: str | None = None,
    method: str | None = None,
    rate: float | None = None,
    shape: tuple[int, ...] | None = None,
    shared: tuple[int, ...] | None = None,
    channels_last: bool | None = None,
    scaled: bool = True,
    train: Callable[..., Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
    seed: Callable[[int], Any] | None = None,
    nan: str | None = None,
    draws: int = 0,
    compiler: str = "inductor",
) -> "Examination":
    """The same, with nothing run yet: the checks can then be run one by one, on samples that they share.

    Raises:
        SubjectError: as `verify`.
    """
    adapted = adapt(subject, kind=kind, rate=rate, train=train, evaluate=evaluate, seed=seed, nan=nan)
    held_to = claim(
        adapted.method if method is None else method,
        shape=shape,
        rate=adapted.rate,
        shared=shared,
        channels_last=adapted.channels_last if channels_last is None else channels_last,
        scaled=scaled,
    )
    return Examination(adapted.subject, held_to, draws=draws, compiler=compiler)


class Examination:
    """A subject, a claim, and the samples that checks have made of it.

    Args:
        subject: what is looked at; one may be made by hand.
        held_to: what it claims.
        draws: number from which inputs and seeds follow.
        compiler: the backend of `torch.compile`.
    """

    def __init__(
        self, subject: Subject, held_to: Claim, *, draws: int = 0, compiler: str = "inductor"
    ) -> None:
        self.subject, self.claim = subject, held_to
        # The alarm is shared by all checks, so that a whole report fails a right subject with a chance of ALARM.
        self._bench = Bench(subject, held_to, seed=1000 * draws, alarm=ALARM / len(CHECKS), compiler=compiler)
        self._was_tried = False

    def outcome(self, check: str, reason: str | None = None) -> Outcome:
        """What one check finds; with a reason, its failure is expected.

        Raises:
            SubjectError: no such check, or a subject that cannot be called at all.
        """
        _known([check])
        put_back = self.subject.runtime.kept()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if not self._was_tried:
                    _tried(self._bench)
                    self._was_tried = True
                return _outcome(CHECKS[check], self._bench, reason)
        finally:
            put_back()

    def report(
        self, checks: Iterable[str] | None = None, expected_failures: Mapping[str, str] | None = None
    ) -> Report:
        """What all find, or those that are named.

        Raises:
            SubjectError: as `outcome`.
        """
        chosen, expected = _chosen(checks), dict(expected_failures or {})
        _known(expected)
        start = time.perf_counter()
        outcomes = tuple(self.outcome(each.name, expected.get(each.name)) for each in chosen)
        runtime = self.subject.runtime
        return Report(
            self.subject.name,
            self.subject.kind,
            self.claim.method,
            self.claim.rates,
            f"{runtime.name} {runtime.version}",
            outcomes,
            time.perf_counter() - start,
        )


def _chosen(checks: Iterable[str] | None) -> list[Check]:
    if checks is None:
        return list(CHECKS.values())
    wanted = [checks] if isinstance(checks, str) else list(checks)
    _known(wanted)
    return [check for name, check in CHECKS.items() if name in wanted]


def _known(names: Iterable[str]) -> None:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise SubjectError(
            f"expected names of checks, of {', '.join(CHECKS)}; got {', '.join(map(repr, unknown))}."
        )


def _tried(bench: Bench) -> None:
    """One call, so that a subject that cannot be called is told once, and as a matter of usage."""
    x = bench.runtime.array(bench.inputs())
    try:
        y = bench.numpy(bench.instance()(x))
    except Exception as error:
        raise SubjectError(
            f"expected {bench.subject.name} (taken for a {bench.subject.kind}) to take {bench.runtime.name} "
            f"float32 of shape {bench.claim.shape} at rate {bench.rate:g}; it raised {type(error).__name__}: "
            f"{error}. State kind=, method=, shape= or rate=, or wrap it in a function `f(x, rate)`."
        ) from error
    if y.shape != bench.claim.shape:
        raise SubjectError(
            f"expected {bench.subject.name} to return an array of the shape of its input, {bench.claim.shape}; got "
            f"{y.shape}. Wrap it in a function `f(x, rate)` that does."
        )


def _outcome(check: Check, bench: Bench, reason: str | None) -> Outcome:
    level = WRONG if bench.subject.ours else check.level
    try:
        measured = check.run(bench)
    except NotApplicableError as because:
        return Outcome(check.name, check.says, NOT_APPLICABLE, f"because {because}")
    except FailedError as found:
        told = found.measured, found.expected, found.likely
        level = LIMIT if found.limit and not bench.subject.ours else level
    except Exception as error:
        told = f"raised {type(error).__name__}: {_short(error)}", "an output", ""
    else:
        if reason is None:
            return Outcome(check.name, check.says, PASSED, measured)
        return Outcome(
            check.name, check.says, UNEXPECTED, measured, f"a failure, because {reason}: take it off the list"
        )
    if reason is not None:
        return Outcome(check.name, check.says, EXPECTED, f"{told[0]} ({reason})", told[1], told[2])
    return Outcome(check.name, check.says, LIMIT if level == LIMIT else WRONG, *told)


def _short(error: Exception) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(str(error).split()))
    return text if len(text) <= 160 else text[:157] + "..."
