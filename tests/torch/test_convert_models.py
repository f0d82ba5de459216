"""`convert` on models that we did not write: timm's, transformers', PEFT's, made from configurations."""

import io

import pytest
import torch
from torch import nn

import thinned
import thinned.torch as tt
from thinned.errors import ConvertError

timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

STEPS = 5

pytestmark = [
    # PEFT asks transformers under a name of before.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


def vit():
    """A ViT with every kind of dropout that timm knows."""
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=3, num_classes=5, drop_path_rate=0.2, drop_rate=0.1,
        patch_drop_rate=0.25, proj_drop_rate=0.1, attn_drop_rate=0.1,
    )  # fmt: skip


def convnext():
    """Drop path in every block but the first."""
    return timm.create_model("convnext_atto", num_classes=5, drop_path_rate=0.2, depths=(1, 1, 1, 1))


def resnet():
    """Drop path and DropBlock."""
    return timm.create_model("resnet18", num_classes=5, drop_path_rate=0.1, drop_block_rate=0.1)


CONFIG = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def bert():
    """Two layers."""
    return transformers.BertModel(transformers.BertConfig(vocab_size=100, **CONFIG))


def swin():
    """Drop path under another name."""
    config = transformers.SwinConfig(
        embed_dim=8, depths=[1, 1], num_heads=[2, 2], image_size=16, patch_size=2, window_size=4,
        drop_path_rate=0.2, hidden_dropout_prob=0.1,
    )  # fmt: skip
    return transformers.SwinModel(config)


def lora():
    """BERT with adapters."""
    config = peft.LoraConfig(r=2, lora_dropout=0.1, target_modules=["query", "value"])
    return peft.get_peft_model(bert(), config)


RULES = {
    vit: {
        "blocks.*.drop_path1": tt.DropPath(thinned.linear(0, 0.2)),
        "blocks.*.drop_path2": tt.DropPath(thinned.linear(0, 0.2)),
    },
    convnext: {"*.drop_path": tt.DropPath(thinned.linear(0.05, 0.2))},
    resnet: {"layer4.*.drop_block": tt.DropBlock2d(thinned.linear(0, 0.1, steps=3), block_size=2)},
    bert: {"encoder.*.dropout": tt.LockedDropout(0.1, batch_first=True)},
    swin: {"*.drop_path": tt.DropPath(thinned.linear(0.1, 0.2))},
    lora: {"*.lora_dropout.*": tt.LockedDropout(0.2, batch_first=True)},
}


def given(make, step):
    """A batch that fits."""
    generator = torch.Generator().manual_seed(step)
    if make in {bert, lora}:
        return torch.randint(100, (2, 7), generator=generator)
    size = {swin: 16, vit: 32, convnext: 64, resnet: 64}[make]
    return torch.randn(2, 3, size, size, generator=generator)


def output(model, x):
    """One tensor."""
    y = model(x)
    return y if isinstance(y, torch.Tensor) else y.last_hidden_state


def converted(make, seed=0, rules=True):
    """With the same weights each time."""
    torch.manual_seed(1)
    model = make()
    report = tt.convert(model, RULES[make] if rules else None, seed=seed)
    return model.train(), report


@pytest.mark.parametrize("make", RULES, ids=lambda make: make.__name__)
class TestModels:
    """Converted, trained, saved and loaded."""

    @pytest.mark.parametrize("rules", [False, True], ids=["alike", "rules"])
    def test_trains_the_same_twice(self, make, rules):
        """Whatever PyTorch's generator does, and from a saved state on."""
        found = []
        for noise in range(2):
            model, _ = converted(make, rules=rules)
            optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
            with tt.patched(model):
                for step in range(STEPS):
                    torch.manual_seed(100 * noise + step)
                    loss = output(model, given(make, step)).square().mean()
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
            found.append(loss.detach())
        assert torch.isfinite(found[0])
        assert torch.equal(*found)

        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        twin, _ = converted(make, seed=9, rules=rules)
        file.seek(0)
        twin.load_state_dict(torch.load(file))
        with torch.no_grad():
            x = given(make, STEPS)
            with tt.patched(model):
                expected = output(model, x)
            with tt.patched(twin):
                assert torch.equal(expected, output(twin, x))

    def test_evaluation_is_as_before(self, make):
        """Nothing but dropout was swapped."""
        torch.manual_seed(1)
        theirs = make().eval()
        ours, _ = converted(make)
        x = given(make, 0)

        assert torch.equal(output(theirs, x), output(ours.eval(), x))

    def test_every_draw_is_ours(self, make):
        """A converted model takes nothing from PyTorch's generator in training, attention included."""
        model, _ = converted(make, rules=False)
        x = given(make, 0)
        with tt.patched(model):
            output(model, x)
            before = torch.get_rng_state()
            output(model, x)

        assert torch.equal(before, torch.get_rng_state())


