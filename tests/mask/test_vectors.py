"""The committed known answers are what an independent implementation says, and what the library gives."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.mask import independent
from tests.vectors import PATH, cases
from thinned.errors import RateError
from thinned.mask import keep, normal, site_id, threshold, uniform
from thinned.mask.address import Address
from thinned.mask.philox import philox4x32
from thinned.mask.rate import scale
from thinned.mask.sharing import layout
from thinned.mask.truth import words

NORMAL_TOLERANCE = 2**-20
"""Of the radius: SPEC.md, section 8.3."""


class TestTheFile:
    """`vectors.txt` and the program that prints it."""

    def test_is_what_the_independent_implementation_prints(self):
        """Nobody has edited an answer by hand, and the program has not moved on without the file."""
        assert independent.document().encode() == PATH.read_bytes()

    def test_independent_implementation_imports_nothing_of_ours(self):
        """Agreement is evidence only while the two share no code and no library."""
        source = Path(independent.__file__).read_text(encoding="utf-8")

        assert "import numpy" not in source
        assert "import thinned" not in source
        assert "from thinned" not in source


class TestTheLibrary:
    """`thinned.mask` reproduces every line."""

    @pytest.mark.parametrize("case", cases("philox"))
    def test_philox(self, case):
        """The generator is Random123's Philox4x32-10."""
        counter, key = (
            [int(word, 16) for word in case.given[name].split(",")] for name in ("counter", "key")
        )

        assert case.answer == [f"{word:08x}" for word in philox4x32(counter, key)]

    @pytest.mark.parametrize("case", cases("site"))
    def test_site(self, case):
        """A name becomes the first four bytes of its SHA-256."""
        assert case.answer == [f"{site_id(case.given['text'][1:-1]):08x}"]

    @pytest.mark.parametrize("case", cases("threshold"))
    @pytest.mark.parametrize("wide", [False, True], ids=["plain", "wide"])
    def test_threshold(self, case, wide):
        """A constant rate becomes T, or is refused."""
        expected = case.answer[wide]

        if expected == "error":
            with pytest.raises(RateError):
                threshold(case.rate, wide=wide)
        else:
            assert int(expected) == threshold(case.rate, wide=wide)

    @pytest.mark.parametrize("case", cases("scale"))
    def test_scale(self, case):
        """The scale is the same bits in float64, and in float32 after one rounding."""
        factor = scale(int(case.given["T"]))

        assert case.answer == [struct.pack(">d", factor).hex(), np.float32(factor).tobytes()[::-1].hex()]

    @pytest.mark.parametrize("case", cases("keep"))
    def test_keep(self, case):
        """Masks at every edge of address, element, rate, sharing and window."""
        mask = keep(case.shape, case.rate, **case.where)

        assert "".join(case.answer) == "".join(str(int(bit)) for bit in mask.reshape(-1))

    @pytest.mark.parametrize("case", cases("half"))
    def test_uniform(self, case):
        """A uniform is its half-word and a half, over 65536, exactly."""
        expected = [(int(half, 16) + 0.5) / 65536 for half in case.answer]

        assert expected == uniform(case.shape, **case.where).tolist()

    @pytest.mark.parametrize("case", cases("wide"))
    def test_wide_words(self, case):
        """The wide variant reads whole words, four to a block."""
        elements = layout(case.shape, case.share, case.window, wide=True).elements()

        assert case.answer == [f"{word:08x}" for word in words(elements, Address(**case.address))]

    @pytest.mark.parametrize("case", cases("normal"))
    def test_normal(self, case):
        """Normal values lie within 2^-20 of their radius of the exact ones."""
        elements = layout(case.shape, case.share, case.window, wide=True).elements()
        first = words(elements - elements % 2, Address(**case.address))
        radius = np.sqrt(-2 * np.log((first + 1.0) / 2**32))
        error = np.abs(normal(case.shape, **case.where) - np.array(case.answer, float))

        assert (error <= NORMAL_TOLERANCE * radius).all()
