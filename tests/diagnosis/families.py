"""Ten families of models, from configurations, small: what an audit says of each. Nothing is downloaded.

    python -m tests.diagnosis.families > docs/audit/families.md

writes the page: what is measured comes from the audits, what is judged by hand stands in `JUDGED`.
"""

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
    """Encoder and decoder, dropout at 0.1 in every branch and after both stacks."""
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


if __name__ == "__main__":
    import sys

    for name in sys.argv[1:] or FAMILIES:
        report, took = audited(name)
        print(f"===== {name}: {took:.1f} s", version("timm"), report.facts)
        for f in report:
            print(" ", f.severity, f.rule, f.place, "| +", len(f.more), "|", f.evidence)
