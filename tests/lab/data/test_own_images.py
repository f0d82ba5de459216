"""Images of the user's own: folders by class, read as they are or refused with the file's name."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from thinned.errors import DataError
from thinned.lab.data import load


def write(path: Path, value: int = 0, shape: tuple[int, ...] = (4, 3), mode: str | None = None) -> None:
    """An image whose pixels all have one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels: npt.NDArray[np.uint8] = np.full(shape, value, np.uint8)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


def classes(root: Path, names: str = "ab", count: int = 5) -> Path:
    """A folder with `count` grey images of each class, whose pixels are 0, 1, 2, ..."""
    for name in names:
        for value in range(count):
            write(root / name / f"{value}.png", value)
    return root


class TestAccepted:
    """Folders that load."""

    def test_train_and_test_folders(self, tmp_path: Path) -> None:
        """Each part is its own folder; a test class may be absent, a training class may not."""
        classes(tmp_path / "train", "ab", 2)
        classes(tmp_path / "test", "b", 1)

        data = load(tmp_path)

        assert ((4, 4, 3), (1, 4, 3)) == (data.train_x.shape, data.test_x.shape)
        assert ([0, 0, 1, 1], [1]) == (data.train_y.tolist(), data.test_y.tolist())
        assert (("a", "b"), tmp_path.name) == (data.classes, data.name)

    def test_one_folder_is_split(self, tmp_path: Path) -> None:
        """In the order of file names, every fifth image of a class is for testing."""
        data = load(classes(tmp_path))

        assert [np.float32(4 / 255)] * 2 == data.test_x[:, 0, 0].tolist()
        assert (8, [0, 1]) == (len(data.train_x), data.test_y.tolist())

    def test_classes_may_be_called_train(self, tmp_path: Path) -> None:
        """A folder of trains with images in it is a class, not a split."""
        for name in ("plane", "train"):
            for value in range(5):
                write(tmp_path / name / f"{value}.png", value)

        assert ("plane", "train") == load(tmp_path).classes

    @pytest.mark.parametrize("mode", [None, "P"], ids=["rgb", "palette"])
    def test_colour_is_the_last_axis(self, mode: str | None, tmp_path: Path) -> None:
        """Colour images have axes (example, row, column, colour)."""
        for name in "ab":
            for value in range(5):
                write(tmp_path / name / f"{value}.png", 255, (4, 3, 3), mode)

        data = load(tmp_path)

        assert ((8, 4, 3, 3), 1) == (data.train_x.shape, data.train_x.min())

    def test_other_files_are_passed_over(self, tmp_path: Path) -> None:
        """Notes and hidden folders do not become examples."""
        classes(tmp_path)
        (tmp_path / "a" / "notes.txt").write_text("hello")
        (tmp_path / "LICENSE").write_text("free")
        (tmp_path / ".thumbnails").mkdir()

        assert 8 == len(load(tmp_path).train_x)


class TestRefused:
    """Mistakes, each with the file."""

    def test_another_size(self, tmp_path: Path) -> None:
        """One image of another size is named, with both shapes."""
        write(classes(tmp_path) / "b" / "odd.png", shape=(4, 5))

        with pytest.raises(DataError, match=r"axes \(4, 3\), as 0\.png has; got \(4, 5\) at .*odd\.png"):
            load(tmp_path)

    def test_grey_among_colour(self, tmp_path: Path) -> None:
        """One colour image among grey ones is named."""
        write(classes(tmp_path) / "b" / "odd.png", shape=(4, 3, 3))

        with pytest.raises(DataError, match=r"got \(4, 3, 3\) at .*odd\.png"):
            load(tmp_path)

    def test_transparency(self, tmp_path: Path) -> None:
        """What would have to be guessed is refused."""
        write(classes(tmp_path) / "a" / "0.png", shape=(4, 3, 4))

        with pytest.raises(DataError, match=r"got mode RGBA at .*0\.png"):
            load(tmp_path)

    @pytest.mark.parametrize("keep", [0, 30, 45], ids=["empty", "header", "pixels"])
    def test_a_truncated_image(self, keep: int, tmp_path: Path) -> None:
        """A half-written image is named."""
        path = classes(tmp_path) / "a" / "1.png"
        path.write_bytes(path.read_bytes()[:keep])

        with pytest.raises(DataError, match=r"expected an image; got .* at .*1\.png"):
            load(tmp_path)

    def test_a_test_class_without_training(self, tmp_path: Path) -> None:
        """A class that only the test folder has is refused by name."""
        classes(tmp_path / "train", "ab", 1)
        classes(tmp_path / "test", "abz", 1)

        with pytest.raises(DataError, match=r"\(a, b\); got 'z'"):
            load(tmp_path)

    def test_train_without_test(self, tmp_path: Path) -> None:
        """Half a split is not a split."""
        classes(tmp_path / "train", "ab", 1)

        with pytest.raises(DataError, match=r"got none in .*test"):
            load(tmp_path)

    def test_an_empty_class(self, tmp_path: Path) -> None:
        """A class folder without images is named."""
        (classes(tmp_path) / "c").mkdir()

        with pytest.raises(DataError, match=r"of a class; got none in .*c\. Add some"):
            load(tmp_path)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        """The error shows how to arrange one."""
        with pytest.raises(DataError, match=r"train/CLASS/\*\.png and test/CLASS/\*\.png"):
            load(tmp_path)
