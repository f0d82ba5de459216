"""Uniform dropout: every activation times a uniform draw of mean 1."""

from thinned.methods import uniform_dropout
from thinned.methods.schedule import Schedule
from thinned.torch.layers.law import LawLayer


class UniformDropout(LawLayer):
    """Multiply each element by a uniform draw of mean 1 in training, with the variance of dropout at rate `p`.

        y = x (1 + w (2 u - 1)),   w = sqrt(3 q / (1 - q))

    `q = T / 65536` is the quantised rate: at 1/4 this is `y = 2 u x`, and above it factors may be negative. In a
    bound model `u` is `thinned.mask.uniform(x.shape, seed=seed, site=name, step=step)`. Evaluation is the identity,
    which is the expectation. At p = 1, where the variance has no limit, nothing is left.

    Args:
        p: of the dropout with this variance, 0 <= p <= 1, or a schedule of the step; may be set later.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.

    Example:
        >>> import torch, thinned.torch
        >>> y = thinned.torch.UniformDropout(0.25)(torch.ones(1000))
        >>> bool((y > 0).all() and (y < 2).all())
        True

    References:
        Shen, Tian, Liu, Xu, Tao, "Continuous Dropout", 2018, https://arxiv.org/abs/1911.12675. We differ: the paper
        masks with u on (0, 1) and halves weights for tests; here the mean is 1, and the width follows the rate.
    """

    law = uniform_dropout.LAW

    def __init__(self, p: float | Schedule = 0.25, *, site: str | None = None) -> None:
        super().__init__(p, site=site)
