"""Embedding dropout: a look-up that drops word types."""

from typing import Any

from torch import Tensor, nn

from thinned.methods.embedding_dropout import rows_window
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._functional import thin
from thinned.torch._ticket import is_traced


class EmbeddingDropout(Drawing, nn.Embedding):
    """An embedding that zeroes whole rows of its matrix: a word is dropped wherever it occurs, or nowhere.

        y[i] = k[ids[i]] weight[ids[i]] / (1 - T / 65536),   T = round(65536 p)

    It equals a look-up in `thinned.torch.dropout(weight, p, share=1)`, and draws for the words of the batch alone:
    no masked matrix is made. All ranks of a bound model drop the same words.

    Args:
        *args: of `nn.Embedding`: num_embeddings, embedding_dim, padding_idx, ...
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step; may be set later. It is given by
            name, since the third argument in order is `padding_idx`.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: of `nn.Embedding`.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        TypeError: a rate in the place of `padding_idx`.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.EmbeddingDropout(100, 4, p=0.5)
        >>> y = layer(torch.tensor([3, 8, 3]))
        >>> torch.equal(y[0], y[2])
        True

    References:
        Gal, Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016,
        https://arxiv.org/abs/1512.05287; Merity, Keskar, Socher, "Regularizing and Optimizing LSTM Language
        Models", 2018, https://arxiv.org/abs/1708.02182.
    """

    p: Any

    def __init__(self, *args: Any, p: float | Schedule = 0.1, site: str | None = None, **kwargs: Any) -> None:
        if len(args) > 2 and isinstance(args[2], (float, Schedule)):
            raise TypeError(
                f"expected padding_idx, an index, after the sizes, as in nn.Embedding; got {args[2]!r}. A rate is "
                f"named: p={args[2]!r}."
            )
        super().__init__(*args, **kwargs)
        self.p = check_rate(p)
        check_site(site)
        self.site = site

    @classmethod
    def of(
        cls, embedding: nn.Embedding, p: float | Schedule = 0.1, *, site: str | None = None
    ) -> "EmbeddingDropout":
        """One that looks up in the very matrix of another embedding, as a tied decoder does.

        Args:
            embedding: whose weight and settings it has.
            p: probability of dropping.
            site: the name of its draws.

        Raises:
            TypeError: no embedding.
        """
        if not isinstance(embedding, nn.Embedding):
            raise TypeError(
                f"expected an nn.Embedding to look up in; got {type(embedding).__name__}. To make a new one, call "
                "EmbeddingDropout(num_embeddings, embedding_dim, p=...)."
            )
        names = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
        settings = {name: getattr(embedding, name) for name in names}
        size = embedding.num_embeddings, embedding.embedding_dim
        made = cls(*size, **settings, _weight=embedding.weight.detach(), p=p, site=site)
        made.weight = embedding.weight
        return made.train(embedding.training)

    def forward(self, input: Tensor) -> Tensor:
        """Look up, and in training drop."""
        found = super().forward(input)
        if not self.training or self.p == 0 or found.is_meta:  # of meta tensors no one knows the words
            return found
        address = self.address(found)
        rate = self.rate_at(self.p, address)
        ids: Any = input.detach().reshape(-1)
        if not is_traced(input, rate, *address):
            ids = ids.cpu().numpy()
        window = rows_window(self.num_embeddings, self.embedding_dim, ids)
        rows = found.reshape(-1, self.embedding_dim)
        return thin(rows, rate, address, (1,), window).reshape(found.shape)

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        return [("", (self.num_embeddings, 1))]

    def extra_repr(self) -> str:
        """PyTorch's, the rate, and the site where one was given."""
        return f"{super().extra_repr()}, p={self.p}" + ("" if self.site is None else f", site={self.site!r}")
