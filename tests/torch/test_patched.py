"""`patched`: functional dropout and attention draw by the law, in the span of a `with`."""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.functional import dropout as imported_early
from torch.nn.functional import scaled_dot_product_attention as attention_early

import thinned.torch as tt
from tests.torch.models import MODES, all_equal, gradients, through
from tests.torch.truth import dropped, same
from thinned.errors import BindError

CHANNELS = {
    "dropout1d": ((4, 6, 5), 2),
    "dropout2d": ((4, 6, 5, 3), (2, 3)),
    "dropout3d": ((4, 6, 5, 3, 2), (2, 3, 4)),
}
OPTIONS = {
    "plain": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "bool mask": {"attn_mask": torch.ones(5, 5, dtype=torch.bool).tril(1)},
    "float mask": {"attn_mask": torch.linspace(-1, 1, 25).reshape(5, 5)},
    "nothing to attend": {"attn_mask": torch.arange(5) > torch.arange(5)[:, None]},
}


class Net(nn.Module):
    """A model that is one function."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, x):
        """Of its input."""
        return self.run(x)


class Inner(nn.Module):
    """Functional dropout in a part of a model, perhaps under a checkpoint."""

    def __init__(self, mode="plain"):
        super().__init__()
        self.mode = mode

    def piece(self, x):
        """Two draws."""
        return torch.sin(F.dropout(x, 0.5)) + F.dropout(x, 0.25) ** 2

    def forward(self, x):
        """In the mode."""
        return through(self.mode, self.piece, x)


class Outer(Inner):
    """Parts, and draws of its own."""

    def __init__(self, mode="plain"):
        super().__init__(mode)
        self.first, self.second = Inner(mode), Inner(mode)

    def forward(self, x):
        """Around its parts."""
        return super().forward(self.second(self.first(F.dropout(x, 0.5))))


class TestFunctions:
    """What is caught."""

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: F.dropout(x, 0.5),
            lambda x: F.dropout(input=x),
            lambda x: imported_early(x, p=0.5, training=True),
            lambda x: torch.dropout(x, 0.5, True),
            lambda x: nn.functional.dropout(x, 0.5, inplace=True),
            nn.Dropout(0.5),
            tt.Dropout(0.5),
        ],
        ids=["F", "keywords", "imported", "torch", "inplace", "layer", "ours"],
    )
    def test_dropout(self, call):
        """However it is reached: the law's mask, at the module's name."""
        with tt.patched(nn.Sequential(Net(call)), seed=3) as model:
            y = model(torch.ones(64))
            again = model(torch.ones(64))
        name = "0.run" if isinstance(call, nn.Module) else "0"

        assert same(dropped(torch.ones(64), 0.5, seed=3, site=name), y)
        assert same(dropped(torch.ones(64), 0.5, seed=3, site=name, step=1), again)

    @pytest.mark.parametrize(
        ("function", "shape", "share"), [(k, *v) for k, v in CHANNELS.items()], ids=CHANNELS
    )
    def test_channels(self, function, shape, share):
        """Whole channels, and PyTorch's own refusals."""
        x = torch.ones(shape)
        with tt.patched(Net(lambda x: getattr(F, function)(x, 0.5)), seed=3) as model:
            y = model(x)
            with pytest.raises(ValueError, match="has to be between 0 and 1, but got 2"):
                getattr(F, function)(x, 2)

        assert same(dropped(x, 0.5, seed=3, site="", share=share), y)

    def test_uses(self):
        """The k-th call in a module is `name#k`."""
        with tt.patched(Net(lambda x: [F.dropout(x), torch.dropout(x, 0.5, True)]), seed=3) as model:
            one, two = model(torch.ones(64))

        assert same(dropped(torch.ones(64), 0.5, seed=3, site=""), one)
        assert same(dropped(torch.ones(64), 0.5, seed=3, site="#1"), two)

    def test_what_does_nothing(self):
        """Evaluation and rate 0 return the input and draw nothing."""
        x = torch.ones(64)
        with tt.patched(seed=None):
            assert F.dropout(x, 0.5, training=False) is x
            assert F.dropout(x, 0.0) is x

    def test_free(self):
        """Without a bound model, `torch.manual_seed` governs."""
        x, found = torch.ones(64), []
        with tt.patched():
            for _ in range(2):
                torch.manual_seed(0)
                found.append((imported_early(x, 0.5), F.dropout(x, 0.5)))

        assert all_equal(*found)
        assert not torch.equal(*found[0])


