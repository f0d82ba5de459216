"""`draws`: several draws of one step, eager, compiled, checkpointed; the model's step stays."""

import copy
import threading

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

import thinned.torch as tt
from tests.torch.models import MODES, Tower, all_equal, gradients, mlp, through
from thinned.errors import AddressError, BindError
from thinned.mask import keep
from thinned.methods.schedule import early

SEED = 9
X = torch.ones(6, 40)


def bare(p=0.5):
    """One bound dropout, whose output shows its mask."""
    return tt.bind(nn.Sequential(tt.Dropout(p)), SEED)


def mask(step, draw):
    """What the law says of it."""
    return torch.from_numpy(keep(tuple(X.shape), 0.5, seed=SEED, site="0", step=step, draw=draw))


def compiled(function, backend="aot_eager"):
    """In one graph, and the counter of compilations."""
    counter = CompileCounterWithBackend(backend)
    return torch.compile(function, fullgraph=True, backend=counter), counter


class TestAddress:
    """The draw's coordinate is the one that was asked for."""

    def test_default_step_is_that_of_the_last_call(self):
        """So the twin of a pass is draw 1 of its step, and the next call is the next step."""
        model = bare()
        for step in range(3):
            assert torch.equal(mask(step, 0), model(X) != 0)
            with tt.draws(model, 1):
                assert torch.equal(mask(step, 1), model(X) != 0)

    def test_step_that_is_given(self):
        """And the model's own stays where it was."""
        model = bare()
        model(X)
        with tt.draws(model, 65535, step=70):
            assert torch.equal(mask(70, 65535), model(X) != 0)
        assert 1 == model.thinned.step
        assert torch.equal(mask(1, 0), model(X) != 0)

    def test_before_any_call(self):
        """Step 0."""
        model = bare()
        with tt.draws(model, 3):
            assert torch.equal(mask(0, 3), model(X) != 0)
        assert 0 == model.thinned.step

    def test_comes_again(self):
        """However often it is asked for."""
        model = bare()
        with tt.draws(model, 2, step=5):
            assert torch.equal(model(X), model(X))

    def test_within_another(self):
        """The inner draw, at the outer step where it names none; then the outer again."""
        model = bare()
        with tt.draws(model, 1, step=8):
            with tt.draws(model, 2):
                assert torch.equal(mask(8, 2), model(X) != 0)
            with tt.draws(model, 2, step=9):
                assert torch.equal(mask(9, 2), model(X) != 0)
            assert torch.equal(mask(8, 1), model(X) != 0)

    def test_after_an_exception(self):
        """The model draws as ever."""
        model = bare()
        with pytest.raises(KeyError), tt.draws(model, 1):
            raise KeyError
        assert torch.equal(mask(0, 0), model(X) != 0)

    def test_layers_that_are_used_twice(self):
        """Each use has its own site at that draw."""
        drop = tt.Dropout(0.5)
        model = tt.bind(nn.Sequential(drop, drop), SEED)
        with tt.draws(model, 4, step=2):
            y = model(X)
        again = keep(tuple(X.shape), 0.5, seed=SEED, site="0#1", step=2, draw=4)

        assert torch.equal(mask(2, 4) & torch.from_numpy(again), y != 0)

    def test_monte_carlo_in_a_model_in_evaluation(self):
        """Dropout layers in training mode draw; sample k is draw k."""
        model = bare().eval()
        model[0].train()
        for k in range(3):
            with tt.draws(model, k, step=0):
                assert torch.equal(mask(0, k), model(X) != 0)
        assert 0 == model.thinned.step

    def test_schedules_stay_at_the_step(self):
        """The rate is that of the step of the draw."""
        model = tt.bind(nn.Sequential(tt.Dropout(early(0.5, until=2))), SEED)
        with tt.draws(model, 1, step=1):
            assert (model(X) == 0).any()
        with tt.draws(model, 1, step=2):
            assert (model(X) != 0).all()

    def test_functional_draws(self):
        """Those that `patched` catches too, and they do not move the step."""

        class Net(nn.Module):
            def forward(self, x):
                return torch.nn.functional.dropout(x, 0.5)

        model = tt.bind(Net(), SEED).eval()
        with tt.patched(model), tt.draws(model, 6, step=3):
            y = model(X)
        expected = keep(tuple(X.shape), 0.5, seed=SEED, site="", step=3, draw=6)

        assert torch.equal(torch.from_numpy(expected), y != 0)
        assert 0 == model.thinned.step


