"""Free Spoken Digit Dataset: 3,000 recordings of ten digits by six speakers (Jackson et al.)."""

import re
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dlfun.data.folders import roots
from dlfun.data.recordings import read_wav
from dlfun.errors import UserError

NAME, FILE, RATE = "spoken_digit", "recordings.tar.gz", 8000
PREFIX = "wav:"
_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>\w+)_(?P<index>\d+)\.wav")
TEST_INDICES = 5
"""The recordings 0 to 4 of each speaker and digit are the test split."""


class Recording(NamedTuple):
    """A recording.

    Attributes:
        samples: in [-1, 1], 8,000 a second.
        label: what is said, the number of its class.
        speaker: the number of who says it.
        test: whether it is in the test split.
    """

    samples: Float[np.ndarray, " samples"]
    label: int
    speaker: int
    test: bool


class Recordings(NamedTuple):
    """Recordings, with the names of the classes and of the speakers by number."""

    name: str
    items: tuple[Recording, ...]
    classes: tuple[str, ...]
    speakers: tuple[str, ...]


def load(name: str = NAME, data_dir: Path | None = None) -> Recordings:
    """The recordings "spoken_digit", or those of a folder of the user's, "wav:FOLDER".

    The former are read from recordings.tar.gz in the folder spoken_digit of `data_dir`, $DLFUN_DATA
    or the user's cache. The latter has a folder of WAV files for each class; every tenth file of a
    class is for test, and nothing is known of the speakers, who count as one.

    Raises:
        UserError: a file or folder is absent, no class has two files, or a file is no WAV file.
    """
    if name.startswith(PREFIX):
        return _folder(Path(name.removeprefix(PREFIX)).expanduser(), name)
    if name != NAME:
        raise UserError(f"unknown recordings '{name}': expected {NAME} or wav:FOLDER")
    folders = [root / NAME for root in roots(data_dir)]
    for folder in folders:
        if (archive := folder / FILE).is_file():
            return parse(_members(archive), NAME)
    raise UserError(
        f"no {FILE}: put the folder recordings/ of github.com/Jakobovski/free-spoken-digit-dataset,"
        f" as a tar file, into {folders[0]}"
    )


def _members(archive: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(archive) as tar:
            files = [member for member in tar if member.isfile()]
            return {Path(m.name).name: tar.extractfile(m).read() for m in files}  # type: ignore[union-attr]
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise UserError(f"{archive} cannot be read as a tar file: {error}") from error


def parse(files: dict[str, bytes], name: str) -> Recordings:
    """Recordings of WAV files named DIGIT_SPEAKER_INDEX.wav, in the order of their names.

    Raises UserError where there is none, or one is no WAV file.
    """
    matches = {file: match for file in sorted(files) if (match := _NAME.fullmatch(file))}
    if not matches:
        raise UserError(f"{name} has no files DIGIT_SPEAKER_INDEX.wav")
    speakers = tuple(sorted({match["speaker"] for match in matches.values()}))
    items = tuple(
        Recording(
            read_wav(Path(file), RATE, files[file]),
            int(match["digit"]),
            speakers.index(match["speaker"]),
            int(match["index"]) < TEST_INDICES,
        )
        for file, match in matches.items()
    )
    return Recordings(name, items, tuple(map(str, range(10))), speakers)


def _folder(folder: Path, name: str) -> Recordings:
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: expected one with a folder of WAV files by class")
    files = {
        path.name: sorted(file for file in path.iterdir() if file.suffix.lower() == ".wav")
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name[0] != "."
    }
    if not files or min(map(len, files.values())) < 2:
        bare = next((kind for kind, paths in files.items() if len(paths) < 2), None)
        where = f"{folder / bare} has fewer than 2" if bare else f"{folder} has no folders of"
        raise UserError(f"{where} WAV files: expected a folder of them for each class")
    items = tuple(
        Recording(read_wav(file, RATE), label, 0, index % 10 == 0)
        for label, paths in enumerate(files.values())
        for index, file in enumerate(paths)
    )
    return Recordings(name, items, tuple(files), ("unknown",))
