"""MXNet as the checks see it, and Gluon's blocks."""

from collections.abc import Callable
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd

from thinned.conformance.adapters.functions import refuse_stated
from thinned.conformance.outcome import NotApplicableError
from thinned.conformance.runtime import Form, Function, Runtime
from thinned.conformance.subject import Subject


class MXNet(Runtime):
    """Its older array interface, `mx.nd`."""

    name = "MXNet"
    dtypes = ("float32", "float64", "float16")
    own_generator = "mxnet"

    @property
    def version(self) -> str:
        """Of MXNet."""
        return str(mx.__version__)

    def array(self, x: Any, dtype: str = "float32") -> Any:
        """An `mx.nd.NDArray`; one of no elements is beyond it without NumPy's semantics."""
        return mx.nd.array(np.asarray(x), dtype=dtype)

    def numpy(self, y: Any) -> Any:
        """Values alone."""
        y = y.asnumpy()
        return y if y.dtype in {np.float32, np.float64} else y.astype(np.float32)

    def form(self, y: Any) -> Form:
        """Of an array."""
        return Form(tuple(y.shape), np.dtype(y.dtype).name, str(y.context))

    def strided(self, x: Any) -> Any:
        """None: its arrays are dense."""
        raise NotApplicableError("arrays of MXNet have no strides")

    def vjp(self, f: Function, x: Any, g: Any) -> tuple[Any, Any]:
        """By its tape."""
        x.attach_grad()
        with autograd.record():
            y = f(x)
        y.backward(g)
        return y, x.grad

    def second(self, f: Function, x: Any, v: Any) -> tuple[Any, Any]:
        """Not looked at: few of its operators have a second gradient."""
        raise NotApplicableError("few of MXNet's operators have a second gradient")

    def checkpointed(self, f: Function) -> Function:
        """None in Gluon."""
        raise NotApplicableError("MXNet recomputes by an environment variable, for a whole process")

    def compiled(self, raw: Function, backend: str) -> Function:
        """A hybridised block."""
        block = getattr(raw, "__self__", None)
        if not isinstance(block, Block):
            raise NotApplicableError("MXNet compiles blocks, and no functions")
        block.layer.hybridize()
        return raw

    def seed(self, n: int) -> None:
        """MXNet's, NumPy's and Python's."""
        super().seed(n)
        mx.random.seed(n)


class Block:
    """A block of Gluon, called in the mode of training."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def raw(self, x: Any) -> Any:
        """A call in training."""
        with autograd.train_mode():
            return self.layer(x)

    def token(self) -> tuple[Any, ...]:
        """None: it draws from MXNet's generator."""
        return ()

    def __call__(self, x: Any) -> Any:
        """The next call in training."""
        return self.raw(x)

    def evaluate(self, x: Any) -> Any:
        """A call in evaluation."""
        with autograd.predict_mode():
            return self.layer(x)


def gluon_subject(
    make_layer: Callable[[float], Any],
    *,
    kind: str,
    name: str,
    ours: bool,
    lacks: dict[str, str],
    **stated: Any,
) -> Subject:
    """A subject of what makes a block."""
    refuse_stated(stated, "this block")
    runtime = MXNet()

    def made(rate: float) -> Block:
        layer = make_layer(rate)
        layer.initialize()
        return Block(layer)

    def make(rate: float, seed: int) -> Block:
        runtime.seed(seed)
        return made(rate)

    def twin(rate: float, seed: int) -> tuple[Block, Block]:
        runtime.seed(seed)
        return made(rate), made(rate)

    return Subject(name, kind, runtime, make, twin, lacks, frozenset({"mxnet"}), ours)