class TestTimm:
    """What its layers become."""

    def test_vit(self):
        """Drop path with timm's rates, patch dropout, and dropout of rate 0 too."""
        model, report = converted(vit, rules=False)

        assert [(0.1, True), (0.2, True)] == [
            (pytest.approx(model.blocks[n].drop_path1.p), model.blocks[n].drop_path2.scale_by_keep)
            for n in (1, 2)
        ]
        assert "PatchDropout(p=0.25, num_prefix_tokens=1, ordered=False" in report.swapped["patch_drop"]
        assert "Dropout(p=0.0" in report.swapped["pos_drop"]
        assert type(model.blocks[0].drop_path1) is nn.Identity

    def test_a_ramp_is_timms_own(self):
        """The rates of `calculate_drop_path_rates`, one for each block."""
        model, _ = converted(vit)
        expected = timm.layers.calculate_drop_path_rates(0.2, 3)

        assert expected == pytest.approx([block.drop_path1.p for block in model.blocks])
        assert expected == pytest.approx([block.drop_path2.p for block in model.blocks])

    @pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])
    def test_a_function_that_a_method_calls_is_reported(self, name):
        """The head's dropout is one line in `forward_head`; at rate 0 it draws nothing."""
        model = timm.create_model(name, num_classes=5, drop_rate=0.2)

        assert "calls dropout" in tt.convert(model, dry_run=True).left[""]
        model.drop_rate = 0.0
        assert not tt.convert(model, dry_run=True).left

    def test_drop_block(self):
        """Its scale of the chance of a seed is a scale of the rate; channels stay together."""
        model, _ = converted(resnet, rules=False)
        block = model.layer3[0].drop_block

        assert isinstance(block, tt.DropBlock2d)
        assert (0.025, 5, True) == (block.p, block.block_size, block.share_channels)

    @pytest.mark.parametrize(
        ("layer", "message"),
        [
            (lambda: timm.layers.DropBlock2d(0.1, with_noise=True), "DropBlock2d with noise"),
            (
                lambda: timm.models.efficientvit_msra.ResidualDrop(nn.Identity(), 0.1),
                "ResidualDrop holds its branch",
            ),
        ],
        ids=["noise", "residual"],
    )
    def test_what_has_no_counterpart(self, layer, message):
        """Is reported, with the reason."""
        assert message in tt.convert(nn.Sequential(layer())).left["0"]

    def test_indices(self):
        """Patch dropout that also returns which tokens stay."""
        layer = timm.layers.PatchDropoutWithIndices(0.5)
        tt.convert(layer)
        y, indices = layer(torch.randn(2, 9, 4))

        assert ((2, 5, 4), (2, 4)) == (tuple(y.shape), tuple(indices.shape))


class TestTransformers:
    """What its layers become."""

    def test_drop_path(self):
        """Swin's own class, known by its name."""
        _, report = converted(swin, rules=False)

        assert "DropPath(p=0.2" in report.swapped["encoder.layers.1.blocks.0.drop_path"]

    @pytest.mark.parametrize("attention", ["eager", "sdpa"])
    def test_a_rule_does_not_reach_attention(self, attention):
        """Which reads the rate of a layer that it does not call: the report says so, and `patched` draws there."""
        config = transformers.BertConfig(vocab_size=100, attn_implementation=attention, **CONFIG)
        model = transformers.BertModel(config)
        report = tt.convert(model, RULES[bert], seed=0)
        place = "encoder.layer.0.attention.self.dropout"

        assert "BertSelfAttention reads its p and drops in a function" in report.left[place]
        assert type(model.get_submodule(place)) is tt.Dropout
        assert type(model.encoder.layer[0].output.dropout) is tt.LockedDropout
        with pytest.raises(ConvertError, match="expected a pattern that matches a layer which is called"):
            tt.convert(model, {"*.self.dropout": tt.DropPath(0.1)}, seed=0)

    def test_stable_dropout(self):
        """SEW-D's class, whose rate is called drop_prob."""
        from transformers.models.sew_d.modeling_sew_d import StableDropout

        layer = StableDropout(0.3)
        tt.convert(layer)

        assert (tt.Dropout, 0.3) == (type(layer), layer.p)

    def test_layerdrop_is_reported(self):
        """Its loop draws for itself; at rate 0 there is nothing to tell."""
        reasons = []
        for rate in (0.1, 0.0):
            config = transformers.BartConfig(
                vocab_size=50, d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
                decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_layerdrop=rate,
            )  # fmt: skip
            reasons.append(tt.convert(transformers.BartModel(config)).left["encoder"])

        assert "leaves layers out with probability 0.1" in reasons[0]
        assert "leaves layers out" not in reasons[1]


class TestPeft:
    """LoRA's dropout."""

    def test_adapters(self):
        """A layer for each adapter, in a dictionary; each has a site of its own."""
        model, report = converted(lora)
        places = [name for name in report.swapped if name.endswith("lora_dropout.default")]

        assert 4 == len(places)
        assert set(places) < {site.name for site in tt.sites(model)}
        assert all("LockedDropout(p=0.2" in report.swapped[place] for place in places)

    def test_rate_zero(self):
        """PEFT keeps an identity there, which a rule can fill."""
        config = peft.LoraConfig(r=2, lora_dropout=0.0, target_modules=["query"])
        model = peft.get_peft_model(bert(), config)
        tt.convert(model, {"*.lora_dropout.default": tt.Dropout(0.3)}, seed=0)

        assert all(
            layer.p == 0.3 for name, layer in model.named_modules() if name.endswith("lora_dropout.default")
        )


def test_a_rule_for_what_fused_attention_only_reads():
    """The attention of timm calls its dropout where it is not fused; else an error says how to reach it."""
    model = vit()
    rules = {"*.attn_drop": tt.AttentionDropout(0.25, per="head")}

    with pytest.raises(ConvertError, match="set fused_attn = False there"):
        tt.convert(model, rules, seed=0)

    for block in model.blocks:
        block.attn.fused_attn = False
    tt.convert(model, rules, seed=0)
    names = [line.name for line in thinned.sites(model, torch.zeros(1, 3, 32, 32))]
    assert [f"blocks.{place}.attn.attn_drop" for place in range(3)] == [n for n in names if "attn_drop" in n]
