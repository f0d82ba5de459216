"""Whatever a line holds, reading it gives a record that every reader can use, or a reason."""

import copy
import json
import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.recorded import pairs, record
from thinned.lab.fields import FIELDS
from thinned.lab.records import Record, Store, identity, key_of
from thinned.report import gather, render

GOOD = asdict(record("dropout", 1, 0.7))


def altered(path, value):
    """A line whose value at a path is another, under the key that belongs to the altered content."""
    content = copy.deepcopy(GOOD)
    *above, last = path
    place = content
    for step in above:
        place = place[step]
    place[last] = value
    try:
        names = ("configuration", "seed", "law", "trial", "versions")
        asked = {name: content[name] for name in names} | {"digest": content["data"]["digest"]}
        content["key"] = content["key"] if path == ("key",) else key_of(identity(**asked))
    except (TypeError, KeyError, ValueError):
        pass  # no key belongs to it; then the one that is there must not save it
    return json.dumps(content).encode()


def places(value, path=()):
    """The path of every value in a document, the document's own apart."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in steps:
        yield (*path, step)
        yield from places(below, (*path, step))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


class TestFields:
    """One value that is wrong."""

    def test_every_field_has_a_check(self):
        """And no check is of a field that does not exist."""
        assert set(GOOD) - {"stacked"} == set(FIELDS)  # that one may be absent

    @pytest.mark.parametrize(
        ("path", "value", "reason"),
        [
            (("key",), 7, "key: expected 16 hexadecimal digits, got 7"),
            (("study",), ["dropout"], r"study: expected a text, got \['dropout'\]"),
            (("arm",), "\x1b[2J", "arm: expected a name in printable letters"),
            (("seed",), "1", "seed: expected an integer from 0 to .*, got '1'"),
            (("seed",), True, "seed: expected an integer .*, got True"),
            (("seed",), 2**64, "seed: expected an integer from 0 to 18446744073709551615"),
            (("configuration",), None, "configuration: expected an object, got None"),
            (("configuration", "hidden"), 32, "configuration: expected a sequence for hidden; got 32"),
            (("configuration", "hidden", 0), "a", "configuration: expected an integer for width; got 'a'"),
            (("configuration", "rates", 0), "0.2", "configuration: expected a number for rate; got '0.2'"),
            (("configuration", "rates", 0), 7.5, "configuration: expected a rate in"),
            (("configuration", "batch"), 1.5, "configuration: expected an integer for batch; got 1.5"),
            (("design", "lr"), math.nan, "design: expected a positive, finite learning rate; got nan"),
            (("data", "train_examples"), -1, r"data.train_examples: expected an integer from 1 .*, got -1"),
            (("data",), {}, "data: expected an object with name, .*, got none of name name"),
            (("status",), "perhaps", "status: expected finished or diverged, got 'perhaps'"),
            (("status",), "diverged", "final: expected nothing of a run that diverged"),
            (("epochs",), {}, "epochs: expected a list, got {}"),
            (("epochs",), GOOD["epochs"][:1], "epochs: expected 2 of a run that finished, got 1"),
            (("epochs", 1, "epoch"), 1, r"epochs\[1\].epoch: expected an integer from 2 to 2, got 1"),
            (("epochs", 1, "test_loss"), math.nan, r"epochs\[1\].test_loss: expected a number .*, got nan"),
            (("epochs", 0, "train_accuracy"), 1.1, r"epochs\[0\].train_accuracy: .* from 0 to 1, got 1.1"),
            (("final",), {}, "final: expected an object with train_loss, .*, got none of name train_loss"),
            (("final", "test_loss"), math.inf, "final.test_loss: expected a number .*, got inf"),
            (("final", "gap"), None, "final.gap: expected a number from -1 to 1, got None"),
            (("versions", "torch"), 2, "versions.torch: expected a text, got 2"),
            (("machine", "platform"), "\ud800", "machine.platform: expected a text that UTF-8 can write"),
            (("git",), {"commit": 1, "altered": False}, "git.commit: expected a text, got 1"),
            (("started",), "yesterday", "started: expected a time in ISO 8601, got 'yesterday'"),
            (("duration_s",), "1.5", "duration_s: expected a number .*, got '1.5'"),
        ],
        ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
    )
    def test_it_is_named_with_what_was_expected_and_what_came(self, path, value, reason):
        """Though the key belongs to the content."""
        with pytest.raises(ValueError, match=f"^{reason}"):
            Record.from_line(altered(path, value))

    @pytest.mark.parametrize("line", [b"[" * 100_000, b'{"seed": ' + b"9" * 5000 + b"}"])
    def test_what_no_parser_takes_is_no_document(self, line):
        """Too deep, or a number too long."""
        with pytest.raises(ValueError, match="not a JSON document"):
            Record.from_line(line)

    def test_a_record_without_a_commit_counts(self):
        """A repository may have none yet."""
        line = altered(("git",), {"commit": None, "altered": True})

        assert Record.from_line(line).git == {"commit": None, "altered": True}


class TestReaders:
    """What reading lets through."""

    @given(path=st.sampled_from(sorted(places(GOOD), key=str)), value=VALUES)
    def test_the_page_can_be_made_of_it(self, tmp_path_factory, path, value):
        """One altered line among good ones: it counts or it is told, and the others are not lost."""
        store = Store(tmp_path_factory.mktemp("store") / "records.jsonl")
        others = [each for each in pairs((0.5, 0.6), (0.5, 0.7), (0.6, 0.7)) if each.key != GOOD["key"]]
        lines = [each.as_line() for each in others]
        store.path.write_bytes(b"".join(lines) + altered(path, value) + b"\n")
        contents = store.read()
        facts = gather(contents)

        assert others == list(contents.records)[:5]
        assert 6 == len(contents.records) + len(contents.damaged)
        assert "</html>" in render(facts)
