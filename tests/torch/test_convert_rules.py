"""`convert` with rules: patterns over names, and what they become."""

import copy

import pytest
import torch
from torch import nn

import thinned
import thinned.torch as tt
from tests.torch.truth import dropped, same
from thinned.errors import BindError, ConvertError, RateError


class Block(nn.Module):
    """A residual block as timm has it: at rate 0 an identity keeps the place of drop path."""

    def __init__(self, rate):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.dropout = nn.Dropout(0.1)
        self.drop_path = nn.Dropout(rate) if rate else nn.Identity()

    def forward(self, x):
        """Residual."""
        return x + self.drop_path(self.dropout(torch.tanh(self.linear(x))))


class Net(nn.Module):
    """Three blocks and a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.encoder = nn.ModuleList(Block(rate / 10) for rate in range(3))
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 2))

    def forward(self, x):
        """In order."""
        for block in self.encoder:
            x = block(x)
        return self.head(x)


def rates(model, name):
    """Of the layers that end in a name."""
    return [module.p for path, module in model.named_modules() if path.endswith(name)]


class TestRules:
    """What a rule does."""

    def test_the_example_of_the_guide(self):
        """Two rules, a ramp by depth, and the rest as ever."""
        model = Net()
        report = tt.convert(
            model,
            {"encoder.*.dropout": tt.LockedDropout(0.1), "*.drop_path": tt.DropPath(thinned.linear(0, 0.2))},
            seed=0,
        )

        assert [tt.LockedDropout] * 3 == [type(block.dropout) for block in model.encoder]
        assert [0, 0.1, 0.2] == rates(model, "drop_path")
        assert type(model.head[0]) is tt.Dropout
        assert (7, 0) == (len(report.swapped), len(report.left))
        assert "encoder.2.drop_path: DropPath(p=0.2, scale_by_keep=True)" in str(report)
        assert ["encoder.0.dropout", "encoder.0.drop_path"] == [site.name for site in tt.sites(model)][:2]

    def test_draws_at_its_place(self):
        """The law's mask at the qualified name."""
        model, x = nn.Sequential(nn.Identity(), nn.Dropout(0.1)), torch.ones(16, 4)
        tt.convert(model, {"1": tt.DropPath(0.5)}, seed=3)

        assert same(dropped(x, 0.5, seed=3, site="1", share=1), model(x))

    def test_each_match_is_a_copy(self):
        """The template stays free, and is nobody's layer."""
        template, model = tt.DropPath(0.5), Net()
        tt.convert(model, {"*.drop_path": template}, seed=0)

        assert 3 == len({id(block.drop_path) for block in model.encoder} - {id(template)})
        assert template._binding is None

    def test_keeps_mode_hooks_site_and_identity(self):
        """The object stays, and what was hung on it."""
        seen, old = [], tt.Dropout(0.5, site="mine")
        model = nn.Sequential(old, old, nn.ReLU()).eval()
        old.register_forward_hook(lambda *_: seen.append(1))
        tt.convert(model, {"0": tt.DropPath(0.5)})
        model(torch.ones(2, 2))

        assert (True, True, False, "mine") == (model[0] is old, model[1] is old, old.training, old.site)
        assert [1, 1] == seen
        assert isinstance(old, tt.DropPath)

    def test_a_shared_layer_counts_once(self):
        """By any of its names, with one place in a ramp."""
        shared = nn.Dropout(0.1)
        model = nn.ModuleDict({"a": shared, "b": nn.Dropout(0.1), "c": shared})
        tt.convert(model, {"?": tt.Dropout(thinned.linear(0.1, 0.3))})
        tt.convert(model, {"c": tt.DropPath(0.5)})

        assert 0.3 == model["b"].p
        assert type(model["a"]) is tt.DropPath

    def test_the_first_rule_counts(self):
        """Special ones stand before general ones, and a ramp counts what is left to it."""
        model = Net()
        tt.convert(
            model, {"encoder.0.dropout": tt.Dropout(0.9), "*.dropout": tt.Dropout(thinned.linear(0.2, 0.4))}
        )

        assert [0.9, 0.2, 0.4] == rates(model, "dropout")

    def test_a_ramp_in_any_attribute(self):
        """Zoneout has more than one rate, and a cosine is a ramp too."""
        model = Net()
        tt.convert(model, {"*.dropout": tt.Dropout(thinned.cosine(0, 0.4))})

        assert [0, 0.2, 0.4] == pytest.approx(rates(model, "dropout"))

    def test_schedules_stay_schedules(self):
        """Each layer follows the step."""
        model = Net()
        tt.convert(model, {"*.dropout": tt.Dropout(thinned.early(0.4, until=3))}, seed=0)

        assert [thinned.early(0.4, until=3)] * 3 == rates(model, "dropout")

    def test_containers_are_matched_with_what_is_in_them(self):
        """A dictionary of dropouts, as in PEFT, is no mistake."""
        model = nn.ModuleDict({"lora_dropout": nn.ModuleDict({"default": nn.Dropout(0.1)})})
        tt.convert(model, {"*drop*": tt.LockedDropout(0.2)})

        assert type(model["lora_dropout"]["default"]) is tt.LockedDropout

    def test_wrapped_models(self):
        """Names are those of the model itself."""
        model = Net()
        report = tt.convert(torch.compile(model, backend="eager"), {"encoder.*.drop_path": tt.DropPath(0.1)})

        assert "encoder.0.drop_path" in report.swapped

    def test_trains_and_loads(self):
        """Five steps, saved, loaded into a model that was converted alike, and on from there."""
        models, rules = [Net(), Net()], {"*.drop_path": tt.DropPath(thinned.linear(0, 0.5))}
        for model in models:
            tt.convert(model, rules, seed=4)
        optimiser = torch.optim.SGD(models[0].parameters(), lr=0.1)
        for _ in range(5):
            optimiser.zero_grad()
            models[0](torch.randn(4, 8)).square().sum().backward()
            optimiser.step()
        models[1].load_state_dict(models[0].state_dict())
        x = torch.randn(4, 8)

        assert torch.equal(models[0](x), models[1](x))


