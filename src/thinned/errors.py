"""Every error that `thinned` raises on purpose.

    ThinnedError
    ├── RateError(ValueError)        a rate outside [0, 1], NaN, or too close to 0 or 1 to be told from it
    ├── AddressError(ValueError)     a seed, site, step or draw that its coordinate cannot hold
    ├── ShareError(ValueError)       an axis that does not exist, or is named twice
    ├── WindowError(ValueError)      a window that does not lie in its global shape
    ├── ShapeError(ValueError)       an array whose axes, or a block whose sizes, a method cannot use
    ├── DtypeError(TypeError)        an array whose dtype no kernel can drop from
    ├── BindError(RuntimeError)      a bound layer whose address cannot be known
    ├── ConvertError(ValueError)     a pattern or a template that no layer of a model can be swapped by
    ├── SubjectError(ValueError)     an implementation that cannot be verified as it is stated
    ├── AuditError(ValueError)       a model that cannot be audited as it is, with this input
    ├── ConfigurationError(ValueError)   settings, seeds or a name that no study can have
    ├── DataError(ValueError)        data that is absent, altered, or of the wrong shape
    ├── RecordError(RuntimeError)    a store of results that cannot be written or read
    └── MissingExtraError(ImportError)   an optional dependency that is not installed

Each message says what was expected, what came, where, and what to do.
Each is also the built-in that a caller would think of first, so `except ValueError` works.
"""

__all__ = [
    "AddressError",
    "AuditError",
    "BindError",
    "ConfigurationError",
    "ConvertError",
    "DataError",
    "DtypeError",
    "MissingExtraError",
    "RateError",
    "RecordError",
    "ShapeError",
    "ShareError",
    "SubjectError",
    "ThinnedError",
    "WindowError",
]


class ThinnedError(Exception):
    """The root of the tree: catches everything that this library raises on purpose."""


class RateError(ThinnedError, ValueError):
    """A rate that no threshold of the law stands for."""


class AddressError(ThinnedError, ValueError):
    """A coordinate of an address outside its width, or of the wrong type."""


class ShareError(ThinnedError, ValueError):
    """Shared axes that do not fit the array."""


class WindowError(ThinnedError, ValueError):
    """A window that does not place the array in its global shape."""


class ShapeError(ThinnedError, ValueError):
    """An array whose axes a method cannot use, or a block whose sizes it cannot."""


class DtypeError(ThinnedError, TypeError):
    """An array whose dtype cannot be dropped from."""


class BindError(ThinnedError, RuntimeError):
    """A bound layer was asked for a draw whose address cannot be known."""


class ConvertError(ThinnedError, ValueError):
    """A pattern that matches nothing that can be swapped, or a template that nothing can be swapped by."""


class SubjectError(ThinnedError, ValueError):
    """An implementation to verify that cannot be called as it is stated."""


class AuditError(ThinnedError, ValueError):
    """A model that cannot be called with its example input, or settings that no audit can have."""


class ConfigurationError(ThinnedError, ValueError):
    """Settings, seeds or a name that no study can have."""


class DataError(ThinnedError, ValueError):
    """Data that is absent, altered, or of a shape that no study can use."""


class RecordError(ThinnedError, RuntimeError):
    """A store of results that cannot be written to or read from."""


class MissingExtraError(ThinnedError, ImportError):
    """An optional dependency that is not installed; the message names the extra."""
