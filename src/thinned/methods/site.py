"""The places of a network where something is drawn: how they are named, and the table that lists them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from thinned.errors import AddressError, BindError
from thinned.mask.address import site_id


@dataclass(frozen=True, slots=True)
class Site:
    """One place of a model.

    Args:
        name: of the layer, as every framework has it.
        id: the site's number in the law, the first four bytes of the name's SHA-256.
        rate: probability of dropping.
        mask_shape: of the mask, 1 on shared axes; DropBlock's is that of its seeds, one for each place of a block,
            those across the border among them. An axis whose size is not known yet is None, and so is
            the whole where nothing is known.
    """

    name: str
    id: int
    rate: float
    mask_shape: tuple[int | None, ...] | None = None


class Sites(tuple[Site, ...]):
    """Sites in the order of the model; prints as a table.

    Example:
        >>> print(Sites([Site("fc1.drop", site_id("fc1.drop"), 0.5, (32, 256))]))
        name            site  rate  mask shape
        fc1.drop  1182880628   0.5  (32, 256)
    """

    __slots__ = ()

    def __str__(self) -> str:
        lines = [("name", "site", "rate", "mask shape")]
        lines += [(site.name, str(site.id), f"{site.rate:g}", _shape(site.mask_shape)) for site in self]
        name, number, rate = (max(len(line[column]) for line in lines) for column in range(3))
        return "\n".join(f"{a:<{name}}  {b:>{number}}  {c:>{rate}}  {d}".rstrip() for a, b, c, d in lines)


def use_name(name: str, count: int) -> str:
    """The site's name of a layer's `count`-th use, from 0, in one call of the model.

    Example:
        >>> use_name("encoder.drop", 0), use_name("encoder.drop", 2)
        ('encoder.drop', 'encoder.drop#2')
    """
    return f"{name}#{count}" if count else name


def part_name(name: str, part: str) -> str:
    """The site's name of one of several draws that a layer makes in a call.

    Example:
        >>> part_name("rnn.zoneout", "cell"), part_name("drop", "")
        ('rnn.zoneout/cell', 'drop')
    """
    return f"{name}/{part}" if part else name


_USE = re.compile(r"#\d+$")


def check_site(site: object) -> None:
    """Refuse what is no name of a site, or None.

    Raises:
        AddressError: not text.

    Example:
        >>> check_site(5)
        Traceback (most recent call last):
        thinned.errors.AddressError: expected a layer's site as a name; got 5 of type int.
    """
    if site is not None and not isinstance(site, str):
        raise AddressError(f"expected a layer's site as a name; got {site!r} of type {type(site).__name__}.")


def check_names(names: Iterable[str]) -> None:
    """Refuse sites that would draw alike: a name given twice, two names with one number, `name#k`.

    Raises:
        BindError: says which, and what to do.

    Example:
        >>> check_names(["drop1", "drop2"])
        >>> check_names(["drop1", "drop1"])
        Traceback (most recent call last):
        thinned.errors.BindError: expected a site of its own for each layer; got 'drop1' twice. ...
    """
    seen: dict[int, str] = {}
    for name in names:
        if _USE.search(name):
            raise BindError(
                f"expected sites whose names do not end like the k-th use of another, name#k; got {name!r}. Give "
                "the layer another site=..."
            )
        number = site_id(name)
        if number in seen:
            what = (
                f"{name!r} twice" if seen[number] == name else f"{seen[number]!r} and {name!r}, both {number}"
            )
            raise BindError(
                f"expected a site of its own for each layer; got {what}. Give one of the layers another site=..."
            )
        seen[number] = name


def _shape(shape: tuple[int | None, ...] | None) -> str:
    """`(32, 256)`, with `?` for what is not known."""
    if shape is None:
        return "?"
    return str(tuple(shape)).replace("None", "?")