class TestDryRun:
    """It reports, and does nothing."""

    def test_changes_nothing(self):
        """Not a layer, not a binding; and says what the run then does."""
        model, rules = Net(), {"*.drop_path": tt.DropPath(thinned.linear(0, 0.2))}
        before = repr(model)
        dry = tt.convert(model, rules, seed=0, dry_run=True)

        assert before == repr(model)
        assert str(dry).startswith("a dry run: would swap 7, left 0")
        assert dry.swapped == tt.convert(model, rules, seed=0).swapped


class TestErrors:
    """Nothing is swapped by a call that fails."""

    @pytest.mark.parametrize(
        ("rules", "message"),
        [
            (
                {"*.drop_pth": tt.DropPath(0.1)},
                r"matches none of \d+ modules. The nearest are 'encoder.\*.drop_path'",
            ),
            (
                {"encoder.*": tt.DropPath(0.1)},
                "'encoder.0.linear', a Linear, and 2 more that cannot be swapped",
            ),
            ({"": tt.DropPath(0.1)}, r"matches '', a Net. Narrow the pattern, perhaps to"),
            (
                {"*.dropout": nn.Dropout(0.1)},
                r"expected a layer of thinned.torch as what '\*.dropout' becomes",
            ),
            ({"*.dropout": tt.Dropout}, "expected a layer of thinned.torch"),
            ({"*.dropout": 0.1}, r"such as thinned.torch.Dropout\(0.1\); got 0.1"),
            (
                {"*.dropout": tt.StochasticDepth(nn.Linear(2, 2))},
                "StochasticDepth, which is bound or holds other",
            ),
            ({"*.dropout": tt.bind(nn.Sequential(tt.Dropout()), 0)[0]}, "Dropout, which is bound"),
            (
                {"*.dropout": tt.Dropout(0.1), "encoder.1.dropout": tt.Dropout(0.2)},
                "'encoder.1.dropout' matches, 'encoder.1.dropout', earlier patterns match as well",
            ),
            (3, "expected rules as a mapping from patterns to layers; got 3. A seed is named: seed=3"),
        ],
        ids=[
            "nothing",
            "a linear layer",
            "a net",
            "PyTorch's",
            "a class",
            "a number",
            "a block",
            "bound",
            "late",
            "seed",
        ],
    )
    def test_rules(self, rules, message):
        """Each says what came and what to do."""
        model = Net()
        with pytest.raises(ConvertError, match=message):
            tt.convert(model, rules, seed=0)

        assert type(model.head[0]) is nn.Dropout

    def test_a_model_without_dropout(self):
        """There is nothing near."""
        with pytest.raises(ConvertError, match=r"matches none of 1 modules\. The model has no dropout\."):
            tt.convert(nn.Linear(2, 2), {"*.drop": tt.Dropout(0.1)})

    def test_a_bound_model_needs_a_seed(self):
        """Else a layer of it would draw freely."""
        model = tt.bind(nn.Sequential(tt.Dropout(0.5)), seed=0)
        with pytest.raises(
            BindError, match="expected a seed, since the model is bound and '0' would draw freely"
        ):
            tt.convert(model, {"0": tt.DropPath(0.5)})

        tt.convert(model, {"0": tt.DropPath(0.5)}, seed=0)
        assert type(model[0]) is tt.DropPath
        assert model(torch.ones(2, 2)).shape == (2, 2)

    def test_a_ramp_of_the_wrong_kind_stays_an_error(self):
        """What no rule resolved is refused where it is used."""
        model = nn.Sequential(tt.Dropout(thinned.linear(0, 0.2)))
        with pytest.raises(RateError, match="a ramp over the depth"):
            model(torch.ones(2))

    def test_unknown_keywords(self):
        """Are a TypeError."""
        with pytest.raises(TypeError):
            tt.convert(Net(), dry=True)


class TestBecome:
    """A layer that was bound, and becomes another."""

    def test_two_parts(self):
        """Converted and bound again, with other sites than before; copies too."""
        model = Net()
        tt.convert(model, seed=0)
        tt.convert(model, {"*.dropout": tt.GaussianDropout(0.1)}, seed=1)
        x = torch.randn(4, 8)
        twin = copy.deepcopy(model)

        assert torch.equal(model(x), twin(x))
