"""Studies with stacked trials: the same records, which say so, and the same resumption."""

from dataclasses import replace

import pytest

from thinned.errors import ConfigurationError
from thinned.lab import Study
from thinned.lab.records import Store, key_of

pytestmark = pytest.mark.long

SETTINGS = {"hidden": (8, 8), "epochs": 1, "batch": 700}


def study(folder, **changes):
    """Two seeds of two arms."""
    return Study("dropout", data="digits", out=folder, **({"seeds": 2, "settings": SETTINGS} | changes))


@pytest.fixture(scope="module")
def stacked(tmp_path_factory):
    """A folder in which four runs were trained as one cohort, and the study's result."""
    folder = tmp_path_factory.mktemp("stacked")
    return folder, study(folder, stacked="always", jobs=1).run()


class TestStudy:
    """`stacked=`."""

    def test_records_say_that_they_were_stacked(self, stacked):
        """With how many, and their key is not that of a run alone."""
        _, result = stacked

        assert [4] * 4 == [record.stacked["trials"] for record in result.records]
        assert all(record.key != record.trial_key for record in result.records)
        assert all(record.key == key_of(record.identity()) for record in result.records)

    def test_they_are_the_runs_that_the_study_needs(self, stacked):
        """So nothing is trained again, neither stacked nor alone."""
        folder, result = stacked
        again = study(folder, stacked="never")

        assert {trial.key for trial in again.trials()} == {record.trial_key for record in result.records}
        assert not again.missing()
        assert result.answer == again.run().answer

    def test_a_cohort_that_was_cut_short_loses_only_what_it_had_not_finished(self, stacked, tmp_path):
        """Three of four records: the fourth run is trained, and no other."""
        _, result = stacked
        store = Store(tmp_path / "records.jsonl")
        store.append(*result.records[:3])
        resumed = study(tmp_path, stacked="always", jobs=1).run()

        assert (1, 3) == (resumed.new, resumed.reused)
        assert [4, 4, 4, 1] == [record.stacked["trials"] for record in store.read().records]

    def test_a_line_reads_back(self, stacked):
        """And one of a run alone has no such field."""
        folder, result = stacked
        read = Store(folder / "records.jsonl").read().records

        assert {record.as_line() for record in result.records} == {record.as_line() for record in read}
        assert b"stacked" not in replace(read[0], stacked=None).as_line()

    def test_what_cannot_be_stacked_is_left_out_and_said(self, tmp_path):
        """`always` trains no run alone."""
        asked = study(tmp_path, stacked="always", settings={**SETTINGS, "measures": ("fit",)}, jobs=1)
        result = asked.run()

        assert result.new == 0
        assert ["it cannot be stacked with others"] * 4 == [failure.reason for failure in result.failures]

    def test_a_gpu_that_is_not_there_is_refused(self, tmp_path, monkeypatch):
        """Before anything is trained."""
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)

        with pytest.raises(ConfigurationError, match="GPU"):
            study(tmp_path, device="cuda")
