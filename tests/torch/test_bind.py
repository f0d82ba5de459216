"""Bound models: seeds, sites, steps, uses, batches."""

import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.models import Block, Elementwise, Tower, all_equal, gradients, mlp, outputs
from tests.torch.truth import dropped, same
from thinned.errors import AddressError, BindError


def step_of(model):
    """As the state dict has it."""
    return int(model.state_dict()["thinned.address"][1])


class TestSites:
    """The names of layers."""

    def test_qualified_names(self):
        """With the step of the call, they give the law's masks."""
        inner = nn.ModuleDict({"deep": nn.Sequential(tt.Dropout(0.3))})
        model = Elementwise(lambda m, x: (m.a(x), m.inner["deep"](x)), drops=1)
        model.inner = inner
        tt.bind(model, 9)
        x = torch.randn(40)

        for step in range(3):
            a, deep = model(x)
            assert same(dropped(x, 0.5, seed=9, site="a", step=step), a)
            assert same(dropped(x, 0.3, seed=9, site="inner.deep.0", step=step), deep)

    def test_uses(self):
        """The k-th use of a layer is `name#k`, under whichever of its names comes first."""
        model = Elementwise(lambda m, x: (m.a(x), m.b(x), m.a(x)), drops=1)
        model.b = model.a
        x = torch.ones(64)
        tt.bind(model, 0)

        for step in range(2):
            for site, y in zip(["a", "a#1", "a#2"], model(x), strict=True):
                assert same(dropped(x, 0.5, seed=0, site=site, step=step), y)

    @pytest.mark.parametrize(
        "wrap", [torch.compile, lambda m: nn.Sequential(m)[0], lambda m: m], ids=["compiled", "part", "bare"]
    )
    def test_wrappers_do_not_count(self, wrap):
        """Names are those of the model itself; binding a wrapper binds what it wraps."""
        model = mlp()
        tt.bind(wrap(model), 3)
        x = torch.ones(2, 8)
        expected = [tt.bind(mlp(), 3)(x)]

        assert all_equal(expected, [model(x)])

    def test_compiled_parts_keep_their_names(self):
        """`_orig_mod` is no part of a site."""
        model, x = mlp(), torch.ones(2, 8)
        expected = outputs(model, model, x, 3)
        model[1] = torch.compile(model[1], backend="aot_eager")

        assert all_equal(expected, outputs(model, model, x, 3))

    def test_a_part_called_module(self):
        """Is a part like another, also beside one of the same name."""
        model = Elementwise(lambda m, x: (m.a(x), m.module.a(x)), drops=1)
        model.module = Elementwise(None, drops=1)
        x = torch.ones(64)
        one, two = tt.bind(model, 0)(x)

        assert same(dropped(x, 0.5, seed=0, site="a"), one)
        assert same(dropped(x, 0.5, seed=0, site="module.a"), two)

    def test_a_layer_alone(self):
        """Has no name."""
        x = torch.ones(64)

        assert same(dropped(x, 0.5, seed=4, site=""), tt.bind(tt.Dropout(0.5), 4)(x))


