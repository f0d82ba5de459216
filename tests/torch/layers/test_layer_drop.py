"""LayerDrop: which layers of a stack run."""

import pytest
import torch
from torch import nn

import thinned.torch as tt
from thinned.errors import BindError
from thinned.mask import keep

SEED, DEPTH, STEPS = 4, 11, 6


class Named(nn.Module):
    """A layer that adds a power of two, so that a sum tells which have run."""

    def __init__(self, place):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0**place))

    def forward(self, x, other=0):
        """Out of place."""
        return x + self.weight + other


def bound(p=0.5, depth=DEPTH, batch=None):
    """A model of one stack, whose site is `0`."""
    stack = tt.LayerDrop([Named(place) for place in range(depth)], p)
    return tt.bind(nn.Sequential(stack), SEED, batch=batch)


def kept(step, p=0.5):
    """The law's, one element a layer."""
    return keep((DEPTH,), p, seed=SEED, site="0", step=step).tolist()


def ran(y):
    """Which layers a sum says have run."""
    return [bool(int(y) >> place & 1) for place in range(DEPTH)]


class TestRunning:
    """What runs."""

    @pytest.mark.parametrize("batch", [None, (0, 64, 32)], ids=["whole", "shard"])
    @pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
    def test_is_what_the_law_keeps(self, batch, compiled):
        """Step by step, whatever rows a rank holds, with gradients for all: of 0 where a layer did not run."""
        model = bound(batch=batch)
        run = torch.compile(model, fullgraph=True, backend="aot_eager") if compiled else model
        for step in range(STEPS):
            model.zero_grad()
            y = run(torch.zeros(2))
            y.sum().backward()
            assert kept(step) == ran(y[0]) == [p.grad.item() == 2 for p in model.parameters()]

    def test_evaluation(self):
        """All, and nothing is rescaled."""
        assert [True] * DEPTH == ran(bound().eval()(torch.zeros(1)))

    @pytest.mark.parametrize(("p", "expected"), [(0, True), (1, False)])
    def test_certainties(self, p, expected):
        """All or none; the input comes back as a tensor of its own."""
        x = torch.zeros(1, requires_grad=True)
        y = bound(p)(x)
        y.backward()

        assert [expected] * DEPTH == ran(y)
        assert y is not x
        assert x.grad == 1

    def test_no_layers(self):
        """An empty stack is the identity."""
        x = torch.ones(3)

        assert bound(depth=0)(x) is x

    def test_other_inputs(self):
        """Go to each layer, and have gradients though none has run."""
        stack, other = bound(1.0)[0], torch.ones(1, requires_grad=True)
        tt.bind(stack, SEED)(torch.zeros(1), other=other).backward()

        assert other.grad == 0

    @pytest.mark.parametrize("layer", [nn.Linear(4, 3), nn.LSTM(4, 4)], ids=["other shape", "tuple"])
    def test_a_layer_that_cannot_be_left_out(self, layer):
        """What it gives must be able to stand where its input stood."""
        stack = tt.LayerDrop([layer], 2**-16)

        with pytest.raises(
            ValueError, match=f"since any of them may be dropped; got .* from {type(layer).__name__}"
        ):
            stack(torch.ones(2, 4))


class TestLoops:
    """`running`, for a loop of the user's own."""

    def test_is_what_a_call_runs(self):
        """The same layers."""

        class Own(nn.Module):
            """Whose loop is its own."""

            def __init__(self):
                super().__init__()
                self.add_module("0", bound()[0])

            def forward(self, x):
                """Layer by layer."""
                for layer in self.get_submodule("0").running(x):
                    x = layer(x)
                return x

        model = tt.bind(Own(), SEED)

        assert [kept(step) for step in range(STEPS)] == [ran(model(torch.zeros(1))) for _ in range(STEPS)]
        assert [True] * DEPTH == ran(model.eval()(torch.zeros(1)))

    def test_in_a_graph(self):
        """Python cannot know them there."""
        stack = tt.LayerDrop([Named(0)], 0.5)
        with pytest.raises(BindError, match="Call the stack itself"):
            torch.func.vmap(lambda x: len(stack.running(x)) + x, randomness="same")(torch.zeros(3))


class TestList:
    """It is an `nn.ModuleList`."""

    def test_iterates_over_all(self):
        """In training too: whoever looks for layers finds them."""
        stack = bound()[0].train()

        assert DEPTH == len(list(stack)) == len(stack)
        assert stack[2].weight == 4

    def test_slices_keep_the_rate(self):
        """And are stacks."""
        part = bound(0.25)[0][2:5]

        assert isinstance(part, tt.LayerDrop)
        assert (0.25, 3) == (part.p, len(part))

    def test_pruning(self):
        """Every n-th layer, the first among them: the same modules, no copies."""
        stack = bound()[0]
        pruned = stack.keep_every(4)

        assert [stack[0], stack[4], stack[8]] == list(pruned)
        assert DEPTH == len(stack.keep_every(1))
        assert ran(pruned.eval()(torch.zeros(1))) == [place % 4 == 0 for place in range(DEPTH)]

    @pytest.mark.parametrize("n", [0, -2, 1.5, "2", True], ids=repr)
    def test_pruning_to_no_number(self, n):
        """Says what it takes."""
        with pytest.raises(ValueError, match="whole number of at least 1; got"):
            bound()[0].keep_every(n)

    @pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
    def test_a_part_has_the_mode_of_the_whole(self, training):
        """Of a stack that is evaluated, a part drops nothing; and no layer's own mode is touched."""
        stack = bound(1.0)[0].train(training)
        stack[0].train(not training)

        for part in (stack.keep_every(2), stack[:4]):
            assert ran(part(torch.zeros(1)))[0] is not training
            assert part[0].training is not training

    def test_state(self):
        """Keys are those of a plain list, and weights pass from one to the other."""
        plain = nn.ModuleList(Named(place) for place in range(3))
        stack = tt.LayerDrop([Named(0) for _ in range(3)])
        stack.load_state_dict(plain.state_dict())

        assert [1, 2, 4] == [int(layer.weight) for layer in stack]

    def test_grows(self):
        """By `append`, before it is called."""
        stack = tt.LayerDrop(p=0.0)
        stack.append(Named(3))

        assert stack(torch.zeros(1)) == 8
        assert repr(stack).startswith("LayerDrop(p=0.0\n")
