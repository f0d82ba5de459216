"""Which of many recorded runs are meant."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from thinned.errors import ConfigurationError
from thinned.lab.records import Record

_AGO = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Runs by what they are; what is left empty admits all.

    Args:
        study: names of studies; `*` stands for any letters, `?` for one, as in the others.
        arm: names of arms.
        data: names of data.
        status: "finished", "diverged", or what else a record can say.
        seed: the seeds.
        since: the earliest moment at which a run may have started, with its time zone.

    Example:
        >>> Selection(arm=("drop*",)).admits_name("dropout", ("drop*",))
        True
    """

    study: tuple[str, ...] = ()
    arm: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    seed: frozenset[int] = frozenset()
    since: datetime | None = None

    def of(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """Those that are admitted, in the same order."""
        return tuple(record for record in records if self.admits(record))

    def admits(self, record: Record) -> bool:
        """Whether one is."""
        return (
            self.admits_name(record.study, self.study)
            and self.admits_name(record.arm, self.arm)
            and self.admits_name(record.data["name"], self.data)
            and self.admits_name(record.status, self.status)
            and (not self.seed or record.seed in self.seed)
            and (self.since is None or started(record) >= self.since)
        )

    @staticmethod
    def admits_name(name: str, patterns: Sequence[str]) -> bool:
        """Whether a name is one of those, or there are none."""
        return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def started(record: Record) -> datetime:
    """When a run began; a record without a time zone means UTC."""
    moment = datetime.fromisoformat(record.started)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def seeds(text: str) -> frozenset[int]:
    """Seeds separated by commas, with `-` between the first and the last of several.

    Raises:
        ConfigurationError: another text.

    Example:
        >>> sorted(seeds("7,0-2"))
        [0, 1, 2, 7]
    """
    found: set[int] = set()
    for part in text.split(","):
        if not (match := re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)):
            raise ConfigurationError(f"expected seeds such as 3, 0-9 or 0,2,7; got {text!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < first + 10**6:
            raise ConfigurationError(
                f"expected seeds from the smaller to the larger, at most a million; got {part.strip()!r}."
            )
        found.update(range(first, last + 1))
    return frozenset(found)


def since(text: str, now: datetime) -> datetime:
    """A moment: a date, a time in ISO 8601, or how long ago.

    Args:
        text: such as `2026-11-01`, `2026-11-01T12:00+01:00`, `30m`, `24h`, `7d` or `2w`; without a time zone it is
            that of `now`.
        now: with a time zone.

    Raises:
        ConfigurationError: another text.

    Example:
        >>> since("2d", datetime(2026, 11, 5, 12, tzinfo=UTC)).isoformat()
        '2026-11-03T12:00:00+00:00'
    """
    try:
        if match := re.fullmatch(r"(\d+)([mhdw])", text.strip()):
            return now - timedelta(**{_AGO[match[2]]: int(match[1])})
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"expected a date such as 2026-11-01, a time in ISO 8601, or an age such as 24h or 7d; got {text!r}."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
