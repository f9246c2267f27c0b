"""Files of word vectors, in the text and the binary format of word2vec.

Both begin with a line "WORDS SIZE". A line of the text format holds a word and SIZE numbers; GloVe
leaves the first line out, and some of its words have blanks. A record of the binary format is a
word, a space and SIZE numbers of float32, little-endian; word2vec ends it by a line feed, which
others leave out.
"""

import mmap
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from jaxtyping import Float

from dlfun.errors import UserError

BINARY = ".bin"
"""Ends the name of a binary file; any other is text."""
FIRST_LINE, LONGEST = 50, 10_000
"""Bytes of a binary file's first line, and of a word in it, at most."""
COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04")
"""Begin the files of gzip and of zip."""
BOM = b"\xef\xbb\xbf"
"""Begins a UTF-8 text of some programs."""


class WordVectors(NamedTuple):
    """Words, and the vector of each."""

    words: tuple[str, ...]
    vectors: Float[np.ndarray, "words size"]


def write(
    file: IO[bytes],
    words: Sequence[str],
    vectors: Float[np.ndarray, "words size"],
    binary: bool = False,
) -> None:
    """Write words and their vectors; text has the digits that give the same float32 again.

    Raises:
        UserError: a word that is empty or holds a blank, which neither format can hold.
    """
    vectors = vectors.astype("<f4")
    file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
    for word, vector in zip(words, vectors, strict=True):
        if word.split() != [word]:
            raise UserError(f"'{word}' is no word of a file of word vectors: it has a blank")
        numbers = vector.tobytes() if binary else " ".join(map(str, vector.tolist())).encode()
        file.write(word.encode() + b" " + numbers + b"\n")


def read(path: Path, only: Container[str] | None = None) -> WordVectors:
    """The words and vectors of a file: binary where its name ends in .bin, else text.

    Vectors are kept of the words `only`, by default of all; what is wrong is named in any case.
    Memory is taken as the file is read, never by the numbers that its first line states.

    Raises:
        UserError: a file that is missing, truncated or longer than it states; and, by their lines,
            a vector of another size or with what is no finite number, and a word that is not UTF-8
            or stands there twice; and a file without vectors of any of the words.
    """
    seen: dict[str, int] = {}
    kept: dict[str, np.ndarray] = {}
    try:
        with path.open("rb") as file:
            records = _binary(path, file) if path.suffix == BINARY else _text(path, file)
            for line, encoded, vector in records:
                try:
                    word = encoded.decode()
                except UnicodeDecodeError:
                    raise UserError(f"{path}, line {line}: {encoded!r} is not UTF-8") from None
                if word in seen:
                    raise UserError(f"{path}, line {line}: '{word}' is on line {seen[word]}, too")
                if not np.isfinite(vector).all():
                    raise UserError(f"{path}, line {line}: '{word}' has a number not finite")
                seen[word] = line
                if only is None or word in only:
                    kept[word] = vector
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    if not kept:
        of_these = " of the words asked for" if seen else ""
        raise UserError(f"{path} holds no word vectors{of_these}")
    return WordVectors(tuple(kept), np.stack([*kept.values()]))


Record = tuple[int, bytes, np.ndarray]
"""Number of the line, word and vector. Of a binary file a record counts as a line."""


def _first_line(fields: Sequence[bytes]) -> tuple[int, int] | None:
    """WORDS and SIZE of the fields of a first line, or None where they are something else."""
    if len(fields) != 2 or not all(f.isdigit() and len(f) <= FIRST_LINE for f in fields):
        return None
    count, size = map(int, fields)
    return count, size


def _is_number(field: bytes) -> bool:
    try:
        return bool(np.isfinite(float(field)))
    except ValueError:
        return False


def _text(path: Path, file: IO[bytes]) -> Iterator[Record]:
    stated = size = None
    count = 0
    for line, content in enumerate(file, start=1):
        if line == 1 and content.startswith(COMPRESSED):
            raise UserError(f"{path} is compressed: expected word vectors, so unpack it first")
        fields = content.removeprefix(BOM if line == 1 else b"").split()
        if line == 1 and (numbers := _first_line(fields)):
            stated, size = numbers
            continue
        size = len(fields) - 1 if size is None else size
        if (more := len(fields) - size) > 1 and not any(map(_is_number, fields[1:more])):
            # Some of GloVe's words have blanks: ". . .", "at name@domain.com".
            fields = [b" ".join(fields[:more]), *fields[more:]]
        if len(fields) != size + 1 or size < 1:
            raise UserError(
                f"{path}, line {line}: expected a word and {size} numbers, as line 1 has it, got "
                f"{len(fields)} fields"
            )
        try:
            # A number beyond float32's range becomes infinite, which `read` names.
            with np.errstate(over="ignore"):
                vector = np.array(fields[1:], np.float32)
        except ValueError:
            raise UserError(f"{path}, line {line}: a field is no number") from None
        yield line, fields[0], vector
        count += 1
    if stated not in (None, count):
        raise UserError(f"{path} states {stated:,} words and has {count:,}: is it truncated?")


def _binary(path: Path, file: IO[bytes]) -> Iterator[Record]:
    numbers = _first_line(file.readline(FIRST_LINE).split())
    if numbers is None:
        raise UserError(f"{path} does not begin with a line of two numbers, as a binary file must")
    count, size = numbers
    if count and size < 1:
        raise UserError(f"{path} states vectors of {size} numbers: expected 1 or more")
    at, length = file.tell(), path.stat().st_size
    truncated = UserError(f"{path} is truncated: it states {count:,} words of {size:,} numbers")
    # A record has a byte of a word and a space at least.
    if length - at < count * (4 * size + 2):
        raise truncated
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for line in range(2, count + 2):
            at += content[at : at + 1] == b"\n"
            space = content.find(b" ", at, at + LONGEST)
            if space < 0 or space + 1 + 4 * size > length:
                raise truncated
            start, word = space + 1, content[at:space]
            at = start + 4 * size
            yield line, word, np.frombuffer(content[start:at], "<f4").astype(np.float32)
        if length - at > (content[at : at + 1] == b"\n"):
            raise UserError(f"{path} goes on after the {count:,} words that it states")
