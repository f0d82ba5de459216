"""Embedding dropout: word types."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import thinned
import thinned.torch as tt
from tests.torch.truth import DTYPES, dropped, name, same
from thinned.mask import keep

WORDS, WIDTH, SEED = 50, 6, 2
IDS = torch.randint(WORDS, (4, 30), generator=torch.Generator().manual_seed(0))


def bound(p=0.5, batch=None, **arguments):
    """A model of one layer, whose site is `0`."""
    torch.manual_seed(1)
    return tt.bind(nn.Sequential(tt.EmbeddingDropout(WORDS, WIDTH, p=p, **arguments)), SEED, batch=batch)


class TestMask:
    """The law's for the matrix, a draw a row."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    def test_bits(self, dtype):
        """A look-up in the thinned matrix: outputs and gradients."""
        model = bound(dtype=dtype)
        weight = model[0].weight
        for step in range(3):
            where = {"share": 1, "seed": SEED, "site": "0", "step": step}
            y = model(IDS)
            assert same(dropped(weight, 0.5, **where)[IDS], y)

            gradient = torch.randn_like(y)
            (actual,) = torch.autograd.grad(y, weight, gradient)
            matrix = tt.dropout(weight, 0.5, **where)
            (expected,) = torch.autograd.grad(F.embedding(IDS, matrix), weight, gradient)
            # The sums over a word's occurrences are scaled before or after: two roundings apart a term.
            torch.testing.assert_close(expected, actual)

    def test_a_word_is_dropped_everywhere(self):
        """Wherever it stands in the batch, and in no place otherwise."""
        y = bound()(IDS)
        kept = torch.from_numpy(keep((WORDS, 1), 0.5, seed=SEED, site="0"))[:, 0]

        assert torch.equal(kept[IDS], (y != 0).all(-1))
        assert torch.equal(~kept[IDS], (y == 0).all(-1))

    def test_does_not_depend_on_the_batch(self):
        """All ranks drop the same words."""
        assert torch.equal(bound()(IDS), bound(batch=(0, 64, 32))(IDS))

    @pytest.mark.parametrize("shape", [(), (7,), (0,), (2, 0), (2, 3, 4)], ids=str)
    @pytest.mark.parametrize("dtype", [torch.int64, torch.int32], ids=name)
    def test_shapes(self, shape, dtype):
        """Of ids, which are of either type."""
        ids = torch.randint(WORDS, shape, dtype=dtype)
        table = dropped(bound()[0].weight, 0.5, share=1, seed=SEED, site="0")

        assert same(F.embedding(ids, table), bound()(ids))

    def test_traced_ids(self):
        """In lanes: one draw a word for all of them."""
        model, lanes = bound(), bound()

        assert torch.equal(model(IDS), torch.func.vmap(lanes)(IDS))

    @pytest.mark.parametrize("p", [0.0, 1.0])
    def test_certainties(self, p):
        """All or nothing, and so the gradient."""
        model = bound(p)
        y = model(IDS)
        y.sum().backward()

        assert torch.equal(y, F.embedding(IDS, model[0].weight) * (1 - p))
        assert torch.equal(model[0].weight.grad.sum(), torch.tensor(float(IDS.numel() * WIDTH * (1 - p))))


class TestEmbedding:
    """It is an `nn.Embedding`."""

    def test_arguments(self):
        """PyTorch's, by place and by name."""
        layer = tt.EmbeddingDropout(WORDS, WIDTH, 3, max_norm=1.0, p=0.25)

        assert (3, 1.0, 0.25) == (layer.padding_idx, layer.max_norm, layer.p)
        assert repr(layer) == "EmbeddingDropout(50, 6, padding_idx=3, max_norm=1.0, p=0.25)"
        assert isinstance(tt.EmbeddingDropout.from_pretrained(torch.ones(3, 4)), tt.EmbeddingDropout)

    def test_of_another(self):
        """Has its very weight and its settings; the state's keys are the same."""
        embedding = nn.Embedding(WORDS, WIDTH, padding_idx=0, sparse=True).eval()
        layer = tt.EmbeddingDropout.of(embedding, 0.3, site="words")

        assert layer.weight is embedding.weight
        assert (0, True, 0.3, "words", False) == (
            layer.padding_idx, layer.sparse, layer.p, layer.site, layer.training,
        )  # fmt: skip
        assert embedding.state_dict().keys() == layer.state_dict().keys()

    def test_sparse_gradients(self):
        """Stay sparse, with rows for the words of the batch alone."""
        model = bound(sparse=True)
        model(IDS).sum().backward()
        gradient = model[0].weight.grad

        assert gradient.is_sparse
        assert set(gradient.coalesce().indices()[0].tolist()) == set(IDS.flatten().tolist())

    def test_saves_no_matrix(self):
        """For backward there are ids and an address; no tensor with the matrix's rows."""
        sizes = []

        def pack(tensor):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            bound()(IDS[:1])
        assert sizes == [IDS[:1].numel()]

    def test_sites(self):
        """The mask is the matrix's."""
        (line,) = thinned.sites(bound(), IDS)

        assert (WORDS, 1) == line.mask_shape

    def test_a_word_that_is_not_there(self):
        """PyTorch's own error."""
        with pytest.raises(IndexError, match="index out of range"):
            bound()(torch.tensor([WORDS]))

    def test_of_what_is_no_embedding(self):
        """Says what to do."""
        with pytest.raises(TypeError, match=r"got Linear\. To make a new one"):
            tt.EmbeddingDropout.of(nn.Linear(2, 2))

    def test_meta(self):
        """A model may be laid out without memory."""
        layer = tt.EmbeddingDropout(WORDS, WIDTH, p=0.5, device="meta")

        assert layer(IDS.to("meta")).shape == (*IDS.shape, WIDTH)
