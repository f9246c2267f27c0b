"""The pages of the book: templates filled in, code highlighted, formulas set as MathML."""

import contextlib
import itertools
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from latex2mathml.converter import convert
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from dlfun import __version__
from dlfun import experiment as experiments
from dlfun.cli.book.collect import Entry, Report
from dlfun.cli.book.figures import FIGURES
from dlfun.cli.book.sweeps import Cell, Sweep
from dlfun.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"
GENERATOR = '<meta name="generator" content="dlfun book">'
"""A line of index.html by which a folder is known to be a book."""
CHAPTERS = {
    "foundations": "Foundations",
    "feedforward": "Feedforward networks",
    "convolutional": "Convolutional networks",
    "recurrent": "Recurrent networks",
    "sequence_to_sequence": "Sequence to sequence",
    "words": "Words and texts",
    "energy": "Energies, codes and maps",
    "generative": "Generative models",
    "reinforcement": "Reinforcement learning",
}
"""Folders of experiments in the order in which they are read; others come after them."""
MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)
CARD = 42
"""Letters of an equation that find room on a card."""
ASSETS = ("style.css", "script.js")
RELATIONS = {"~": ("∼", "0.278em"), ":": (":", "0")}
"""Operators that the converter takes for variables: the operator and the space before it."""
CLOSING = (")", "]", "}", "|", "‖", "!", "′")
"""Operators after which a minus subtracts; after other operators it is the sign of a number."""


def check_folder(folder: Path) -> None:
    """Raise UserError if a folder contains a file or folder that does not belong to a book."""
    if not folder.exists():
        if not folder.absolute().parent.is_dir():
            raise UserError(f"--out {folder}: {folder.absolute().parent} is no folder")
        return
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not folder.is_dir() or (names and not _is_book(folder)):
        raise UserError(f"--out {folder} exists and is no book: give another folder")
    if others := [name for name in names if not _is_part(name)]:
        raise UserError(f"--out {folder}: '{others[0]}' is no part of a book: give another folder")


def _is_book(folder: Path) -> bool:
    index = folder / "index.html"
    return index.is_file() and GENERATOR.encode() in index.read_bytes()


def _is_part(name: str) -> bool:
    return name.endswith(".html") or name in (FIGURES, *ASSETS, ".DS_Store")  # macOS writes it.


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """A new folder to write a book into, which takes the place of `folder` at the end or never."""
    folder = folder.resolve()  # A link stays one.
    parent = folder.parent
    with tempfile.TemporaryDirectory(prefix=".book-", dir=parent, ignore_cleanup_errors=True) as at:
        made, earlier = Path(at) / "made", Path(at) / "earlier"
        made.mkdir()
        yield made
        check_folder(folder)
        try:
            if folder.exists():
                folder.rename(earlier)
            made.rename(folder)
        except BaseException:  # Ctrl-C too.
            if earlier.exists() and not folder.exists():
                earlier.rename(folder)
            raise


