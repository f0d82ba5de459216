"""What a study varies itself: a user cannot set it too."""

from thinned.errors import ConfigurationError
from thinned.lab.scope import Scope


def varied(scope: Scope, *settings: str) -> None:
    """Refuse settings that the study gives every value in turn, so that none is silently passed over.

    Args:
        scope: with what the user asked for.
        settings: names of `Configuration`.

    Raises:
        ConfigurationError: the user asked for one of them.

    Example:
        >>> varied(Scope("quick", {"epochs": 3}), "rates")
    """
    asked = [name for name in settings if name in scope.asked]
    if asked:
        raise ConfigurationError(
            f"expected no value for {', '.join(asked)}, which this study varies itself; got "
            f"{', '.join(str(scope.asked[name]) for name in asked)}. Leave it out."
        )
