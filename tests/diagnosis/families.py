"""Ten families of models, from configurations, small: what an audit says of each. Nothing is downloaded.

    python -m tests.diagnosis.families > docs/audit/families.md

writes the page: what is measured comes from the audits, what is judged by hand stands in `JUDGED`.
"""

import sys
import time
import warnings
from importlib.metadata import version

import torch

import thinned
from tests.torch.torchvision_operators import declare

_OPERATORS = declare()


def _ids(high, *shape):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(0))


def _transformers(name, config, **settings):
    import transformers

    warnings.filterwarnings("ignore", module="transformers")
    return getattr(transformers, name)(getattr(transformers, config)(**settings))


def bert():
    """Post-norm encoder, dropout of attention and of each branch at 0.1."""
    model = _transformers(
        "BertForSequenceClassification", "BertConfig", hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=128, vocab_size=200, max_position_embeddings=64,
    )  # fmt: skip
    return model, {"input_ids": _ids(200, 4, 32), "labels": _ids(2, 4)}


def gpt2():
    """Pre-norm decoder, dropout of embeddings, attention and branches at 0.1."""
    model = _transformers(
        "GPT2LMHeadModel", "GPT2Config", n_embd=64, n_layer=3, n_head=4, vocab_size=200, n_positions=64,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return model, {"input_ids": _ids(200, 4, 32), "labels": _ids(200, 4, 32)}


def vit():
    """Its configuration has both rates at 0."""
    model = _transformers(
        "ViTForImageClassification", "ViTConfig", hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=128, image_size=32, patch_size=8,
    )  # fmt: skip
    return model, {"pixel_values": _image(4, 3, 32, 32)}


def t5():
    """Encoder and decoder, dropout at 0.1 of the embeddings, in every branch and after both stacks."""
    model = _transformers(
        "T5ForConditionalGeneration", "T5Config", d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4,
        vocab_size=200, decoder_start_token_id=0,
    )  # fmt: skip
    return model, {"input_ids": _ids(200, 4, 32), "labels": _ids(200, 4, 24)}


def whisper():
    """Convolutions, encoder and decoder, dropout at 0.1 given here; attention and activations at 0."""
    model = _transformers(
        "WhisperForConditionalGeneration", "WhisperConfig", d_model=64, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128,
        vocab_size=200, max_source_positions=32, max_target_positions=32, num_mel_bins=20, dropout=0.1,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip
    features = torch.randn(4, 20, 64, generator=torch.Generator().manual_seed(0))
    return model, {"input_features": features, "labels": _ids(200, 4, 16)}


def llama():
    """Its attention's dropout is at 0; it has no other."""
    model = _transformers(
        "LlamaForCausalLM", "LlamaConfig", hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=128, vocab_size=200, max_position_embeddings=64,
    )  # fmt: skip
    return model, {"input_ids": _ids(200, 4, 32), "labels": _ids(200, 4, 32)}


def _timm(name, size=32, **settings):
    import timm

    return timm.create_model(name, pretrained=False, num_classes=10, **settings), _image(4, 3, size, size)


def _image(*shape):
    from thinned.diagnosis.inputs import natural

    return torch.from_numpy(natural(shape))


def resnet():
    """timm, with dropout before the head and stochastic depth."""
    return _timm("resnet18", 64, drop_rate=0.2, drop_path_rate=0.1)


def convnext():
    """timm, with stochastic depth."""
    return _timm("convnext_atto", 64, drop_path_rate=0.1, drop_rate=0.1)


def timm_vit():
    """timm, with every rate that a vision transformer has."""
    return _timm(
        "vit_tiny_patch16_224", 64, img_size=64, depth=4, drop_rate=0.1, pos_drop_rate=0.1, proj_drop_rate=0.1,
        attn_drop_rate=0.1, drop_path_rate=0.1,
    )  # fmt: skip


def efficientnet():
    """timm, dropout before the head at 0.2 and stochastic depth at 0.2, as published."""
    return _timm("efficientnet_b0", 64, drop_rate=0.2, drop_path_rate=0.2)


FAMILIES = {
    "BERT": bert, "GPT-2": gpt2, "ViT": vit, "T5": t5, "Whisper": whisper, "Llama": llama, "ResNet": resnet,
    "ConvNeXt": convnext, "ViT (timm)": timm_vit, "EfficientNet": efficientnet,
}  # fmt: skip


def audited(name):
    """The report of one family, and how long it took; weights are the same each time."""
    torch.manual_seed(0)
    model, example = FAMILIES[name]()
    began = time.monotonic()
    report = thinned.audit(model, example)
    return report, time.monotonic() - began


JUDGED = {
    "BERT": "Clean, and rightly. Of its 11 places one drops the normalised embeddings, three attention, six a "
    "branch before its sum, and one the pooled output. The dropout layers inside attention are not called: "
    "their rate is read.",
    "GPT-2": "Clean, and rightly: one place drops the embeddings, on a sum that is no residual one, and each block "
    "has three, attention and the ends of both branches.",
    "ViT": "True: the published configuration has hidden and attention rates of 0, and its "
    "layers are made with them.",
    "T5": "Clean, and rightly: the embeddings, attention, the inside of each feed-forward part and each branch are "
    "dropped, and both stacks end in dropout, which the decoder and the head read.",
    "Whisper": "Clean. F.dropout acts on what comes from convolutions, but over time and "
    "features, which no later convolution reads.",
    "Llama": "Clean: it has no dropout layer, and its attention draws nothing at its rate of 0.",
    "ResNet": "Clean. Seven of eight blocks have stochastic depth (the first has a rate of 0), each after its last "
    "normalisation and before its sum. Batch normalisations of later blocks read sums without whole branches; the "
    "rule of the variance shift speaks of dropped units. The eighth place is F.dropout before the head.",
    "ConvNeXt": "True: the two dropouts of each block's MLP have rate 0, which no argument of "
    "create_model sets. The 12 places are the stochastic depth of all blocks but the first, and the dropout of the "
    "head.",
    "ViT (timm)": "Clean. In all blocks but the first, where its rate is 0, stochastic depth follows dropout in "
    "each branch, and drops another thing.",
    "EfficientNet": "Clean. Of 15 DropPath layers six are never called, in blocks without a shortcut; other blocks "
    "of the same class call theirs, so nothing is reported.",
}
"""What a person found in the model's source, of what the audit reports and of what it does not."""


def page():
    """What the audits found, and what was judged of it by hand."""
    packages = ("torch", "transformers", "timm")
    versions = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in packages)
    lines = [
        "# Ten families of models\n",
        "Small ones, from configurations, with nothing downloaded: what `thinned audit` "
        "reports of each, and what a",
        f"person found who read their source. By `python -m tests.diagnosis.families`, with {versions}.\n",
        "| family | modules | places that drop | draws in a pass | errors, warnings, notes |",
        "|---|---|---|---|---|",
    ]
    told = []
    for name, make in FAMILIES.items():
        report, took = audited(name)
        facts = report.facts
        counts = ", ".join(str(report.counts(each)) for each in ("error", "warning", "note"))
        lines.append(f"| {name} | {facts['modules']} | {facts['sites']} | {facts['draws']:,} | {counts} |")
        told.append(f"\n## {name}\n\n{make.__doc__}\n")
        for finding in report:
            more = f" and {len(finding.more)} more" if finding.more else ""
            told.append(
                f"- {finding.severity}, [{finding.rule}]({finding.rule}.md): `{finding.place.module}` "
                f"({finding.place.kind}){more}. {finding.evidence}"
            )
        told.append(("\n" if len(report) else "") + f"By hand: {JUDGED[name]}")
        print(f"{name}: {took:.1f} s", file=sys.stderr)
    return "\n".join(lines + told) + "\n"


if __name__ == "__main__":
    print(page(), end="")