class TestAttention:
    """`scaled_dot_product_attention(dropout_p=...)`."""

    @pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
    @pytest.mark.parametrize("imported", [False, True])
    def test_is_attention_with_the_law_on_its_weights(self, options, imported):
        """Where the value is the identity, the output is the weights."""
        q, k = torch.randn(2, 2, 3, 5, 4)
        v = torch.eye(5).expand(2, 3, 5, 5)
        weights = F.scaled_dot_product_attention(q, k, v, **options)

        def attend(_):
            call = attention_early if imported else F.scaled_dot_product_attention
            return call(q, k, v, dropout_p=0.5, **options)

        with tt.patched(Net(attend), seed=3) as model:
            y = model(q)

        torch.testing.assert_close(dropped(weights, 0.5, seed=3, site=""), y)
        assert torch.isfinite(y).all()

    def test_grouped_queries(self):
        """Heads of keys and values are repeated, as PyTorch's are."""
        q, k = torch.randn(1, 4, 5, 8), torch.randn(1, 2, 5, 8)
        v = torch.eye(5).expand(1, 2, 5, 5)
        weights = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        with tt.patched(
            Net(lambda _: F.scaled_dot_product_attention(q, k, v, dropout_p=0.5, enable_gqa=True)), seed=3
        ) as model:
            y = model(q)

        torch.testing.assert_close(dropped(weights, 0.5, seed=3, site=""), y)

    def test_errors_and_rate_0(self):
        """PyTorch's own function answers where nothing is dropped; a mask twice is refused."""
        q = torch.randn(1, 1, 3, 4)
        expected = F.scaled_dot_product_attention(q, q, q)
        with tt.patched():
            assert torch.equal(expected, F.scaled_dot_product_attention(q, q, q))
            with pytest.raises(RuntimeError, match="is_causal=False with an attn_mask"):
                F.scaled_dot_product_attention(q, q, q, torch.ones(3, 3), 0.5, is_causal=True)

    @pytest.mark.parametrize("need_weights", [False, True])
    def test_multihead_attention(self, need_weights):
        """Both of its paths: a step has its draws, and another step others."""
        attention, x = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True), torch.randn(3, 5, 8)
        found = []
        for _ in range(2):
            with tt.patched(attention, seed=3) as model:
                found.append([model(x, x, x, need_weights=need_weights)[0] for _ in range(2)])

        assert all_equal(*found)
        assert not torch.equal(*found[0])


class TestCheckpoints:
    """Pieces that run again outside the module that called them."""

    @pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "plain"])
    @pytest.mark.parametrize("calls", [1, 2])
    def test_gradients(self, mode, calls):
        """Repeat their own draws."""
        found = []
        for chosen in ("plain", mode):
            with tt.patched(Outer(chosen), seed=3) as model:
                found.append(gradients(model, calls=calls))

        assert all_equal(*found)


