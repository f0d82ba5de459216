"""Activation checkpoints: the gradients are those without them, bit for bit, or an error says why not."""

import itertools
import threading

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential

import thinned.torch as tt
from tests.torch.models import MODES, Elementwise, Tower, all_equal, gradients, through
from thinned.errors import BindError
from thinned.torch import _recompute

SEED = 5
CHECKPOINTS = [mode for mode in MODES if mode != "plain"]
HOW = ["eager", "all compiled", "model compiled"]


def compiled(function):
    """In one graph."""
    return torch.compile(function, fullgraph=True, backend="aot_eager")


def rooted(how, model, root):
    """The root call, in the mode `root`, compiled or not."""
    if how == "all compiled":
        return compiled(lambda x: through(root, model, x))
    run = compiled(model) if how == "model compiled" else model
    return lambda x: through(root, run, x)


def cases():
    """Where checkpoints are and what is compiled. PyTorch compiles no reentrant checkpoint."""
    for shared, piece, root, how in itertools.product(["own", "shared"], MODES, MODES, HOW):
        inside = {"all compiled": {piece, root}, "model compiled": {piece}, "eager": set()}[how]
        if "reentrant" not in inside and (piece, root, how) != ("plain", "plain", "eager"):
            yield pytest.param(shared == "shared", piece, root, how, id=f"{shared}-{piece}-{root}-{how}")


def elementwise(run, call=None, **options):
    """Gradients of a bound function of dropout layers, in two steps of training."""
    model = tt.bind(Elementwise(run), SEED)
    return gradients(model if call is None else lambda x: call(model, x), **options)


@pytest.mark.parametrize("calls", [1, 2], ids=["one call", "two calls"])
class TestMatrix:
    """Blocks in checkpoints, the root in one, eager and compiled; layers of their own or one for all blocks."""

    # Reentrant checkpoints warn of inputs without gradients, which the root's recomputation has.
    @pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True:UserWarning")
    @pytest.mark.parametrize(("shared", "piece", "root", "how"), list(cases()))
    def test_gradients(self, shared, piece, root, how, calls):
        """After one root call, and after two before one backward; each root call is a step."""
        plain = tt.bind(Tower(shared=shared), SEED)
        expected = gradients(plain, list(plain.parameters()), calls)
        model = tt.bind(Tower(piece, shared), SEED)
        actual = gradients(rooted(how, model, root), list(model.parameters()), calls)

        assert all_equal(expected, actual)
        assert 2 * calls == model.state_dict()["thinned.address"][1]


@pytest.mark.parametrize("mode", CHECKPOINTS)
class TestOrder:
    """Which draw a recomputation repeats does not depend on when it happens."""

    def test_a_layer_several_times_in_one_piece(self, mode):
        """In their order."""
        piece = lambda m: lambda v: torch.sin(m.a(torch.sin(m.b(m.a(v)) * v))) + torch.sin(m.a(v))  # noqa: E731

        assert all_equal(
            elementwise(lambda m, x: piece(m)(x)), elementwise(lambda m, x: through(mode, piece(m), x))
        )

    def test_a_layer_in_many_pieces(self, mode):
        """Recomputed last to first."""

        def run(mode):
            def forward(m, x):
                for _ in range(5):
                    x = through(mode, lambda v: torch.sin(m.a(v)) + v, x)
                return x

            return forward

        assert all_equal(elementwise(run("plain")), elementwise(run(mode)))

    def test_draws_without_gradients_between(self, mode):
        """Monte-Carlo samples before and after the step do not disturb its backward."""
        run = lambda mode: lambda m, x: through(mode, lambda v: m.b(m.a(v) ** 2) ** 2, x)  # noqa: E731

        def call(model, x):
            with torch.no_grad():
                model(x), model(x)
            y = model(x)
            with torch.no_grad():
                model(x)
            return y

        assert all_equal(elementwise(run("plain"), call), elementwise(run(mode), call))

    def test_backward_twice(self, mode):
        """A retained graph is recomputed with the same draws."""
        model = tt.bind(Elementwise(lambda m, x: through(mode, lambda v: m.a(m.a(v)) ** 2, x)), SEED)
        x = torch.randn(64, requires_grad=True)
        y = model(x).sum()
        y.backward(retain_graph=True)
        once = x.grad.clone()
        y.backward()

        assert torch.equal(2 * once, x.grad)

    def test_backward_in_another_order(self, mode):
        """The second call's gradient first."""
        found = []
        for chosen in ("plain", mode):
            model = tt.bind(Elementwise(lambda m, x, c=chosen: through(c, lambda v: m.a(v) ** 2, x)), SEED)
            inputs = [torch.full((64,), 3.0, requires_grad=True) for _ in range(2)]
            for y in [model(x) for x in inputs][::-1] if chosen == mode else [model(x) for x in inputs]:
                y.sum().backward()
            found.append([x.grad for x in inputs])

        assert all_equal(*found)

    def test_backward_in_another_thread(self, mode):
        """As PyTorch does it for accelerators."""
        run = lambda mode: lambda m, x: through(mode, lambda v: m.b(m.a(v) ** 2) ** 2 + m.a(v), x)  # noqa: E731
        expected = elementwise(run("plain"), steps=1)
        model = tt.bind(Elementwise(run(mode)), SEED)
        found = []
        thread = threading.Thread(target=lambda y: found.append(y.backward()), args=[_loss(model, found)])
        thread.start()
        thread.join()

        assert torch.equal(expected[0], found[0].grad)

    def test_sequential(self, mode):
        """`checkpoint_sequential`."""
        model = Tower().blocks
        layers = nn.Sequential(*model)
        parameters = list(layers.parameters())
        expected = gradients(tt.bind(layers, SEED), parameters)
        pieces = Elementwise(
            lambda m, x: checkpoint_sequential(
                layers, 2, x, use_reentrant=MODES[mode], preserve_rng_state=False
            )
        )
        for name, module in layers.named_children():
            pieces.add_module(name, module)

        assert all_equal(expected, gradients(tt.bind(pieces, SEED), parameters))


