"""What a study asks: a question, the arms that answer it, and how their records become an answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from thinned.lab.answer import Answer
from thinned.lab.configuration import Configuration
from thinned.lab.records import Record, canonical, counting, identity, key_of
from thinned.lab.scope import Scope, read_design
from thinned.lab.task import Settings

__all__ = ["Design", "Plan", "Question", "Scope"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a question is asked at one scope where the user says nothing else.

    Args:
        data: which data, by name.
        seeds: how many paired seeds the arms get.
        settings: changes to the default configuration.
        second: how many fresh seeds the arms of a second stage get; see `Question.second`.
    """

    data: str
    seeds: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    second: int = 0


QUICK = Plan("digits", 10, {"epochs": 100})
FULL = Plan("fashion-mnist", 5)
FULL_SCOPE = Scope("full")


@dataclass(frozen=True, slots=True)
class Question:
    """A question of data that arms, trained on the same seeds, can answer.

    Args:
        name: as the command line has it.
        asks: the question.
        how: the design, in a few sentences.
        refuted_by: which outcome would speak against the expected answer.
        arms: from a configuration and a scope to the configuration of each arm, the control first.
        answer: from the design and its records, by seed and arm, to the answer. It must have one for any records,
            none included.
        quick: how it is asked in a minute.
        full: how it is asked in earnest.
        second: arms that depend on what the first ones reached, such as each method at the rate that was best in
            validation. Given the design and the records of the first stage, it returns the arms of the second, or
            none where those records do not suffice. They are trained when the first stage is complete, on fresh
            seeds, which follow those of the first stage. None for one stage.
    """

    name: str
    asks: str
    how: str
    refuted_by: str
    arms: Callable[[Configuration, Scope], Mapping[str, Configuration]]
    answer: Callable[["Design", Sequence[Record]], Answer]
    quick: Plan = QUICK
    full: Plan = FULL
    second: "Callable[[Design, Sequence[Record]], Mapping[str, Configuration]] | None" = None

    def plan(self, scope: str) -> Plan:
        """That of a scope."""
        return self.quick if scope == "quick" else self.full


@dataclass(frozen=True, slots=True)
class Design:
    """A question with everything that its runs share; only arm and seed are left open.

    Args:
        question: what is asked.
        base: the configuration that the arms start from; of a question of the user's own, an `OwnBase`.
        digest: of the data.
        law: version of the mask law.
        trial: version of the training code.
        versions: of the packages; those that outcomes depend on count.
        scope: how much is asked.
    """

    question: Question
    base: Any
    digest: str
    law: int
    trial: int
    versions: Mapping[str, str]
    scope: Scope = FULL_SCOPE

    @classmethod
    def of(cls, record: Record, questions: Mapping[str, Question]) -> "Design":
        """The design that a record was made for.

        Raises:
            KeyError: its study is not among the questions.
        """
        base, scope = read_design(record.design, record.data)
        if isinstance(base, Configuration):
            question = questions[record.study]
        else:
            from thinned.lab.own_study import own_question

            question = own_question(base)
        return cls(question, base, record.digest, record.law, record.trial, record.versions, scope)

    def as_json(self) -> dict[str, Any]:
        """What a record says of its design: the base, the scope, and what the user changed."""
        more = {} if self.scope == "full" else {"scope": str(self.scope)}
        asked = {"asked": dict(self.scope.asked)} if self.scope.asked else {}
        base: dict[str, Any] = self.base.as_json()
        return base | more | asked

    @property
    def is_own(self) -> bool:
        """Whether the question is the user's own."""
        return not isinstance(self.base, Configuration)

    def arms(self) -> Mapping[str, Any]:
        """The configuration of each arm, the control first; see `all_arms`."""
        return self.question.arms(self.base, self.scope)

    def all_arms(self, records: Sequence[Record]) -> Mapping[str, Any]:
        """The same, with those of the second stage, once the records of the first say which they are."""
        if self.question.second is None:
            return self.arms()
        return dict(self.arms()) | dict(self.question.second(self, self.first(records)))

    def first(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """The records of the first stage, or of the only one."""
        return self._matching(records, self.arms())

    def key(self, configuration: Settings, seed: int) -> str:
        """The key that the record of a run has."""
        return key_of(
            identity(configuration.as_json(), seed, self.digest, self.law, self.trial, self.versions)
        )

    def select(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """The records that belong to this design, by seed and arm, under its own names of the arms.

        A run counts whoever asked for it first: the networks without dropout serve every rate. Where two arms are
        the same training, it is a run of both. A run that was trained both alone and stacked counts as the one
        alone.
        """
        known = list(records)
        return self._matching(known, self.all_arms(known))

    def answer(self, records: Iterable[Record]) -> Answer:
        """What the records of this design say."""
        return self.question.answer(self, self.select(records))

    def _matching(self, records: Sequence[Record], arms: Mapping[str, Settings]) -> tuple[Record, ...]:
        named: dict[str, list[str]] = {}
        for arm, configuration in arms.items():
            named.setdefault(canonical(configuration.as_json()), []).append(arm)
        order = {arm: k for k, arm in enumerate(arms)}
        design = self.as_json()
        found = [
            replace(record, arm=arm, study=self.question.name, design=design)
            for record in _once(record for record in records if self._shares(record))
            for arm in named.get(canonical(record.configuration), ())
        ]
        return tuple(sorted(found, key=lambda record: (record.seed, order[record.arm])))

    def _shares(self, record: Record) -> bool:
        """Whether a record was made from what all runs of this design are made from."""
        theirs = record.digest, record.law, record.trial, counting(record.versions)
        return theirs == (self.digest, self.law, self.trial, counting(self.versions))


def _once(records: Iterable[Record]) -> Iterable[Record]:
    """Each run once."""
    found: dict[str, Record] = {}
    for record in records:
        if record.stacked is None or record.trial_key not in found:
            found[record.trial_key] = record
    return found.values()
