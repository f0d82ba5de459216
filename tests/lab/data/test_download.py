"""Fetching, against a server on this machine: whole, truncated, altered, absent, and no server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from thinned.errors import DataError
from thinned.lab.data.archive import Archive, md5
from thinned.lab.data.fashion_mnist import ADDRESS, ARCHIVES, fashion_mnist

NOWHERE = "http://127.0.0.1:9/"  # the discard port: nothing answers


class Site:
    """A web server whose answers a test may change.

    Args:
        contents: the files it has.
    """

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = dict(contents)
        self.promised: dict[str, int] = {}
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                site.asked.append(name)
                content = site.contents.get(name)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                if (length := site.promised.get(name, len(content))) >= 0:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep the test's output for the test."""

        return Handler


@pytest.fixture(name="site")
def _site(contents: dict[str, bytes]) -> Iterator[Site]:
    """A running server that holds the stand-ins."""
    site = Site(contents)
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


class TestWhole:
    """A good server."""

    def test_fetched_once_and_kept(self, site: Site, archives: tuple[Archive, ...], cache: Path) -> None:
        """The four archives end in the cache under their names, and the second load asks nobody."""
        first = fashion_mnist(address=site.address, archives=archives)
        second = fashion_mnist(address=site.address, archives=archives)

        assert [archive.name for archive in archives] == site.asked
        assert sorted(site.asked) == sorted(path.name for path in cache.iterdir())
        assert first.train_x.tolist() == second.train_x.tolist()

    def test_only_what_is_absent_is_fetched(
        self, site: Site, folder: Path, archives: tuple[Archive, ...]
    ) -> None:
        """With three archives in the data directory, one is fetched."""
        (folder / "fashion-mnist" / archives[2].name).unlink()

        fashion_mnist(folder, address=site.address, archives=archives)

        assert [archives[2].name] == site.asked

    def test_progress_is_shown(
        self, site: Site, archives: tuple[Archive, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A bar for each archive goes to standard error, and nothing to standard output."""
        fashion_mnist(address=site.address, archives=archives)
        shown = capsys.readouterr()

        assert ("", True) == (shown.out, "100%" in shown.err)

    def test_a_bad_cached_file_is_fetched_again(
        self, site: Site, contents: dict[str, bytes], archives: tuple[Archive, ...], cache: Path
    ) -> None:
        """A half-written file in the cache heals itself."""
        cache.mkdir(parents=True)
        (cache / archives[0].name).write_bytes(b"half")

        fashion_mnist(address=site.address, archives=archives)

        assert contents[archives[0].name] == (cache / archives[0].name).read_bytes()


class TestBroken:
    """A server or a line that fails: an error in full, and an empty cache."""

    @pytest.mark.parametrize("damage", ["truncated", "altered", "page"])
    def test_other_bytes_are_refused(
        self, damage: str, site: Site, archives: tuple[Archive, ...], cache: Path
    ) -> None:
        """Name, both checksums and the address are in the error; nothing is kept."""
        good = site.contents[archives[0].name]
        bad = {
            "truncated": good[:-9],
            "altered": good[:20] + b"?" + good[21:],
            "page": b"<html>log in</html>",
        }
        site.contents[archives[0].name] = bad[damage]
        found = md5(bad[damage])

        with pytest.raises(DataError) as error:
            fashion_mnist(address=site.address, archives=archives)

        for part in (archives[0].name, archives[0].md5, found, site.address, "nothing was kept"):
            assert part in str(error.value)
        assert [] == list(cache.iterdir())

    def test_a_truncated_answer_without_a_length_is_refused(
        self, site: Site, archives: tuple[Archive, ...], cache: Path
    ) -> None:
        """Where the server promises no length, the checksum notices."""
        name = archives[0].name
        site.contents[name], site.promised[name] = site.contents[name][:-9], -1

        with pytest.raises(DataError, match="truncated, altered or half written"):
            fashion_mnist(address=site.address, archives=archives)

        assert [] == list(cache.iterdir())

    def test_a_line_that_breaks_is_refused(
        self, site: Site, archives: tuple[Archive, ...], cache: Path
    ) -> None:
        """Fewer bytes than the server promised: the error says so."""
        name = archives[0].name
        site.promised[name] = len(site.contents[name]) + 100

        with pytest.raises(DataError, match=rf"expected to fetch {name}; got .*100 more expected"):
            fashion_mnist(address=site.address, archives=archives)

        assert [] == list(cache.iterdir())

    def test_an_absent_file_is_named(self, site: Site, archives: tuple[Archive, ...], cache: Path) -> None:
        """A server that lacks one archive: its name and the server's answer; those before it are kept."""
        del site.contents[archives[1].name]

        with pytest.raises(DataError, match=f"expected to fetch {archives[1].name}; got HTTPError: 404"):
            fashion_mnist(address=site.address, archives=archives)

        assert [archives[0].name] == [path.name for path in cache.iterdir()]

    def test_a_cache_that_cannot_be_written(
        self, site: Site, archives: tuple[Archive, ...], cache: Path
    ) -> None:
        """A file where the cache's folder should be is an error of this library."""
        cache.parent.mkdir(parents=True)
        cache.write_text("in the way")

        with pytest.raises(DataError, match=r"expected to fetch .*; got (FileExists|NotADirectory)Error"):
            fashion_mnist(address=site.address, archives=archives)


class TestNoNetwork:
    """Nobody answers."""

    def test_the_error_says_what_to_do(self, archives: tuple[Archive, ...], cache: Path) -> None:
        """The four files, the address, the variable and the argument are all named."""
        with pytest.raises(DataError) as error:
            fashion_mnist(address=NOWHERE, archives=archives)

        parts = [archive.name for archive in ARCHIVES]
        for part in (*parts, ADDRESS, "THINNED_DATA=DIR", "data_dir=DIR", "DIR/fashion-mnist"):
            assert part in str(error.value)
        assert [] == list(cache.iterdir())
