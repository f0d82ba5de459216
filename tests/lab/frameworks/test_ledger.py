"""No bit of a mask stays hidden, and no wrong one is overlooked."""

import hashlib

import numpy as np
import pytest

from thinned import mask
from thinned.errors import DtypeError
from thinned.lab.frameworks.ledger import Ledger, write_truth
from thinned.mask.rate import scale, threshold
from thinned.numpy import dropout

SHAPE, RATES, SEED = (4, 10), (0.2, 0.5), 3


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """Of two steps."""
    path = tmp_path_factory.mktemp("truth") / "masks.npy"
    assert [0, 1] == list(write_truth(path, SHAPE, RATES, 2, SEED))
    return np.load(path, mmap_mode="r")


def taps(step, dtype=np.float64, seed=SEED):
    """What a network of half-on units shows."""
    x = np.where(np.arange(40).reshape(SHAPE) % 2 == 0, 1.5, -0.0).astype(dtype)
    drops = enumerate(RATES)
    return [(x, dropout(x, rate, seed=seed, site=f"drop{k + 1}", step=step)) for k, rate in drops]


class TestLedger:
    """Checks in the network."""

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_the_laws_masks_have_no_mismatch_and_the_laws_chain(self, truth, dtype):
        """And the chain is SHA-256 over the packed bits, one mask after the other."""
        ledger = Ledger(truth, RATES, dtype)
        chain = bytes(32)
        for step in (0, 1):
            ledger.check(step, taps(step, dtype))
            for k, rate in enumerate(RATES):
                kept = mask.keep(SHAPE, rate, seed=SEED, site=f"drop{k + 1}", step=step)
                chain = hashlib.sha256(chain + np.packbits(kept).tobytes()).digest()

        assert (4, 160, 0) == (ledger.masks, ledger.elements, ledger.mismatches)
        assert chain.hex() == ledger.chain == ledger.expected

    def test_a_wrong_seed_is_found(self, truth):
        """Every element whose mask differs is counted, units that are off too."""
        ledger = Ledger(truth, RATES, "float64")
        ledger.check(0, taps(0, seed=SEED + 1))
        differ = sum(
            (
                mask.keep(SHAPE, rate, seed=SEED, site=site)
                != mask.keep(SHAPE, rate, seed=SEED + 1, site=site)
            ).sum()
            for site, rate in (("drop1", 0.2), ("drop2", 0.5))
        )

        assert differ == ledger.mismatches > 0
        assert ledger.chain != ledger.expected

    def test_a_last_bit_is_found(self, truth):
        """Though the masks, and so the chain, are the law's."""
        ledger = Ledger(truth, RATES, "float64")
        (x, y), second = taps(0)
        ledger.check(0, [(x, np.where(y > 0, np.nextafter(y, 9), y)), second])

        assert int((y > 0).sum()) == ledger.mismatches
        assert ledger.chain == ledger.expected

    def test_a_dropped_minus_zero_is_found(self, truth):
        """Multiplying by a mask gives -0 where the law gives +0."""
        ledger = Ledger(truth, RATES, "float64")
        (x, _), second = taps(0)
        kept = mask.keep(SHAPE, RATES[0], seed=SEED, site="drop1")
        ledger.check(0, [(x, x * kept * scale(threshold(RATES[0]))), second])

        assert ledger.mismatches == int((~kept & (x == 0)).sum()) > 0

    def test_another_precision_is_refused(self, truth):
        """A framework that computes in float32 what was asked in float64 would agree with nobody."""
        with pytest.raises(DtypeError, match="expected activations of float64 at drop1; got float32"):
            Ledger(truth, RATES, "float64").check(0, taps(0, np.float32))
