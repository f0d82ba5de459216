"""`thinned mask`."""

import json

import pytest

from tests.cli.command import thinned
from thinned.mask import keep


class TestMask:
    """The law, printed."""

    def test_ones_are_kept(self):
        """A row of the last axis a line."""
        expected = keep((2, 8), 0.5, seed=0, site="fc1").astype(int)
        found = thinned("mask", "2,8", "0.5", "--seed", "0", "--site", "fc1")

        assert expected.tolist() == [list(map(int, line.split())) for line in found.out.splitlines()]

    def test_json_has_the_address_and_the_mask(self):
        """A site may be a number; shared axes have size 1."""
        found = json.loads(
            thinned("mask", "2,3,4", "0.1", "--site-id", "7", "--step", "3", "--share", "2", "--json").out
        )

        assert keep((2, 3, 4), 0.1, seed=0, site=7, step=3, share=2).astype(int).tolist() == found["keep"]
        assert (7, 3, [2, 3, 1], 6554) == (found["site"], found["step"], found["shape"], found["threshold"])

    def test_a_name_of_digits_is_a_name(self):
        """Layers of an `nn.Sequential` are called 0, 1, 2."""
        expected = keep((2, 8), 0.5, seed=0, site="2").astype(int).tolist()

        assert expected == json.loads(thinned("mask", "2,8", "0.5", "--site", "2", "--json").out)["keep"]
        assert thinned("mask", "2", "0.5", "--site", "2", "--site-id", "2").code == 2

    @pytest.mark.parametrize(
        "arguments",
        [(",".join(["1"] * 80), 0.5), ("1000000000000000000000,0", 0.5), ("2", 0.5, "--site", "\x07")],
    )
    def test_what_no_array_can_have(self, arguments):
        """Is a usage error with a sentence."""
        ended = thinned("mask", *arguments)

        assert 2 == ended.code
        assert "expected" in ended.err
        assert "Traceback" not in ended.err