def _loss(model, found):
    generator = torch.Generator().manual_seed(0)
    found.append(torch.randn(3, 8, generator=generator).requires_grad_())
    return model(found[0]).sum()


class TestNested:
    """A checkpoint in a checkpoint."""

    @staticmethod
    def run(outer, inner, again=False):
        """Layer a alone, or also in the place of b and c."""

        def forward(m, x):
            b, c = (m.a, m.a) if again else (m.b, m.c)
            within = lambda v: torch.sin(b(m.a(v) ** 2))  # noqa: E731
            return through(outer, lambda v: torch.sin(c(through(inner, within, v))), x)

        return forward

    @pytest.mark.parametrize("outer", CHECKPOINTS)
    @pytest.mark.parametrize("inner", CHECKPOINTS)
    @pytest.mark.parametrize("calls", [1, 2])
    def test_each_layer_once(self, outer, inner, calls):
        """Every combination is known."""
        expected = elementwise(self.run("plain", "plain"), calls=calls)

        assert all_equal(expected, elementwise(self.run(outer, inner), calls=calls))

    @pytest.mark.parametrize("outer", CHECKPOINTS)
    def test_a_layer_again(self, outer):
        """Known where the inner one is a node of the graph."""
        expected = elementwise(self.run("plain", "plain", True))

        assert all_equal(expected, elementwise(self.run(outer, "reentrant", True)))

    @pytest.mark.parametrize("outer", CHECKPOINTS)
    def test_a_layer_again_in_frames(self, outer):
        """An error that names the layer where it is not: never another mask."""
        with pytest.raises(BindError, match="layer 'a' is drawn again in a backward pass"):
            elementwise(self.run(outer, "frames", True))


class HomeMade(torch.autograd.Function):
    """A checkpoint as people write their own."""

    @staticmethod
    def forward(ctx, piece, grad, x):
        """Without a graph; or with one that is thrown away."""
        ctx.piece = piece
        ctx.save_for_backward(x)
        with torch.set_grad_enabled(grad):
            return piece(x.detach()).detach()

    @staticmethod
    def backward(ctx, gradient):
        """Again, with a graph."""
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            v = x.detach().requires_grad_()
            (found,) = torch.autograd.grad(ctx.piece(v), v, gradient)
        return None, None, found


class TestHomeMade:
    """Checkpoints that are not PyTorch's."""

    @staticmethod
    def run(grad=None):
        """Twice the same layer; `grad` None means no checkpoint."""

        def forward(m, x):
            for _ in range(2):
                piece = lambda v: torch.sin(m.a(v)) + m.b(v) ** 2  # noqa: E731
                x = piece(x) if grad is None else HomeMade.apply(piece, grad, x)
            return x

        return forward

    def test_without_gradients(self):
        """Run as an `autograd.Function` runs, they are known."""
        assert all_equal(elementwise(self.run(), calls=2), elementwise(self.run(False), calls=2))

    def test_with_gradients(self):
        """One that hides from autograd that it is one is an error."""
        with pytest.raises(BindError, match=r"layer 'a' is drawn again .* checkpoint the whole model"):
            elementwise(self.run(True))

    def test_forgotten_draws(self, monkeypatch):
        """So are more draws of one layer than are remembered."""
        monkeypatch.setattr(_recompute, "LIMIT", 4)

        def forward(mode):
            def run(m, x):
                for _ in range(6):
                    x = through(mode, lambda v: torch.sin(m.a(v)) + v, x)
                return x

            return run

        assert all_equal(elementwise(forward("plain")), elementwise(forward("frames")))
        with pytest.raises(BindError, match="layer 'a' is drawn again"):
            elementwise(forward("reentrant"))


class TestFree:
    """Free layers are repeated by PyTorch, which saves its generator's state."""

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_gradients(self, reentrant):
        """With `preserve_rng_state`, its default."""
        layer = tt.Dropout(0.5)
        x = torch.ones(64, requires_grad=True)
        y = torch.utils.checkpoint.checkpoint(lambda v: layer(v) * v, x, use_reentrant=reentrant)
        y.sum().backward()

        assert torch.equal(2 * y, x.grad)
