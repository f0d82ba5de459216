"""How threads share pieces of work."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinned.kernels.memory import PIECES, claim


class Threads:
    """Some threads, simulated: each claims a piece when it is its turn."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.taken = []
        self._word = ctypes.c_int64(0)
        self._last = {}

    def claim(self, thread):
        """The next piece of a thread, or None."""
        piece = claim(ctypes.addressof(self._word), self.pieces, self._last.get(thread, -1))
        if piece >= self.pieces:
            return None
        self._last[thread] = piece
        self.taken.append(piece)
        return piece


class TestClaim:
    """A word that threads share."""

    @given(pieces=st.integers(0, 130), turns=st.lists(st.integers(0, 200), max_size=400))
    def test_each_piece_is_taken_once(self, pieces, turns):
        """By whichever threads, in whichever order, up to more threads and pieces than the word has bits for."""
        threads = Threads(pieces)
        for thread in turns:
            threads.claim(thread)
        while threads.claim("the last") is not None:
            pass

        assert sorted(threads.taken) == list(range(pieces))

    @given(pieces=st.integers(0, 130), late=st.integers(0, 200))
    def test_who_comes_late_finds_nothing(self, pieces, late):
        """However many come."""
        threads = Threads(pieces)
        while threads.claim("one") is not None:
            pass

        assert [threads.claim(thread) for thread in range(late)] == [None] * late

    @pytest.mark.parametrize("count", [1, 2, 3, 14])
    def test_each_begins_at_its_own_stretch(self, count):
        """And has it for itself where all are as fast."""
        threads = Threads(PIECES * count)
        turns = [[threads.claim(thread) for thread in range(count)] for _ in range(PIECES)]

        assert turns == [[PIECES * thread + turn for thread in range(count)] for turn in range(PIECES)]

    def test_helps_when_its_own_are_done(self):
        """The second thread takes what the first has left."""
        threads = Threads(2 * PIECES)
        first = [threads.claim("slow") for _ in range(2)]
        then = [threads.claim("fast") for _ in range(2 * PIECES - 2)]

        assert (first, then) == ([0, 1], [4, 5, 6, 7, 2, 3])
