"""Findings of `docs/conformance.md` that are reproduced in a few lines, with what was said of them upstream."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """A finding, without our library.

    Args:
        subject: its name in `third_parties.py`.
        check: that found it; the note is shown where it still does.
        title: of its section.
        text: what happens, and to whom it matters.
        code: that shows it, with what it prints as a comment.
        threads: upstream, or that none was found.
    """

    subject: str
    check: str
    title: str
    text: str
    code: str
    threads: str


NONE = "We found no thread on it."

NOTES = (
    Note(
        "a published solution",
        "keep_rate",
        "A mask from `randn`",
        "A published solution of the textbook's exercises draws its mask from a normal. It keeps 31 % where half "
        "was asked, scales by 2, and so halves its activations on average.",
        "import torch\n"
        "mask = (torch.randn(1_000_000) > 0.5).float()\n"
        "print(mask.mean())   # 0.309, where 0.5 was meant",
        "The book's own layer draws from `rand`, and is right.",
    ),
    Note(
        "keras SpatialDropout1D",
        "recomputation",
        "Keras: `keras.remat` on PyTorch and TensorFlow draws another mask",
        "Keras' layers take their randomness from a `SeedGenerator`, whose state goes on at each call. What is "
        "computed again in the backward pass is one more call, and has another mask than the loss had: the "
        "gradient is that of another network. On JAX the state is an argument, and all is well. On PyTorch "
        "`Dropout` escapes: it draws from PyTorch's own generator, which `torch.utils.checkpoint` restores.",
        "import os; os.environ['KERAS_BACKEND'] = 'torch'\n"
        "import keras, torch\n"
        "layer = keras.layers.SpatialDropout1D(0.5)\n"
        "x = torch.ones(1, 1, 8, requires_grad=True)\n"
        "y = keras.remat(lambda x: layer(x, training=True))(x)\n"
        "y.sum().backward()\n"
        "print(y.detach().flatten() == x.grad.flatten())   # not all True",
        "For TensorFlow a comment of "
        "[tensorflow#30418](https://github.com/tensorflow/tensorflow/issues/30418) offers a dropout of its own for "
        "recomputation; [bert4keras#521](https://github.com/bojone/bert4keras/issues/521) asks whether the two go "
        "together, and has no answer. We found no thread on Keras 3.",
    ),
    Note(
        "equinox.nn.Dropout",
        "rate_one",
        "Equinox: at rate 1 the gradient is NaN",
        "Forward gives zeros. The branch that is not taken divides by zero, and its gradient is 0 times infinity.",
        "import equinox as eqx, jax, jax.numpy as jnp\n"
        "layer = eqx.nn.Dropout(1.0)\n"
        "print(jax.grad(lambda x: layer(x, key=jax.random.key(0)).sum())(jnp.ones(3)))   # [nan nan nan]",
        NONE,
    ),
    Note(
        "keras GaussianDropout",
        "rate_one",
        "Keras: `GaussianDropout(1)` and `AlphaDropout(1)` are made, and then divide by zero",
        "Both constructors admit the rate 1; the first call in training raises ZeroDivisionError.",
        "import keras\n"
        "layer = keras.layers.GaussianDropout(1.0)\n"
        "layer(keras.ops.ones((2, 2)), training=True)   # ZeroDivisionError",
        "When the layer was added, a reviewer asked for a guard: [keras#351]"
        "(https://github.com/keras-team/keras/pull/351).",
    ),
    Note(
        "torch.nn.Dropout",
        "compiled_equals_eager",
        "PyTorch: a compiled dropout has other masks than an eager one",
        "Under the same seed. The law is right in both; `torch._inductor.config.fallback_random = True` makes them "
        "alike.",
        "import torch\n"
        "layer, x = torch.nn.Dropout(0.5), torch.ones(8)\n"
        "torch.manual_seed(0); eager = layer(x)\n"
        "compiled = torch.compile(layer)\n"
        "torch.manual_seed(0); print(compiled(x) == eager)   # not all True",
        "It is meant to be so: [torchdynamo#2042](https://github.com/pytorch/torchdynamo/issues/2042), "
        "[pytorch#141557](https://github.com/pytorch/pytorch/issues/141557). Another matter, which this page does "
        "not look at: since 2.13 a dropout compiled for CUDA repeats its draws behind some copies, "
        "[pytorch#198333](https://github.com/pytorch/pytorch/issues/198333).",
    ),
    Note(
        "torch.nn.Dropout, memory budget 0",
        "compiled_law",
        "PyTorch: with a memory budget the backward pass of a compiled dropout draws again",
        "`torch._functorch.config.activation_memory_budget` below 1 has the compiler compute again in the backward "
        "pass what it did not keep, and that may be the draw: the gradient is that of another network. A "
        "model that is bound to addresses has no draw that could be made again.",
        "import torch\n"
        "torch._functorch.config.activation_memory_budget = 0.0\n"
        "layer = torch.compile(torch.nn.Dropout(0.5))\n"
        "x = torch.ones(8, requires_grad=True)\n"
        "y = layer(x)\n"
        "y.sum().backward()\n"
        "print(y.detach() == x.grad)   # not all True",
        "[pytorch#190717](https://github.com/pytorch/pytorch/issues/190717), "
        "[pytorch#190758](https://github.com/pytorch/pytorch/issues/190758).",
    ),
    Note(
        "tf.nn.dropout",
        "half_precision",
        "TensorFlow: rates in float16 are multiples of 2^-10",
        "The mask is drawn in the type of the input, whose uniform has ten bits. At rate 0.001 it drops 0.002.",
        "import tensorflow as tf\n"
        "y = tf.nn.dropout(tf.ones(10_000_000, tf.float16), 0.001)\n"
        "print(tf.reduce_mean(tf.cast(y == 0, tf.float32)))   # 0.00195",
        NONE,
    ),
    Note(
        "mxnet.gluon.nn.Dropout",
        "rate_one",
        "MXNet: at rate 1 the output is NaN",
        "Zero times one over zero. MXNet is retired, so this will stay.",
        "import mxnet as mx\n"
        "layer = mx.gluon.nn.Dropout(1.0)\n"
        "with mx.autograd.train_mode():\n"
        "    print(layer(mx.nd.ones(3)))   # nan nan nan",
        NONE,
    ),
    Note(
        "timm DropBlock2d",
        "keep_rate",
        "timm: DropBlock drops more than was asked",
        "Its seeds lie everywhere, and their chance is the paper's, whose seeds lie only where a whole block fits.",
        "import torch\nfrom timm.layers import DropBlock2d\n"
        "y = DropBlock2d(0.1, block_size=7)(torch.ones(64, 64, 14, 14))\n"
        "print((y == 0).float().mean())   # 0.16, where 0.1 was asked",
        "On the same formula elsewhere: [dropblock#24](https://github.com/miguelvr/dropblock/issues/24), "
        "[vision#5416](https://github.com/pytorch/vision/pull/5416).",
    ),
)