class TestState:
    """Where the last step is known from."""

    def test_resumed(self):
        """The last call's step is the one before the saved one, whatever this process did before."""
        model, other = bare(), bare()
        for _ in range(3):
            model(X)
        other.load_state_dict(model.state_dict())
        for _ in range(5):
            model(X)
        model.load_state_dict(other.state_dict())
        for each in (model, other):
            with tt.draws(each, 1):
                assert torch.equal(mask(2, 1), each(X) != 0)

    def test_copied(self):
        """A copy draws for itself."""
        model = bare()
        model(X)
        twin = copy.deepcopy(model)
        with tt.draws(model, 1):
            assert torch.equal(mask(1, 0), twin(X) != 0)

    def test_threads(self):
        """A context holds where it was entered; each thread's last step is its own."""
        model, found = bare(), []
        model(X)  # step 0, here

        def other():
            found.append(model(X) != 0)
            with tt.draws(model, 1):
                found.append(model(X) != 0)

        with tt.draws(model, 2):
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        with tt.draws(model, 1):
            found.append(model(X) != 0)

        assert all_equal([mask(1, 0), mask(1, 1), mask(0, 1)], found)


def pair(model, x):
    """An ordinary pass and its twin, told apart by a factor."""
    first = model(x)
    with tt.draws(model, 1):
        second = model(x)
    return torch.sin(first) + 3 * torch.sin(second)


def close(expected, actual):
    """Equal but for the order of sums: autograd adds what two passes give a weight in another order."""
    for one, other in zip(expected, actual, strict=True):
        torch.testing.assert_close(one, other)


class TestGradients:
    """Backward repeats the draws of its pass, after the context and with two passes before one backward."""

    @pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True:UserWarning")
    @pytest.mark.parametrize("root", list(MODES))
    @pytest.mark.parametrize("piece", list(MODES))
    @pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
    def test_checkpoints(self, piece, root, shared):
        """Around blocks, and around each root call."""
        plain = tt.bind(Tower(shared=shared), SEED)
        expected = gradients(lambda x: pair(plain, x), list(plain.parameters()), calls=2)
        model = tt.bind(Tower(piece, shared), SEED)

        def run(x):
            first = through(root, model, x)
            with tt.draws(model, 1):
                second = through(root, model, x)
            return torch.sin(first) + 3 * torch.sin(second)

        assert all_equal(expected, gradients(run, list(model.parameters()), calls=2))

    def test_a_checkpoint_whose_backward_has_hooks(self):
        """There the draw is known from the call alone, and draws of one step are two calls."""
        plain = tt.bind(Tower(), SEED)
        expected = gradients(lambda x: pair(plain, x), list(plain.parameters()), calls=2)
        model = tt.bind(Tower("reentrant"), SEED)
        with torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
            actual = gradients(lambda x: pair(model, x), list(model.parameters()), calls=2)

        close(expected, actual)

    @pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "plain"])
    def test_checkpoint_around_both(self, mode):
        """The context is entered again in the recomputation."""
        plain = tt.bind(Tower(), SEED)
        expected = gradients(lambda x: pair(plain, x), list(plain.parameters()), calls=2)
        model = tt.bind(Tower(), SEED)
        actual = gradients(lambda x: through(mode, lambda v: pair(model, v), x), list(model.parameters()), 2)

        close(expected, actual)
        assert 4 == model.thinned.step

    @pytest.mark.parametrize("piece", ["plain", "frames"])
    @pytest.mark.parametrize("what", ["pair", "model"])
    def test_compiled(self, piece, what):
        """The context within the compiled function, or around a compiled model."""
        plain = tt.bind(Tower(), SEED)
        expected = gradients(lambda x: pair(plain, x), list(plain.parameters()), calls=2)
        model = tt.bind(Tower(piece), SEED)
        if what == "model":
            run, _ = compiled(model)
            call = lambda x: pair(run, x)  # noqa: E731
        else:
            call, _ = compiled(lambda x: pair(model, x))

        close(expected, gradients(call, list(model.parameters()), calls=2))


