"""Text as arrays: words, vocabularies, and sentences as padded rows of numbers with their lengths.

A vocabulary is a tuple of tokens (words or characters), whose numbers are their positions; `PAD`
is 0 and stands where a sentence has ended, `UNKNOWN` is 1 and stands for every other token.
"""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from dlfun.errors import UserError

PREFIX = "text:"
"""Begins the name of a dataset that is the user's own text."""
PAD, UNKNOWN = "<pad>", "<unknown>"
MEMORY = 2**31
"""Bytes that the padded sentences of one split may take."""
LONGEST = 16
"""Parts of a known word at most."""
_WORD = re.compile(r"\w+?(?=n't\b)|n't\b|'\w+|\d+(?:[.,]\d+)+|\w+|[^\w\s]")


def words(text: str) -> list[str]:
    """Words, numbers and marks of a text, its case kept: "I don't." → ["I", "do", "n't", "."]."""
    return _WORD.findall(text)


def known_words(text: str, known: Container[str]) -> list[str]:
    """Words of a text as a corpus that has those `known` would have them: "e-mail", "Dr.", "...".

    Of the parts that `words` finds between two spaces the longest run that makes a known word is
    one word, of up to `LONGEST` parts.
    """
    found: list[str] = []
    for piece in text.split():
        parts = words(piece)
        while parts:
            runs = range(min(len(parts), LONGEST), 1, -1)
            size = next((n for n in runs if "".join(parts[:n]) in known), 1)
            found.append("".join(parts[:size]))
            parts = parts[size:]
    return found


def vocabulary(sentences: Iterable[Sequence[str]], min_count: int = 1) -> tuple[str, ...]:
    """`PAD`, `UNKNOWN`, and the tokens that occur `min_count` times, the most frequent first.

    A sentence is a sequence of tokens; a string is one of characters. Raises UserError where there
    are tokens, but none occurs so often.
    """
    counts = Counter(token for sentence in sentences for token in sentence)
    kept = [token for token, count in counts.items() if count >= min_count]
    if counts and not kept:
        most = max(counts.values())
        raise UserError(
            f"no word occurs {min_count:,} times: expected --min-count of at most {most:,}"
        )
    return (PAD, UNKNOWN, *sorted(kept, key=lambda token: (-counts[token], token)))


def numbers(tokens: Sequence[str]) -> dict[str, int]:
    """The number of each token of a vocabulary."""
    return {token: number for number, token in enumerate(tokens)}


def prime_numbers(prime: str | None, characters: Sequence[str]) -> list[int]:
    """The numbers of the characters of a text that is to be continued.

    By default it is the end of a line, or the first of the characters where lines do not end.

    Raises UserError where it has a character that is not among the known ones.
    """
    number = numbers(characters)
    if prime is None:
        return [number.get("\n", 0)]
    if unknown := [character for character in prime if character not in number]:
        alphabet = "".join(characters)
        raise UserError(
            f"prime has {unknown[0]!r}, unknown to the network: expected of {alphabet!r}"
        )
    return [number[character] for character in prime]


def encode(
    sentences: Sequence[Sequence[str]], number: Mapping[str, int], longest: int | None = None
) -> dict[str, Int[np.ndarray, "n ..."]]:
    """Sentences as the columns "x", int32 [n, longest], and "length", int32 [n].

    Unknown tokens get the number 1. Rows are filled up with 0; sentences of more than `longest`
    tokens, by default none, are cut.

    Raises:
        UserError: no sentences; one without tokens, by its place; rows that would take over 2 GiB.
    """
    if not len(sentences):
        raise UserError("no sentences: expected one at least")
    lengths = np.array([len(sentence) for sentence in sentences], np.int32)
    if not lengths.all():
        raise UserError(f"sentence {int(np.argmin(lengths)) + 1} is empty: expected words")
    width = longest or int(lengths.max())
    if len(sentences) * width * 4 > MEMORY:
        raise UserError(
            f"{len(sentences):,} sentences filled up to the longest, of {width:,} tokens, do not "
            "fit in 2 GiB: split it"
        )
    x = np.zeros((len(sentences), width), np.int32)
    for row, sentence in zip(x, sentences, strict=True):
        codes = [number.get(token, 1) for token in sentence[:width]]
        row[: len(codes)] = codes
    return {"x": x, "length": np.minimum(lengths, width)}


def read(file: Path, encoding: str = "utf-8") -> str:
    """The text of a file, or of one that gzip has compressed (.gz).

    Raises:
        UserError: a file that is missing, damaged or in another encoding (the line is named).
    """
    try:
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file}, line {line}: not {encoding.upper()} text") from error


def lines(file: Path, encoding: str = "utf-8") -> list[str]:
    """The lines of a file that are not blank. Raises UserError as `read` does, or where none is."""
    stripped = [line.strip() for line in re.split(r"\r\n|\n|\r", read(file, encoding))]
    if not any(stripped):
        raise UserError(f"{file} is empty: expected a sentence a line")
    return [line for line in stripped if line]


def sentences(items: Sequence[str]) -> list[str]:
    """The sentences of items of a command line: a sentence, or a .txt file with one a line.

    Raises:
        UserError: an empty sentence; a file that is missing, empty or not UTF-8.
    """
    texts: list[str] = []
    for item in items:
        if not item.strip():
            raise UserError("an empty sentence: expected words, or a .txt file")
        texts += lines(Path(item)) if item.endswith(".txt") else [item.strip()]
    return texts


def classes(folder: Path, encoding: str = "utf-8") -> dict[str, list[str]]:
    """The sentences of each class: those of the files CLASS.txt of a folder, one a line.

    Raises:
        UserError: no such folder; fewer than two classes; a file that is empty or not UTF-8.
    """
    if not folder.is_dir():
        raise UserError(f"'{PREFIX}{folder}': no such folder; expected FOLDER/CLASS.txt")
    files = sorted(folder.glob("[!.]*.txt"))
    if len(files) < 2:
        raise UserError(
            f"{folder} has {len(files) or 'no'} class{'' if files else 'es'}: expected a file "
            "CLASS.txt, with a sentence a line, for each of at least two"
        )
    return {file.stem: lines(file, encoding) for file in files}


def tagged(file: Path, form: int = 0, tag: int = 1) -> tuple[list[list[str]], list[list[str]]]:
    """The words and the tags of each sentence of a file with a word and its tag a line.

    Fields stand between tabs; an empty line ends a sentence; a line that begins with "# " and has
    no tab is a comment. `form` and `tag` are the columns of the word and of its tag: 0 and 1, in a
    CoNLL-U file 1 and 3, where lines of contracted and of omitted words ("1-2", "1.1") are left
    out.

    Raises:
        UserError: a file that is missing, empty or not UTF-8; a line without word or tag.
    """
    all_words: list[list[str]] = [[]]
    all_tags: list[list[str]] = [[]]
    for at, line in enumerate(re.split(r"\r\n|\n|\r", read(file)), start=1):
        if not line.strip():
            all_words.append([])
            all_tags.append([])
            continue
        fields = line.split("\t")
        if line.startswith("#") and len(fields) == 1:
            continue
        if form and not fields[0].isdigit():
            continue
        if len(fields) <= tag or not fields[form].strip() or not fields[tag].strip():
            raise UserError(f"{file}, line {at}: expected a word, a tab and its tag, got '{line}'")
        all_words[-1].append(fields[form].strip())
        all_tags[-1].append(fields[tag].strip())
    if not any(all_words):
        raise UserError(f"{file} is empty: expected a word, a tab and its tag a line")
    return [w for w in all_words if w], [t for t in all_tags if t]