class TestSteps:
    """Root calls in training, counted from 0."""

    def test_evaluation_and_errors(self):
        """Evaluation leaves the step; a call that fails has taken its own, and disturbs no other."""
        model = tt.bind(mlp(), 0)
        model(torch.ones(2, 8))
        model.eval()(torch.ones(2, 8))
        assert 1 == step_of(model.train())
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            model(torch.ones(2, 7))
        x, expected = torch.randn(2, 8), tt.bind(mlp(), 0)
        for _ in range(2):
            expected(x)

        assert 2 == step_of(model)
        assert torch.equal(expected(x), model(x))

    def test_sampling_in_evaluation(self):
        """Monte-Carlo dropout, and a backbone in evaluation: a call in which a layer draws takes a step."""
        model = tt.bind(nn.Sequential(nn.BatchNorm1d(64), tt.Dropout(0.5)), 5).eval()
        model[1].train()
        x = torch.ones(2, 64)
        first, second = (model(x) != 0 for _ in range(2))

        assert same(dropped(x, 0.5, seed=5, site="1", step=0) != 0, first)
        assert same(dropped(x, 0.5, seed=5, site="1", step=1) != 0, second)
        assert 2 == step_of(model)

    def test_interrupted_calls_leave_nothing(self):
        """Ctrl-C skips PyTorch's hooks; the next call still knows what is outside of it."""

        def interrupt(*_):
            raise KeyboardInterrupt

        model, x = tt.bind(nn.Sequential(tt.Dropout(0.5), nn.Identity()), 5), torch.ones(64)
        handle = model[1].register_forward_hook(interrupt)
        with pytest.raises(KeyboardInterrupt):
            model(x)
        handle.remove()

        assert same(dropped(x, 0.5, seed=5, site="0", step=1), model(x))
        with pytest.raises(BindError, match="outside one"):
            model[0](x)

    def test_calls_before_backward(self):
        """Each has its own masks, and its gradient knows them."""
        model = tt.bind(nn.Sequential(tt.Dropout(0.5)), 0)
        inputs = [torch.ones(64, requires_grad=True) for _ in range(2)]
        outs = [model(x) for x in inputs]
        sum(y.sum() for y in outs).backward()

        assert not torch.equal(*outs)
        assert all_equal(outs, [x.grad for x in inputs])

    def test_overflow(self):
        """Steps have 32 bits."""
        model = tt.bind(mlp(), 0)
        state = model.state_dict()
        state["thinned.address"] = torch.tensor([0, 2**32 - 1])
        model.load_state_dict(state)
        with pytest.raises(BindError, match=r"at most 2\^32 training steps"):
            model(torch.ones(1, 8))

    @pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.0, "a", True])
    def test_seeds(self, seed):
        """As wide as the law's."""
        with pytest.raises(AddressError, match="seed"):
            tt.bind(mlp(), seed)

    def test_wide_seeds(self):
        """All 64 bits count, and are saved."""
        model = tt.bind(nn.Sequential(tt.Dropout(0.5)), 2**64 - 2)
        x = torch.ones(64)

        assert same(dropped(x, 0.5, seed=2**64 - 2, site="0"), model(x))
        assert -2 == model.state_dict()["thinned.address"][0]


class TestBinding:
    """One binding at a time."""

    def test_again(self):
        """Replaces, from step 0."""
        model, x = mlp(), torch.ones(2, 8)

        assert all_equal(outputs(model, model, x, 1), outputs(model, model, x, 1))
        assert 4 == step_of(model)

    def test_the_whole_takes_over_from_a_part(self):
        """Which has then no binding, and no entry in the state, of its own."""
        part = tt.bind(mlp(), 1)
        whole = tt.bind(nn.Sequential(part), 2)
        x = torch.ones(2, 8)
        expected = tt.bind(nn.Sequential(mlp()), 2)(x)

        assert torch.equal(expected, whole(x))
        assert ["thinned.address"] == [key for key in whole.state_dict() if "thinned" in key]

    def test_a_bound_part_of_a_free_whole(self):
        """Is the root of its own calls, several of them in one call of the whole."""
        part = tt.bind(nn.Sequential(tt.Dropout(0.5)), 1)
        whole = nn.Sequential(part, part)
        x = torch.ones(64)

        assert same(dropped(dropped(x, 0.5, seed=1, site="0"), 0.5, seed=1, site="0", step=1), whole(x))

    def test_unbind(self):
        """Layers are free again."""
        model = tt.bind(nn.Sequential(tt.Dropout(0.5)), 1)
        tt.unbind(model)
        x = torch.ones(64)
        torch.manual_seed(0)
        one = model(x)
        torch.manual_seed(0)

        assert torch.equal(one, model(x))
        assert [] == list(model.state_dict())
        tt.unbind(model)

    def test_unbinding_gives_layers_back(self):
        """A part that was bound after its whole, and is unbound again, draws for the whole."""
        part = nn.Sequential(tt.Dropout(0.5))
        whole, x = tt.bind(nn.Sequential(part), 1), torch.ones(64)
        tt.bind(part, 2)
        alone = part(x)
        tt.unbind(part)

        assert same(dropped(x, 0.5, seed=2, site="0"), alone)
        assert same(dropped(x, 0.5, seed=1, site="0.0"), whole(x))
        tt.unbind(whole)
        torch.manual_seed(0)
        free = part(x)
        torch.manual_seed(0)
        assert same(free, part(x))

    @pytest.mark.parametrize(
        "layer", [nn.LSTM(4, 4, num_layers=2, dropout=0.5), nn.MultiheadAttention(4, 2, dropout=0.5)]
    )
    def test_other_draws_of_pytorch(self, layer):
        """A fused recurrent layer and attention draw too; binding warns of them."""
        with pytest.warns(UserWarning, match="'0': PyTorch's own dropout"):
            tt.bind(nn.Sequential(layer), 0)

    def test_strangers(self):
        """PyTorch's own layers are warned of, unless they never drop."""
        with pytest.warns(UserWarning, match=r"'0': PyTorch's own dropout, .* thinned.torch.convert"):
            tt.bind(nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.0)), 0)
        with warnings.catch_warnings():
            tt.bind(nn.Sequential(nn.Dropout(0.0)), 0)

    def test_a_layer_called_alone(self):
        """Has no step."""
        model = tt.bind(mlp(), 0)
        with pytest.raises(BindError, match=r"layer '1' is bound, .* outside one. Call the bound model"):
            model[1](torch.ones(8))

    def test_data_parallel(self):
        """Replicas in threads cannot know their rows."""
        model = tt.bind(mlp(), 0)
        model._is_replica = True  # as nn.DataParallel marks what it makes
        with pytest.raises(BindError, match=r"nn.DataParallel, whose replicas cannot know"):
            model(torch.ones(2, 8))