class TestCompiled:
    """The masks of eager code, without compiling anew."""

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_around_a_compiled_model(self, backend):
        """Draws and steps are data."""
        model = bare()
        run, counter = compiled(model, backend)
        for k in range(5):
            assert torch.equal(mask(k, 0), run(X) != 0)
            with tt.draws(run, k, step=40 + k):
                assert torch.equal(mask(40 + k, k), run(X) != 0)
        assert 1 == counter.frame_count

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_within_a_compiled_function(self, backend):
        """A whole R-Drop step is one graph."""
        model = mlp()
        eager = copy.deepcopy(model)
        run, counter = compiled(lambda x: pair(model, x), backend)
        tt.bind(model, SEED)
        tt.bind(eager, SEED)
        for _ in range(4):
            x = torch.randn(3, 8)
            torch.testing.assert_close(pair(eager, x), run(x))
        assert 1 == counter.frame_count
        assert 4 == model.thinned.step

    @pytest.mark.parametrize("twin", [True, False], ids=["draws", "steps"])
    def test_calls_that_the_compiler_runs_in_its_own_order(self, twin):
        """Each layer draws for its own call, whichever began first: inductor begins both before it computes."""
        torch.manual_seed(1)
        parts = lambda: (nn.Linear(128, 128), tt.Dropout(0.3), nn.ReLU(), tt.Dropout(0.2))  # noqa: E731
        model = nn.Sequential(*(layer for _ in range(4) for layer in parts()), nn.Linear(128, 5))
        eager = copy.deepcopy(model)
        for each in (eager, model):
            tt.bind(each, SEED)

        def two(net, x):
            first = net(x)
            if twin:
                with tt.draws(net, 1):
                    return first, net(x)
            return first, net(x)

        run, counter = compiled(lambda x: two(model, x), "inductor")
        for _ in range(3):
            x = torch.randn(64, 128)
            torch.testing.assert_close(two(eager, x), run(x))
        assert 1 == counter.frame_count
        assert (3 if twin else 6) == model.thinned.step

    def test_two_models_in_one_graph(self):
        """Have steps of their own."""
        one, two = bare(), tt.bind(nn.Sequential(tt.Dropout(0.5)), SEED)
        one(X)
        run, _ = compiled(lambda x: (one(x), two(x), one(x), pair(two, x)))
        for turn in range(2):
            a, b, c, d = run(X)
            assert all_equal([mask(2 * turn + 1, 0), mask(2 * turn, 0)], [a != 0, b != 0])
            assert torch.equal(mask(2 * turn + 2, 0), c != 0)
            first, second = (2.0 * mask(2 * turn + 1, draw) for draw in (0, 1))
            torch.testing.assert_close(torch.sin(first) + 3 * torch.sin(second), d)

    def test_one_within_another(self):
        """As in eager code."""
        model = bare()

        def nested(x):
            with tt.draws(model, 1, step=8), tt.draws(model, 2):
                return model(x)

        run, _ = compiled(nested)
        assert torch.equal(mask(8, 2), run(X) != 0)

    def test_within_a_context_around_it(self):
        """The inner draw is the graph's, the step the outer context's."""
        model = bare()
        run, _ = compiled(lambda x: pair(model, x))
        with tt.draws(model, 0, step=6):
            y = run(X)
        expected = torch.sin(2.0 * mask(6, 0)) + 3 * torch.sin(2.0 * mask(6, 1))

        torch.testing.assert_close(expected, y)


class TestErrors:
    """What cannot be."""

    def test_a_free_model(self):
        """Has no addresses."""
        with pytest.raises(BindError, match="expected a bound model"):
            tt.draws(mlp(), 1)

    @pytest.mark.parametrize(("draw", "step"), [(-1, 0), (1 << 16, 0), (1.5, 0), (0, -1), (0, 1 << 32)])
    def test_outside_the_width(self, draw, step):
        """Of a coordinate."""
        with pytest.raises(AddressError, match=r"expected (a )?(draw|step)"):
            tt.draws(bare(), draw, step=step)
