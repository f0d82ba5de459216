"""One file over HTTP, through `pooch`: to a temporary name, checked there, and only then given its own."""

from collections.abc import Callable
from pathlib import Path

from thinned.errors import DataError
from thinned.extras import need

TIMEOUT_S = 30


def download(url: str, target: Path, md5: str, check: Callable[[bytes], None], otherwise: str) -> Path:
    """Fetch a file with a progress bar; `target` appears only once `check` has passed.

    Args:
        url: of the file.
        target: where it is kept; its folder is made.
        md5: the file's checksum.
        check: raises if the bytes do not have it, and says more than the error of `pooch` would.
        otherwise: a sentence for errors, on what to do without a network.

    Returns:
        `target`.

    Raises:
        DataError: no answer, a broken answer, or no room; and whatever `check` raises.
    """
    pooch = need("pooch", "lab")
    over_http = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_S)

    def checked(url: str, output_file: str, _: object) -> None:
        over_http(url, output_file, None)
        check(Path(output_file).read_bytes())

    try:
        # Whichever way this ends, pooch removes the temporary file.
        pooch.retrieve(url, f"md5:{md5}", fname=target.name, path=target.parent, downloader=checked)
    except OSError as error:  # everything that requests raises is one
        raise DataError(
            f"expected to fetch {target.name}; got {type(error).__name__}: {error} from {url}. "
            f"Nothing was kept. {otherwise}"
        ) from error
    return target
