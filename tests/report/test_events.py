"""TensorBoard's files, read back by TensorBoard."""

import math
import sys
import types
from dataclasses import replace

import pytest

from tests.lab.recorded import DATA, pairs, record
from thinned.errors import RecordError
from thinned.report.events import SESSION, write

# TensorBoard reads through all of TensorFlow where it finds it, unless a module of this name is there.
sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))

accumulator = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_accumulator")
data = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")

RUNS = [*pairs((0.5, 0.6)), record("none", 1, status="diverged")]


def read(path):
    """What TensorBoard finds in a run's folder."""
    found = accumulator.EventAccumulator(str(path.parent))
    found.Reload()
    return found


def scalars(found, tag):
    """Steps and values of one."""
    return [(each.step, round(float(each.tensor_proto.float_val[0]), 6)) for each in found.Tensors(tag)]


class TestWrite:
    """One file a run."""

    def test_scalars_are_those_of_the_record(self, tmp_path):
        """By epoch, and what the trained network reached."""
        run = RUNS[1]
        found = read(write(RUNS, tmp_path)[1])

        assert [(k + 1, round(run.epochs[k]["test_loss"], 6)) for k in (0, 1)] == scalars(found, "test_loss")
        assert [(2, round(run.final["gap"], 6))] == scalars(found, "final/gap")

    def test_settings_are_on_the_page_of_hyperparameters(self, tmp_path):
        """As numbers where they are some."""
        found = read(write(RUNS, tmp_path)[1])
        content = data.HParamsPluginData.FromString(found.SummaryMetadata(SESSION).plugin_data.content)
        settings = content.session_start_info.hparams

        assert ("dropout", 0.2, 0.5) == (
            settings["arm"].string_value, settings["rate_1"].number_value, settings["rate_2"].number_value
        )  # fmt: skip

    def test_settings_of_the_users_own(self, tmp_path):
        """By the names that their factory has for them."""
        own = {"task": "own", "settings": {"rate": 0.5}, "epochs": 2, "batch": 8, "code": "0" * 16}
        found = read(write([replace(RUNS[0], configuration=own)], tmp_path)[0])
        content = data.HParamsPluginData.FromString(found.SummaryMetadata(SESSION).plugin_data.content)

        assert 0.5 == content.session_start_info.hparams["settings.rate"].number_value

    def test_a_run_that_diverged_has_its_epochs(self, tmp_path):
        """And nothing at the end."""
        found = read(write(RUNS, tmp_path)[2])

        assert 1 == len(scalars(found, "train_loss"))
        assert not [tag for tag in found.Tags()["tensors"] if tag.startswith("final/")]

    def test_again_they_are_the_same_bytes(self, tmp_path):
        """No file is added to, and none appears beside it."""
        before = {path: path.read_bytes() for path in write(RUNS, tmp_path)}
        after = {path: path.read_bytes() for path in write(RUNS, tmp_path)}

        assert before == after
        assert sorted(before) == sorted(path for path in tmp_path.rglob("*") if path.is_file())

    def test_time_is_that_of_the_run(self, tmp_path):
        """From its start to its end."""
        times = [each.wall_time for each in read(write(RUNS[:1], tmp_path)[0]).Tensors("train_loss")]

        assert math.isclose(RUNS[0].duration_s / 2, times[1] - times[0], abs_tol=1e-3)

    def test_a_name_leads_nowhere_else(self, tmp_path):
        """Whoever writes a record does not choose where files go."""
        odd = replace(record("none", 0, data=DATA | {"name": "/etc/passwd"}), arm="../../../up")
        (path,) = write([odd], tmp_path / "in")

        assert path.resolve().is_relative_to(tmp_path / "in")

    def test_a_place_that_cannot_be_written_to_is_told(self, tmp_path):
        """By name."""
        (tmp_path / "file").touch()

        with pytest.raises(RecordError, match=r"can be written to"):
            write(RUNS, tmp_path / "file")
