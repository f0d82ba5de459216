"""`convert`: every dropout layer of a model becomes ours, in place, and a report says what did not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import thinned.torch as tt
from tests.torch.truth import dropped, same
from thinned.errors import BindError, RateError

PAIRS = {
    nn.Dropout: tt.Dropout,
    nn.Dropout1d: tt.Dropout1d,
    nn.Dropout2d: tt.Dropout2d,
    nn.Dropout3d: tt.Dropout3d,
    nn.AlphaDropout: tt.AlphaDropout,
    nn.FeatureAlphaDropout: tt.FeatureAlphaDropout,
}


class Own(nn.Dropout):
    """Somebody's subclass."""


class Functional(nn.Module):
    """Dropout that is no layer."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        """Both."""
        return F.dropout(self.dropout(x), 0.5, self.training)


class TestConvert:
    """What it swaps."""

    @pytest.mark.parametrize(("theirs", "ours"), PAIRS.items())
    def test_every_class(self, theirs, ours):
        """The same object, with its rate, mode and place, under another class."""
        layer = theirs(0.3, inplace=True)
        model = nn.Sequential(layer, layer, nn.Identity()).eval()
        report = tt.convert(model)

        assert type(layer) is ours
        assert model[0] is model[1] is layer
        assert (0.3, True, False) == (layer.p, layer.inplace, layer.training)
        assert isinstance(layer, theirs)
        assert {"0": repr(layer)} == report.swapped
        assert {} == report.left

    def test_hooks_stay(self):
        """They are part of the layer."""
        seen = []
        layer = nn.Dropout(0.5)
        layer.register_forward_hook(lambda *_: seen.append(1))
        tt.convert(layer)
        layer(torch.ones(3))

        assert [1] == seen

    def test_seed(self):
        """Binds as well; without, layers are free."""
        model, x = nn.Sequential(nn.Dropout(0.5)), torch.ones(64)
        tt.convert(model)
        assert [] == list(model.state_dict())
        tt.convert(model, seed=3)

        assert same(dropped(x, 0.5, seed=3, site="0"), model(x))

    def test_twice(self):
        """There is nothing left to do."""
        model = nn.Sequential(nn.Dropout(0.5))
        tt.convert(model)

        assert "swapped 0, left 0" == str(tt.convert(model))

    def test_a_layer_alone(self):
        """Is a model."""
        layer = nn.Dropout(0.5)

        assert "(the model itself): Dropout(p=0.5" in str(tt.convert(layer))
        assert isinstance(layer, tt.Dropout)

    def test_wrapped(self):
        """Compiled models are seen through."""
        model = nn.Sequential(nn.Dropout(0.5))
        report = tt.convert(torch.compile(model, backend="aot_eager"), seed=0)

        assert ["0"] == list(report.swapped)
        assert type(model[0]) is tt.Dropout

    def test_an_impossible_rate(self):
        """Nothing is swapped then."""
        model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(1e-9))
        with pytest.raises(RateError, match="rounds to 0"):
            tt.convert(model)

        assert type(model[0]) is nn.Dropout

    @pytest.mark.parametrize("kind", ["AlphaDropout", "FeatureAlphaDropout"])
    def test_self_normalising_layers(self, kind):
        """Have counterparts of PyTorch's own kinds."""
        model, x = nn.Sequential(getattr(nn, kind)(0.25, True)), torch.randn(4, 6, 5)
        report = tt.convert(model, seed=3)
        axes = (2,) if kind == "FeatureAlphaDropout" else ()

        assert {"0": f"{kind}(p=0.25, inplace=True)"} == report.swapped
        assert isinstance(model[0], getattr(nn, kind))
        assert torch.equal(tt.alpha_dropout(x, 0.25, seed=3, site="0", share=axes), model(x.clone()))

    def test_state_dict(self):
        """Keys do not change."""
        model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
        before = list(model.state_dict())
        tt.convert(model)

        assert before == list(model.state_dict())


class TestReport:
    """What it could not swap, by name, and why."""

    @pytest.mark.parametrize(
        ("module", "reason"),
        [
            (Own(0.5), "Own has no counterpart"),
            (nn.LSTM(2, 2, 2, dropout=0.5), "LSTM(dropout=0.5) draws between its layers"),
            (nn.GRU(2, 2, 2, dropout=0.5), "GRU(dropout=0.5) draws between its layers"),
            (nn.MultiheadAttention(4, 2, dropout=0.5), "attention draws in a functional call"),
            (Functional(), "calls dropout; use thinned.torch.patched"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
    )
    def test_left(self, module, reason):
        """Each with a reason."""
        report = tt.convert(nn.Sequential(module))

        assert ["0"] == list(report.left)
        assert report.left["0"].startswith(reason)
        assert f"  0: left; {reason}" in str(report)

    @pytest.mark.parametrize(
        "module",
        [
            Own(0.0),
            nn.LSTM(2, 2, 2),
            nn.MultiheadAttention(4, 2),
            nn.Linear(2, 2),
            nn.TransformerEncoderLayer(4, 2, dropout=0.0),
        ],
        ids=lambda module: type(module).__name__,
    )
    def test_nothing_to_tell(self, module):
        """Of what never drops."""
        assert {} == tt.convert(nn.Sequential(module)).left


class TestModels:
    """Models as people have them."""

    def test_transformer_encoder(self):
        """Three layers a block are swapped; attention is left."""
        block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        report = tt.convert(nn.TransformerEncoder(block, 2), seed=0)

        names = ["dropout", "dropout1", "dropout2"]
        assert [f"layers.{turn}.{name}" for turn in range(2) for name in names] == list(report.swapped)
        assert ["layers.0.self_attn", "layers.1.self_attn"] == list(report.left)

    def test_lstm_model(self):
        """What stands around the fused call is swapped and bound."""
        model = nn.ModuleDict({"rnn": nn.LSTM(4, 4, 2, dropout=0.3), "drop": nn.Dropout(0.3)})
        report = tt.convert(model, seed=0)

        assert (["drop"], ["rnn"]) == (list(report.swapped), list(report.left))

    def test_hugging_face(self):
        """BERT from a configuration: trained twice from one seed, it is the same model."""
        transformers = pytest.importorskip("transformers")
        config = transformers.BertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=100
        )
        losses = []
        for _ in range(2):
            torch.manual_seed(0)
            model = transformers.BertForMaskedLM(config).train()
            report = tt.convert(model, seed=3)
            optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
            torch.manual_seed(len(losses))  # which does not matter any more
            with tt.patched(model):
                for step in range(3):
                    ids = torch.arange(14).reshape(2, 7) + step
                    loss = model(ids, labels=ids).loss
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
            losses.append(loss.item())

        assert losses[0] == losses[1]
        assert 7 == len([name for name in report.swapped if "bert" in name])
        assert all("dropout" in why or "attention" in why for why in report.left.values())


class TestGraphs:
    """Modules that are graphs and not code."""

    def test_what_a_graph_calls_is_reported(self):
        """Traced by `torch.fx`, and exported."""
        traced = torch.fx.symbolic_trace(Functional())
        exported = torch.export.export(Functional(), (torch.ones(2),)).module()

        assert "calls dropout" in tt.convert(traced, seed=0).left[""]
        assert "calls dropout" in tt.convert(exported).left[""]

    @pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
    def test_scripted_modules_are_refused(self):
        """No address reaches into compiled code."""
        scripted = torch.jit.trace(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).eval(), torch.ones(1, 2))
        with pytest.raises(BindError, match="compiled by torch"):
            tt.convert(scripted, seed=0)
