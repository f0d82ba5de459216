"""Locked dropout: where time is, and windows that would split it."""

import pytest

from thinned.errors import BindError, ShareError
from thinned.methods.locked_dropout import check_window, time_axis


class TestTimeAxis:
    """`time_axis`."""

    @pytest.mark.parametrize(
        ("axes", "batch_first", "expected"),
        [(3, False, 0), (3, True, 1), (4, True, 1), (2, False, 0), (2, True, 0)],
    )
    def test_is_that_of_recurrent_layers(self, axes, batch_first, expected):
        """As `nn.LSTM` reads shapes, with and without a batch."""
        assert expected == time_axis(axes, batch_first)

    @pytest.mark.parametrize("batch_first", [False, True])
    def test_refuses_what_has_no_time(self, batch_first):
        """One axis may be anything."""
        with pytest.raises(ShareError, match="expected a sequence"):
            time_axis(1, batch_first)


class TestCheckWindow:
    """`check_window`."""

    @pytest.mark.parametrize("window", [None, ((5, 8, 3), (0, 4, 0)), ((5, 4, 3), (0, 0, 0))])
    def test_accepts_whole_sequences(self, window):
        """No window, part of a batch, all of it."""
        check_window((5, 4, 3), window, time=0)

    def test_refuses_to_split_time(self):
        """Ranks would have one mask for other samples."""
        with pytest.raises(BindError, match="batch_first=True where the batch does"):
            check_window((5, 4, 3), ((10, 4, 3), (5, 0, 0)), time=0)
