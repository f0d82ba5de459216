"""`compact` on whole models: its report, what it leaves, and everything else that a model goes through."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

import thinned.torch as tt
from tests.torch.models import MODES, all_equal, through
from tests.torch.test_compact import D, integers, mlp, pair, trained, whole
from thinned.torch import _chain


class Holder(nn.Module):
    """Something with a forward of its own around parts."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        """One after the other."""
        for part in self.children():
            x = part(x)
        return x


class Own(nn.Sequential):
    """A sequence of its own class that runs as any."""


class Scaled(nn.Sequential):
    """A sequence with a forward of its own."""

    def forward(self, x):
        """Twice as much."""
        return super().forward(x) * 2


def observe(layer):
    """A hook that does nothing."""
    layer.register_forward_hook(lambda *_: None)
    return layer


LEFT = {
    "no sequence": (
        lambda: Holder(a=nn.Linear(12, 8), drop=D(0.5), b=nn.Linear(8, 3)),
        "stands in no nn.Sequential",
    ),
    "a class of its own": (lambda: Holder(part=Own(nn.Linear(12, 8), D(0.5))), "stands in Own, a kind of"),
    "a forward of its own": (
        lambda: nn.Sequential(Scaled(nn.Linear(12, 8), D(0.5))),
        "stands in Scaled, a kind of",
    ),
    "neighbours": (
        lambda: nn.Sequential(nn.Linear(12, 8), nn.LayerNorm(8), D(0.5), nn.Softmax(1)),
        "beside it: LayerNorm, Softmax",
    ),
    "alone": (lambda: nn.Sequential(D(0.5)), "beside it: nothing"),
    "a hook on the dropout": (lambda: nn.Sequential(nn.Linear(12, 8), observe(D(0.5))), "without hooks"),
    "hooks around": (
        lambda: nn.Sequential(observe(nn.Linear(12, 8)), D(0.5), observe(nn.ReLU()), nn.Linear(8, 3)),
        "beside it: Linear, ReLU",
    ),
    "parametrised weights": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(12, 8)), D(0.5)),
        "beside it: ParametrizedLinear",
    ),
    "groups of channels": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), D(0.5)), "beside it: Conv2d"),
    "a batch norm": (
        lambda: nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), D(0.5)),
        "beside it: ReLU",
    ),
    "draws for each sample": (lambda: nn.Sequential(nn.Linear(12, 8), nn.Dropout(0.5)), "only BatchDropout"),
}


class TestReport:
    """What `compact` returns."""

    def test_names_what_is_saved(self):
        """Rows before, columns behind; across nested sequences, once each."""
        model = Holder(
            stem=nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), D(0.5), nn.Conv2d(8, 8, 3), nn.LayerNorm(10)),
            head=nn.Sequential(
                nn.Flatten(),
                D(0.5),
                nn.Sequential(nn.Linear(800, 16), nn.Sequential(nn.Tanh(), D(0.5))),
                nn.LayerNorm(16),
            ),
        )

        assert {
            "stem.2": "rows of stem.0, columns of stem.3",
            "head.1": "columns of head.2.0",
            "head.2.1.1": "rows of head.2.0",
        } == tt.compact(model).compacted

    @pytest.mark.parametrize(("make", "why"), LEFT.values(), ids=list(LEFT))
    def test_says_what_is_left_and_why(self, make, why):
        """And that is a mask as before."""
        model = make()
        report = tt.compact(model)

        assert not report.compacted
        ((_, reason),) = report.left.items()
        assert why in reason
        assert f"left; {reason}" in str(report)

    def test_a_model_without_dropout(self):
        """Nothing to do, nothing said."""
        assert "compacted 0, left 0" == str(tt.compact(nn.Sequential(nn.Linear(2, 2))))

    def test_twice(self):
        """Says the same."""
        model = mlp()

        assert tt.compact(model) == tt.compact(model)


class TestWhatItLeaves:
    """Layers that must see whole activations, or that something watches."""

    @pytest.mark.parametrize("place", range(7))
    def test_hooks_see_what_they_saw(self, place):
        """Input and output of a layer, whichever it is."""
        seen = {}
        for key, model in zip(("masked", "small"), pair(lambda: mlp(2), seed=5), strict=True):
            notes = seen[key] = []
            model[place].register_forward_hook(lambda _, args, y, notes=notes: notes.extend([args[0], y]))
            notes += trained(model, (10, 12))

        assert all_equal(seen["masked"], seen["small"])

    def test_hooks_for_all_modules(self):
        """Are called for each of them."""
        _, small = pair(mlp, seed=5)
        seen = []
        handle = nn.modules.module.register_module_forward_hook(lambda layer, *_: seen.append(layer))
        try:
            small(integers((10, 12)))
        finally:
            handle.remove()

        assert [*small, small] == seen

    @pytest.mark.parametrize("make", [make for make, _ in LEFT.values()], ids=list(LEFT))
    def test_computes_the_same(self, make):
        """Here in float64 with weights of one sign, and to the last bit: nothing was done."""
        shape = (
            (4, 4, 12, 12)
            if isinstance(make()[0] if isinstance(make(), nn.Sequential) else None, nn.Conv2d)
            else (4, 12)
        )
        masked = make().double()
        small = copy.deepcopy(masked)
        tt.compact(small)
        found = []
        for model in (masked, small):
            torch.manual_seed(1)
            found.append(trained(model, shape))

        assert all_equal(*found)

    def test_wrong_inputs(self):
        """Raise what they raise without."""
        masked, small = pair(mlp)
        for x in (torch.ones(10, 11).double(), torch.ones(12).double(), torch.ones(10, 12)):
            words = []
            for model in (masked, small):
                with pytest.raises((RuntimeError, ValueError)) as caught:
                    model(x)
                words.append(str(caught.value))
            assert words[0] == words[1]

    def test_nothing(self):
        """No rows, no error, and gradients of zero."""
        masked, small = pair(mlp, seed=5)
        assert all_equal(trained(masked, (0, 12)), trained(small, (0, 12)))


class TestTransformations:
    """Compiled, under torch.func, in forward mode: with masks, and the same bits."""

    def test_compiled(self):
        """One graph for all steps, although each keeps other units."""
        masked, small = pair(lambda: mlp(2), seed=5)
        counter = CompileCounterWithBackend("aot_eager")
        run = torch.compile(small, backend=counter, fullgraph=True)
        for step in range(4):
            x = integers((10, 12), step)
            for model, call in ((masked, masked), (small, run)):
                model.zero_grad()
                call(x).sum().backward()
            assert all_equal([p.grad for p in masked.parameters()], [p.grad for p in small.parameters()])
        assert 1 == counter.frame_count

    def test_functional(self):
        """Gradients by torch.func."""
        found = []
        for model in pair(mlp, seed=5):
            weights = {name: value.detach() for name, value in model.named_parameters()}
            loss = lambda w, model=model: torch.func.functional_call(model, w, integers((10, 12))).sum()  # noqa: E731
            found.append(list(torch.func.grad(loss)(weights).values()))

        assert all_equal(*found)

    def test_forward_mode(self):
        """Tangents pass through, of inputs and of weights."""
        found = []
        for model in pair(mlp, seed=5):
            with torch.autograd.forward_ad.dual_level():
                dual = torch.autograd.forward_ad.make_dual
                x = dual(integers((10, 12)), integers((10, 12), 1))
                weights = {name: dual(w.detach(), w.detach() + 1) for name, w in model.named_parameters()}
                y = torch.func.functional_call(model, weights, x)
                found.append(list(torch.autograd.forward_ad.unpack_dual(y)))

        assert all_equal(*found)


class TestJourneys:
    """What a model goes through."""

    @pytest.mark.parametrize("mode", MODES)
    def test_checkpoints(self, mode):
        """A piece, or the whole, with two calls before one backward pass."""
        found = []
        for model in pair(lambda: Checkpointed(mode), seed=5):
            xs = [integers((10, 12), seed).requires_grad_() for seed in (1, 2)]
            sum((model(x) ** 2).sum() for x in xs).backward()
            found.append([*(x.grad for x in xs), *(p.grad for p in model.parameters())])
        assert all_equal(*found)

        masked, small = pair(lambda: mlp(2), seed=5)
        for model in (masked, small):
            x = integers((10, 12)).requires_grad_()
            if MODES[mode] is None:
                model(x).sum().backward()
            else:
                checkpoint(model, x, use_reentrant=MODES[mode]).sum().backward()
        assert all_equal([p.grad for p in masked.parameters()], [p.grad for p in small.parameters()])

    def test_state_dict(self):
        """Has the same keys, loads both ways, and goes on at its step."""
        masked, small = pair(mlp, seed=5)
        assert list(masked.state_dict()) == list(small.state_dict())
        trained(small, (10, 12))
        masked.load_state_dict(small.state_dict())

        assert all_equal(trained(masked, (10, 12)), trained(small, (10, 12)))

    @pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
    def test_copies(self, how):
        """Are compact, and go on alike."""
        _, small = pair(lambda: mlp(2), seed=5)
        trained(small, (10, 12))
        if how == "deepcopy":
            other = copy.deepcopy(small)
        elif how == "pickle":
            other = pickle.loads(pickle.dumps(small))  # noqa: S301 - our own bytes
        else:
            file = io.BytesIO()
            torch.save(small, file)
            file.seek(0)
            other = torch.load(file, weights_only=False)

        assert type(other) is type(small) is not nn.Sequential
        assert all_equal(trained(small, (10, 12)), trained(other, (10, 12)))

    def test_bound_before_or_after(self):
        """The same."""
        one, two = whole(mlp()), whole(mlp())
        tt.compact(tt.bind(one, 5))
        tt.compact(two)
        tt.bind(two, 5)

        assert all_equal(trained(one, (10, 12)), trained(two, (10, 12)))

    def test_sequences_stay_sequences(self):
        """Appended to, sliced, told apart."""
        masked, small = pair(mlp)
        for model in (masked, small):
            model.append(nn.ReLU())
            model.append(D(0.5, site="z"))
            model.append(nn.Linear(3, 2).double())
            whole(model)
            tt.bind(model, 5)

        assert isinstance(small, nn.Sequential)
        assert isinstance(small[:3], nn.Sequential)
        assert all_equal(trained(masked, (10, 12)), trained(small, (10, 12)))

    def test_uncompact(self, monkeypatch):
        """Masks again, from the next call."""
        masked, small = pair(mlp, seed=5)
        small(integers((10, 12)))
        masked(integers((10, 12)))
        tt.uncompact(small)
        monkeypatch.delattr(_chain, "submatrices")

        assert type(small) is nn.Sequential
        assert all_equal(trained(masked, (10, 12)), trained(small, (10, 12)))

    def test_nested_in_other_modules(self):
        """A sequence in a module that is not one."""
        masked, small = pair(lambda: Holder(one=mlp(2), two=nn.Sequential(nn.Linear(3, 8), D(0.5))), seed=5)

        assert all_equal(trained(masked, (10, 12)), trained(small, (10, 12)))


class Checkpointed(nn.Module):
    """Two sequences, each in a mode."""

    def __init__(self, mode):
        super().__init__()
        self.one, self.two = mlp(2), nn.Sequential(nn.Linear(3, 8), D(0.5), nn.Linear(8, 2))
        self.mode = mode

    def forward(self, x):
        """One after the other."""
        return through(self.mode, self.two, through(self.mode, self.one, x))