def write(
    folder: Path, entries: Sequence[Entry], sweeps: Sequence[Sweep], reports: Sequence[Report]
) -> None:
    """Write all pages into a folder that has the figures."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": code, "formulas": formulas, "spans": spans}
    environment.filters |= {"cells": cells, "narrow": narrow}
    chapters = _chapters(entries)
    of_sweeps = [(f"sweep-{number}.html", sweep) for number, sweep in enumerate(sweeps, 1)]
    names = {entry.about["name"]: _page(entry) for entry in entries}
    environment.globals |= {
        "chapters": chapters,
        "sweeps": of_sweeps,
        "pages": names,
        "generator": Markup(GENERATOR),
        "version": __version__,
    }

    def page(file: str, template: str, **values: Any) -> None:
        text = environment.get_template(template).render(file=file, **values)
        (folder / file).write_text(text, encoding="utf-8")

    verdicts = [entry.verdict for entry in entries]
    counts = {verdict: verdicts.count(verdict) for verdict in ("holds", "fails", "not run")}
    trained = sum(bool(entry.runs) for entry in entries)
    page("index.html", "index.html", counts=counts, trained=trained, references=_references())
    page("performance.html", "performance.html", reports=reports)
    order = [(title, entry) for _, title, part in chapters for entry in part]
    for (_, before), (title, entry), (_, after) in zip(
        [(None, None), *order], order, [*order[1:], (None, None)], strict=False
    ):
        page(
            _page(entry), "experiment.html", entry=entry, chapter=title, before=before, after=after
        )
    for file, sweep in of_sweeps:
        page(file, "sweep.html", sweep=sweep)
    for asset in ASSETS:
        shutil.copyfile(TEMPLATES / asset, folder / asset)


def _page(entry: Entry) -> str:
    name = entry.about["name"]
    return f"{name}-.html" if name in ("index", "performance") else f"{name}.html"


def _chapters(entries: Sequence[Entry]) -> list[tuple[str, str, list[Entry]]]:
    """(folder, title, experiments) of each chapter, in order."""
    folders = list(dict.fromkeys([*CHAPTERS, *(entry.about["family"] for entry in entries)]))
    ordered = sorted(entries, key=lambda entry: folders.index(entry.about["family"]))
    grouped = itertools.groupby(ordered, key=lambda entry: entry.about["family"])
    return [
        (name, CHAPTERS.get(name, name.replace("_", " ").capitalize()), list(part))
        for name, part in grouped
    ]


def code(text: str) -> Markup:
    """Python, highlighted."""
    return Markup(highlight(text, PythonLexer(), HtmlFormatter(nowrap=True)))


def formulas(latex: str) -> list[list[Markup]]:
    r"""LaTeX, equations with an empty line between them, as MathML: the parts of each at \quad."""
    equations = re.split(r"\n\s*\n", latex.strip()) if latex else []
    parts = [" ".join(equation.split()).split(r"\quad") for equation in equations]
    return [[_mathml(part) for part in row] for row in parts]


def _mathml(latex: str) -> Markup:
    """LaTeX as MathML; text that cannot be converted is shown as code."""
    try:
        return Markup(_spaced(convert(latex, display="block")))
    except Exception:  # The converter has no common class of errors.
        return Markup("<code>{}</code>").format(latex)


def narrow(equations: list[list[Markup]]) -> list[Markup]:
    """The first equation that is narrow enough for a card, else the narrowest."""

    def width(parts: list[Markup]) -> int:
        return max(len(part.striptags()) for part in parts)

    return next((e for e in equations if width(e) <= CARD), min(equations, key=width))


def _spaced(mathml: str) -> str:
    """MathML with functions set as names, apart from what has no bracket; signs and bars close."""
    root = ElementTree.fromstring(mathml)
    for element in root.iter():
        text = element.text or ""
        if _is(element, "mo") and re.fullmatch("[a-zA-Z]{2,}", text):
            element.tag = f"{{{MATHML}}}mi"
        elif _is(element, "mi") and text in RELATIONS:
            operator, before = RELATIONS[text]
            element.tag, element.text = f"{{{MATHML}}}mo", operator
            element.attrib |= {"lspace": before, "rspace": "0.278em"}
        elif _is(element, "mo") and text in ("‖", "|"):
            element.attrib |= {"stretchy": "false", "lspace": "0", "rspace": "0"}
    for row in [element for element in root.iter() if _is(element, "math", "mrow", "mtd")]:
        for left, right in zip([None, *row], row, strict=False):
            begins = left is None or (_is(left, "mo") and left.text not in CLOSING)
            if begins and _is(right, "mo") and right.text in ("−", "+", "±"):
                right.set("form", "prefix")
        for position, (left, right) in reversed([*enumerate(itertools.pairwise(row), 1)]):
            bases = _base(left), _base(right)
            operands = all(_is(base, "mi", "mn", "mfrac", "msqrt", "mover") for base in bases)
            if operands and any(len(base.text or "") > 1 and _is(base, "mi") for base in bases):
                row.insert(position, ElementTree.Element(f"{{{MATHML}}}mspace", width="0.167em"))
    return ElementTree.tostring(root, encoding="unicode")


def _is(element: ElementTree.Element, *names: str) -> bool:
    return element.tag in [f"{{{MATHML}}}{name}" for name in names]


def _base(element: ElementTree.Element) -> ElementTree.Element:
    """The element that others are set below and above."""
    return _base(element[0]) if _is(element, "msub", "msup", "msubsup", "munder") else element


def spans(text: str) -> list[tuple[bool, str]]:
    """Parts of a docstring's paragraph, and whether each is code, between backticks."""
    return [(number % 2 == 1, part) for number, part in enumerate(text.split("`"))]


def cells(rows: Sequence[Sequence[str]]) -> list[list[Cell]]:
    """Cells of text, each with the number that it begins with, by which it is sorted, or itself."""
    numbers = re.compile(r"[-−]?[\d,]*\.?\d+(e[-+]?\d+)?(?![-\w.])")  # No date, no version.

    def key(text: str) -> Any:
        number = numbers.match(text)
        return float(number[0].replace(",", "").replace("−", "-")) if number else text

    return [[(text, key(text)) for text in row] for row in rows]


def _references() -> list[tuple[str, str]]:
    """The sources that experiments cite by number, from the README of a checkout."""
    readme = experiments.ROOT.parent / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    return re.findall(r"^- \[(T\d)\] (.*)$", text, re.MULTILINE)
