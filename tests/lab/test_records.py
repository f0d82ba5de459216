"""Records survive what kills their writers."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.lab.recorded import record
from thinned.errors import RecordError
from thinned.lab.records import Record, Store, key_of


class TestRecord:
    """One line."""

    def test_a_line_gives_the_record_back(self):
        """Nothing is lost on the way."""
        one = record("dropout", 3)

        assert one == Record.from_line(one.as_line())

    def test_a_line_is_one_line(self):
        """Whatever the texts in it hold."""
        one = replace(record("none", 0), machine={"platform": "a\nb\r\u2028", "processor": "\x00"})

        assert 1 == one.as_line().count(b"\n")
        assert one == Record.from_line(one.as_line())

    def test_the_key_is_the_contents(self):
        """Another seed, rate, law, data or version is another key; arm, machine and time are not in it."""
        one = record("dropout", 0)
        same = replace(one, arm="other", machine={}, duration_s=9.0, started="later", git=None)
        others = [
            replace(one, seed=1),
            replace(one, law=2),
            replace(one, trial=2),
            replace(one, configuration=one.configuration | {"lr": 0.1}),
            replace(one, data=one.data | {"digest": "f" * 16}),
            replace(one, versions=one.versions | {"torch": "9"}),
        ]

        assert one.key == key_of(same.identity())
        assert 7 == len({one.key, *(key_of(other.identity()) for other in others)})

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"{", "not a JSON document"),
            (b"\xff\xfe", "not a JSON document"),
            (b"[]", "expected an object, got list"),
            (b'{"key": "x"}', "without study, arm, seed"),
        ],
    )
    def test_what_is_not_a_record_says_why(self, line, reason):
        """In words that name the first thing wrong."""
        with pytest.raises(ValueError, match=reason):
            Record.from_line(line)

    def test_what_json_does_not_know(self):
        """NaN in a part that the key does not cover would come out again as no JSON."""
        one = record("dropout", 0)
        line = one.as_line().replace(b'"data":{', b'"data":{"note":NaN,')

        with pytest.raises(ValueError, match="holds NaN"):
            Record.from_line(line)

    def test_an_altered_configuration_is_seen(self):
        """Its key no longer belongs to it."""
        line = record("dropout", 0).as_line().replace(b'"seed":0', b'"seed":1')

        with pytest.raises(ValueError, match="does not belong to its content"):
            Record.from_line(line)


class TestStore:
    """Many lines."""

    def test_it_keeps_the_order_and_makes_its_folder(self, tmp_path):
        """What is appended last is read last."""
        store = Store(tmp_path / "deep" / "records.jsonl")
        written = [record(arm, seed) for seed in (2, 0, 1) for arm in ("none", "dropout")]
        for one in written:
            store.append(one)

        assert tuple(written) == store.read().records

    def test_a_reader_sees_what_came_since(self, tmp_path):
        """Whole lines are parsed once; what others append, and another file in its place, is seen all the same."""
        reader, writer = (Store(tmp_path / "records.jsonl") for _ in range(2))
        seen = []
        for seed in range(3):
            writer.append(record("none", seed))
            seen.append([each.seed for each in reader.read().records])
        writer.path.write_bytes(record("none", 7).as_line())
        shorter = [each.seed for each in reader.read().records]
        writer.path.unlink()

        assert [[0], [0, 1], [0, 1, 2]] == seen
        assert ([7], ()) == (shorter, reader.read().records)

    def test_no_file_is_no_records(self, tmp_path):
        """Not an error: nothing has run yet."""
        found = Store(tmp_path / "records.jsonl").read()

        assert ((), ()) == (found.records, found.damaged)

    @pytest.mark.parametrize("kept", [1, 0.25, 0.5, 0.75, -2])
    def test_a_torn_last_line_costs_only_itself(self, tmp_path, kept):
        """A reader skips it, and the next writer moves it aside, so that it is told no more."""
        store = Store(tmp_path / "records.jsonl")
        first, torn, last = record("none", 0), record("none", 1), record("none", 2)
        store.append(first)
        line = torn.as_line()
        cut = kept if isinstance(kept, int) else int(len(line) * kept)
        with store.path.open("ab") as file:
            file.write(line[:cut])
        before, moved, after = store.read(), store.append(last), store.read()

        assert ((first,), [2]) == (before.records, [damage.line for damage in before.damaged])
        assert ((first, last), ()) == (after.records, after.damaged)
        assert line[:cut] + b"\n" == store.torn.read_bytes()
        assert len(line[:cut]) == moved

    def test_a_torn_line_longer_than_a_block_is_moved_whole(self, tmp_path):
        """However far back it begins; and one that is the whole file."""
        for k, first in enumerate((record("none", 0).as_line(), b"")):
            store = Store(tmp_path / f"{k}.jsonl")
            tail = b"{" + b"x" * 200_000
            store.path.write_bytes(first + tail)

            assert len(tail) == store.append()
            assert (first, tail + b"\n") == (store.path.read_bytes(), store.torn.read_bytes())

    def test_a_line_that_lacks_only_its_newline_counts(self, tmp_path):
        """It is whole; the next line does not run into it."""
        store = Store(tmp_path / "records.jsonl")
        first, second = record("none", 0), record("none", 1)
        store.path.write_bytes(first.as_line().rstrip(b"\n"))

        assert 0 == store.append(second)
        assert (first, second) == store.read().records
        assert not store.torn.exists()

    def test_a_key_written_twice_counts_once(self, tmp_path):
        """The first writer wins."""
        store = Store(tmp_path / "records.jsonl")
        first = record("none", 0)
        store.append(first, replace(first, duration_s=99.0))

        assert (first,) == store.read().records

    def test_several_writers_tear_nothing(self, tmp_path):
        """Four processes, 25 records each, all 100 whole."""
        path = tmp_path / "records.jsonl"
        code = (
            "import sys; from pathlib import Path; from thinned.lab.records import Store\n"
            "from tests.lab.recorded import record\n"
            "for k in range(25): Store(Path(sys.argv[1])).append(record('none', 100 * int(sys.argv[2]) + k))"
        )
        writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(k)]) for k in range(4)]

        assert [0] * 4 == [writer.wait(timeout=60) for writer in writers]
        assert {100 * k + j for k in range(4) for j in range(25)} == {
            json.loads(line)["seed"] for line in path.read_text().splitlines()
        }

    def test_a_folder_that_is_a_file_is_told(self, tmp_path):
        """The error names the place and the way out."""
        (tmp_path / "file").touch()

        with pytest.raises(RecordError, match=r"can be written; got .* at .*records.jsonl.*--out"):
            Store(tmp_path / "file" / "records.jsonl").append(record("none", 0))

    def test_a_short_write_is_no_success(self, tmp_path, monkeypatch):
        """A full disk is an error, and leaves no torn line."""
        store, real = Store(tmp_path / "records.jsonl"), os.write
        store.append(record("none", 0))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:40]))
            with pytest.raises(RecordError, match="is the disk full"):
                store.append(record("none", 1))
        store.append(record("none", 2))

        assert [0, 2] == [one.seed for one in store.read().records]
        assert () == store.read().damaged
