"""What a study asks, and which runs it needs for an answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from thinned.lab.comparison import Comparison, compare
from thinned.lab.configuration import Configuration
from thinned.lab.records import Record, identity, key_of


@dataclass(frozen=True, slots=True)
class Question:
    """A question of data that two arms, trained in pairs, can answer.

    Args:
        name: as the command line has it.
        asks: the question.
        how: the design, in a few sentences.
        refuted_by: which outcome would speak against the expected answer.
        control: name of the arm that the other is compared with.
        treated: name of the other arm.
        arms: from a configuration to that of each arm.
        sentence: the answer in one sentence with figures, given the comparison and the name of the data.
    """

    name: str
    asks: str
    how: str
    refuted_by: str
    control: str
    treated: str
    arms: Callable[[Configuration], Mapping[str, Configuration]]
    sentence: Callable[[Comparison, str], str]


@dataclass(frozen=True, slots=True)
class Design:
    """A question with everything that its runs share; only arm and seed are left open.

    Args:
        question: what is asked.
        base: the configuration that the arms start from.
        digest: of the data.
        law: version of the mask law.
        trial: version of the training code.
        versions: of the packages; those that outcomes depend on count.
    """

    question: Question
    base: Configuration
    digest: str
    law: int
    trial: int
    versions: Mapping[str, str]

    @classmethod
    def of(cls, record: Record, questions: Mapping[str, Question]) -> "Design":
        """The design that a record was made for.

        Raises:
            KeyError: its study is not among the questions.
        """
        base = Configuration.from_json(record.design)
        digest = record.data["digest"]
        return cls(questions[record.study], base, digest, record.law, record.trial, record.versions)

    def arms(self) -> Mapping[str, Configuration]:
        """The configuration of each arm, the control first."""
        return self.question.arms(self.base)

    def key(self, arm: str, seed: int) -> str:
        """The key that the record of a run has."""
        return key_of(self._identity(self.arms()[arm].as_json(), seed))

    def select(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """The records that belong to this design, by seed and arm, under its own names of the arms.

        A run counts whoever asked for it first: the networks without dropout serve every rate.
        """
        arms = list(self.arms())
        found = [
            replace(record, arm=arm, study=self.question.name, design=self.base.as_json())
            for record in records
            for arm in arms
            if record.key == self.key(arm, record.seed)
        ]
        return tuple(sorted(found, key=lambda record: (record.seed, arms.index(record.arm))))

    def compare(self, records: Iterable[Record]) -> Comparison:
        """The two arms of this design, compared by seed."""
        return compare(self.select(records), self.question.control, self.question.treated)

    def _identity(self, configuration: Mapping[str, Any], seed: int) -> dict[str, Any]:
        return identity(configuration, seed, self.digest, self.law, self.trial, self.versions)
