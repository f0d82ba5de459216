"""The trained network as a published notebook tests it, and as it should be tested."""

import torch
from torch import Tensor, nn

from thinned.lab.measures import Context, Examples
from thinned.lab.measures.hidden import has_dropout
from thinned.lab.published import Multiplied
from thinned.uncertainty import thinned_outputs

PIXELS = 255
"""What the notebook's test images are larger by: raw bytes, where it trained on bytes / 255."""

EXAMPLES, DRAWS = 1000, 20
"""Training examples and draws that an expectation is estimated from."""


def measure(model: nn.Sequential, data: Examples, context: Context) -> dict[str, float]:
    """Accuracies on the test set, of one network tested in four ways, and what training makes of an expectation.

    Returns:
        `pixels_accuracy`: on inputs 255 times too large, as the notebook tests.
        `scaled_accuracy`: on right inputs, with what each layer hands on multiplied at test by what a mistaken mask
            or scale makes of its expectation in training; where there is no mistake, the test accuracy.
        `pixels_scaled_accuracy`: both.
        `handed_on`: what the first layer that drops hands on in training, on average, over what it hands on in
            evaluation; 1 where nothing needs to be scaled at test. Without dropout, 1.
    """
    found = {"pixels_accuracy": accuracy(model, PIXELS * data.test_x, data.test_y)}
    found["handed_on"] = handed_on(model, data.train_x[:EXAMPLES])
    for module in model.modules():
        if isinstance(module, Multiplied):
            module.at_test = module.factor
    found["scaled_accuracy"] = accuracy(model, data.test_x, data.test_y)
    found["pixels_scaled_accuracy"] = accuracy(model, PIXELS * data.test_x, data.test_y)
    return found


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of examples whose class has the largest logit."""
    return float((model(x).argmax(1) == y).double().mean())


def handed_on(model: nn.Sequential, x: Tensor) -> float:
    """What the first layer that drops hands on in training, projected on what it hands on in evaluation.

        mean over draws of  <training, evaluation> / <evaluation, evaluation>

    Its expectation is the factor between the expectation in training and the value in evaluation, bias left out.
    The first such layer is asked because no mask is in its input yet, so that the factor is its own.
    """
    if not has_dropout(model):
        return 1.0
    layer = next(each for each in model.children() if isinstance(each, Multiplied))
    bias = getattr(layer.layer, "bias", None)
    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _, given, output: outputs.append(output.double()))
    try:
        with torch.no_grad():
            model(x)
        (whole,) = outputs
        whole = whole if bias is None else whole - bias.detach()
        total = 0.0
        for _ in thinned_outputs(model, x, DRAWS):
            output = outputs.pop() if bias is None else outputs.pop() - bias.detach()
            total += float((output * whole).sum() / whole.square().sum())
    finally:
        hook.remove()
    return total / DRAWS