class TestSpan:
    """What it touches is put back."""

    def test_put_back(self):
        """Functions, hooks, and a binding that it made; also after an error, and nested."""
        names = ["dropout", "dropout1d", "dropout2d", "dropout3d", "scaled_dot_product_attention"]
        before = [getattr(F, name) for name in names]
        model = nn.Sequential(Net(lambda x: 1 / 0))
        with pytest.raises(ZeroDivisionError), tt.patched(model, seed=3), tt.patched():
            model(torch.ones(3))

        assert before == [getattr(F, name) for name in names]
        assert [] == list(model.state_dict())
        assert not model._forward_pre_hooks
        assert not model[0]._forward_hooks

    def test_a_bound_model_stays_bound(self):
        """And goes on with its steps."""
        model = tt.bind(Net(F.dropout), 5)
        with tt.patched(model):
            model(torch.ones(3))

        assert [5, 1] == model.state_dict()["thinned.address"].tolist()

    def test_other_threads(self):
        """Draw as ever."""
        found = []
        with tt.patched(Net(F.dropout), seed=3):
            thread = threading.Thread(target=lambda: found.append(F.dropout(torch.ones(64), 0.5)))
            thread.start()
            thread.join()

        assert {0.0, 2.0} == set(found[0].tolist())

    @pytest.mark.parametrize(
        "layer", [nn.Dropout(0.5), Net(lambda x: F.dropout(x, 0.5))], ids=["layer", "call"]
    )
    def test_sampling_in_evaluation(self, layer):
        """A call in which something draws takes a step, whoever draws."""
        model, x = nn.Sequential(layer), torch.ones(64)
        with tt.patched(model, seed=3):
            model.eval()
            layer.train()
            found = [model(x) for _ in range(2)]

        for step, y in enumerate(found):
            assert same(dropped(x, 0.5, seed=3, site="0", step=step), y)

    def test_one_module_in_two_threads(self):
        """Names are those of the thread that calls, whatever runs elsewhere."""
        inside, proceed = threading.Event(), threading.Event()

        def wait(x):
            inside.set()
            proceed.wait(10)
            return x

        slow, quick = Net(wait), Net(lambda x: F.dropout(x, 0.5))
        model, x = nn.ModuleDict({"slow": slow, "quick": quick}), torch.ones(64)
        model.forward = lambda x, name: model[name](x)
        with tt.patched(model, seed=3):
            thread = threading.Thread(target=model, args=(x, "slow"))
            thread.start()
            inside.wait(10)
            y = model(x, "quick")
            proceed.set()
            thread.join()

        assert same(dropped(x, 0.5, seed=3, site="quick", step=1), y)

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: F.alpha_dropout(x, 0.5, training=True),
            lambda x: torch.alpha_dropout(x, 0.5, True),
            lambda x: torch.alpha_dropout(x, p=0.5, train=True),
            nn.AlphaDropout(0.5),
        ],
        ids=["functional", "torch", "torch by keywords", "layer"],
    )
    def test_alpha_dropout(self, call):
        """Caught, by all its names."""
        net, x = Net(call), torch.randn(4, 5, 6)
        with tt.patched(net, seed=3):
            y = net(x)
        site = "run" if isinstance(call, nn.Module) else ""

        assert same(tt.alpha_dropout(x, 0.5, seed=3, site=site), y)

    def test_feature_alpha_dropout(self):
        """Caught, and off where it is not asked for."""
        net, x = Net(lambda x: F.feature_alpha_dropout(F.alpha_dropout(x), 0.5, True)), torch.randn(4, 5, 6)
        with tt.patched(net, seed=3):
            y = net(x)

        assert same(tt.feature_alpha_dropout(x, 0.5, seed=3, site=""), y)

    @pytest.mark.parametrize(
        ("name", "module", "shape"),
        [
            ("lstm", nn.LSTM(4, 4, num_layers=2, dropout=0.5), (3, 2, 4)),
            ("gru", nn.GRU(4, 4, num_layers=2, dropout=0.5), (3, 2, 4)),
            ("rnn_tanh", nn.RNN(4, 4, num_layers=2, dropout=0.5), (3, 2, 4)),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_missed_is_said(self, name, module, shape):
        """Once for each place; and not where nothing is drawn."""
        model, x = nn.Sequential(module), torch.ones(shape)
        with (
            tt.patched(model, seed=0),
            pytest.warns(UserWarning, match=f"{name}.* in '0'") as told,
        ):
            _ = model(x), model(x)
        assert 1 == len(told)
        if not isinstance(module, Net):
            with tt.patched(model.eval(), seed=0):
                model(x)

    def test_packed_sequences_are_told_too(self):
        """Their arguments come in another order."""
        lstm = nn.LSTM(4, 4, num_layers=2, dropout=0.5)
        packed = nn.utils.rnn.pack_sequence([torch.ones(3, 4), torch.ones(2, 4)])
        with tt.patched(lstm, seed=0), pytest.warns(UserWarning, match="lstm"):
            lstm(packed)

    def test_errors(self):
        """A seed alone has no steps; a call outside the model has no address."""
        with pytest.raises(BindError, match="expected a model with the seed"):
            tt.patched(seed=3)
        with tt.patched(Net(F.dropout), seed=3), pytest.raises(BindError, match="outside one"):
            F.dropout(torch.ones(3))