class TestBatch:
    """Where the local rows lie in the global batch."""

    @pytest.mark.parametrize("parts", [1, 2, 4])
    def test_shards(self, parts):
        """Together they have the masks of the whole, and their gradients."""
        x = torch.randn(8, 8)
        whole = tt.bind(mlp(), 0)(x)
        size = 8 // parts
        pieces = [
            tt.bind(mlp(), 0, batch=(0, 8, start))(x[start : start + size]) for start in range(0, 8, size)
        ]

        torch.testing.assert_close(whole, torch.cat(pieces))
        assert torch.equal(whole == 0, torch.cat(pieces) == 0)

    def test_another_axis(self):
        """Sequences first."""
        x = torch.ones(5, 8, 3)
        drop = lambda batch=None: tt.bind(nn.Sequential(tt.Dropout(0.5)), 0, batch)  # noqa: E731

        assert torch.equal(drop()(x)[:, 6:], drop((1, 8, 6))(x[:, 6:]))
        assert torch.equal(drop()(x)[..., 1:], drop((-1, 3, 1))(x[..., 1:]))

    @pytest.mark.parametrize("batch", [(0, 8), (0, 8.0, 0), "abc"])
    def test_three_integers(self, batch):
        """Or an error."""
        with pytest.raises(BindError, match="three integers; got"):
            tt.bind(mlp(), 0, batch)

    def test_integers_of_any_kind(self):
        """NumPy's too."""
        model = tt.bind(nn.Sequential(tt.Dropout(0.5)), 1, batch=(0, np.int64(8), np.int32(2)))

        assert same(
            dropped(torch.ones(2, 8), 0.5, seed=1, site="0", window=((8, 8), (2, 0))), model(torch.ones(2, 8))
        )

    def test_an_axis_that_is_not_there(self):
        """Is an error where it is missed."""
        with pytest.raises(BindError, match=r"a batch axis 2, as bind\(batch=\(2, 8, 0\)\) says; got shape"):
            tt.bind(mlp(), 0, (2, 8, 0))(torch.ones(4, 8))


class TestThreads:
    """Models in threads of their own."""

    def test_one_model_in_many_threads(self):
        """Each call has a step of its own, whoever makes it."""
        model, x, found = tt.bind(nn.Sequential(tt.Dropout(0.5)), 0), torch.ones(256), []

        def work():
            found.extend(model(x) for _ in range(50))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert 200 == step_of(model) == len({tuple(y.tolist()) for y in found})

    @pytest.mark.parametrize("mode", ["plain", "frames", "reentrant"])
    def test_train_at_once(self, mode):
        """As they train alone."""
        models = [tt.bind(Tower(mode), seed) for seed in range(4)]
        expected = [gradients(model, list(model.parameters()), 2, 5) for model in models]
        for seed, model in enumerate(models):
            tt.bind(model, seed)
        found = [None] * 4

        def train(turn):
            found[turn] = gradients(models[turn], list(models[turn].parameters()), 2, 5)

        threads = [threading.Thread(target=train, args=[turn]) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all(map(all_equal, expected, found))
        assert isinstance(models[0].blocks[0], Block)
