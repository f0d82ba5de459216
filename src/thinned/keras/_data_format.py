"""Where Keras' arrays have their channels."""

import keras


def checked_format(data_format: str | None) -> str:
    """One of Keras' two words; its setting, by default.

    Raises:
        ValueError: another.

    Example:
        >>> checked_format("channels_first")
        'channels_first'
    """
    found = keras.config.image_data_format() if data_format is None else data_format
    if found not in {"channels_last", "channels_first"}:
        raise ValueError(f"expected data_format as 'channels_last' or 'channels_first'; got {data_format!r}.")
    return str(found)


def channel_axis(data_format: str) -> int:
    """Of an array in this format.

    Example:
        >>> channel_axis("channels_last")
        -1
    """
    return 1 if data_format == "channels_first" else -1
