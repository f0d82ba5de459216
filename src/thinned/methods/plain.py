"""Numbers as users have them: NumPy's are as good as Python's."""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Python's number in the place of NumPy's; anything else as it is.

    Example:
        >>> plain(np.int64(3)), plain(np.float32(0.5)), plain(np.True_), plain("3")
        (3, 0.5, True, '3')
    """
    return value.item() if isinstance(value, np.generic) else value
