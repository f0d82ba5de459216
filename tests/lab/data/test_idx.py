"""IDX: what the header promises is what the file holds."""

import gzip

import numpy as np
import pytest

from thinned.errors import DataError
from thinned.lab.data.idx import parse, unpack

HEADER = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
BODY = bytes(range(6))


class TestUnpack:
    """`unpack`: gzipped IDX to an array."""

    def test_shape_and_order_come_from_the_header(self) -> None:
        """The body is read in row-major order into the header's shape."""
        found = unpack(gzip.compress(HEADER + BODY), "a.gz", axes=2)

        assert [[0, 1, 2], [3, 4, 5]] == found.tolist()
        assert np.uint8 == found.dtype

    @pytest.mark.parametrize("cut", [1, 10, 20], ids="{}-bytes-short".format)
    def test_a_cut_archive_is_refused(self, cut: int) -> None:
        """Gzip notices a missing tail, and the error names the archive."""
        with pytest.raises(DataError, match=r"whole gzip archive; got .* in a\.gz"):
            unpack(gzip.compress(HEADER + BODY)[:-cut], "a.gz", axes=2)

    def test_what_is_not_gzip_is_refused(self) -> None:
        """A web page in place of an archive is named as such a thing."""
        with pytest.raises(DataError, match="whole gzip archive"):
            unpack(b"<html>Not found</html>", "a.gz", axes=2)

    def test_a_damaged_stream_is_refused(self) -> None:
        """A changed byte in the compressed stream is an error of this library, not of zlib."""
        content = bytearray(gzip.compress(HEADER + BODY))
        content[10] ^= 0xFF

        with pytest.raises(DataError, match="whole gzip archive"):
            unpack(bytes(content), "a.gz", axes=2)


class TestParse:
    """`parse`: each part of the header is checked."""

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            pytest.param(b"", "nothing", id="empty"),
            pytest.param(b"\x01" + HEADER[1:] + BODY, "01000802", id="first-byte"),
            pytest.param(b"\x00\x00\x0d" + HEADER[3:] + BODY, "00000d02", id="floats"),
            pytest.param(b"\x00\x00\x08\x01" + HEADER[4:] + BODY, "00000801", id="one-axis"),
        ],
    )
    def test_another_magic_number_is_refused(self, content: bytes, found: str) -> None:
        """The error shows the expected and the found magic number."""
        with pytest.raises(DataError, match=rf"magic number 00000802 .*; got {found} at the start of a"):
            parse(content, "a", axes=2)

    def test_a_cut_header_is_refused(self) -> None:
        """A header that ends within its sizes is not read as zeros."""
        with pytest.raises(DataError, match="header of 12 bytes; got 9"):
            parse(HEADER[:9], "a", axes=2)

    @pytest.mark.parametrize(("body", "found"), [(BODY[:-1], 5), (BODY + b"x", 7)], ids=["short", "long"])
    def test_a_body_of_another_length_is_refused(self, body: bytes, found: int) -> None:
        """Neither a missing nor an additional byte is tolerated."""
        with pytest.raises(DataError, match=rf"expected 6 bytes .*\(2, 3\); got {found}"):
            parse(HEADER + body, "a", axes=2)
