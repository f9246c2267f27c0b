"""The book: pages that link, escape, can be read by all, and open in a browser without a sound."""

import itertools
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import pytest

from dlfun import experiment as experiments
from dlfun.cli.book import collect, figures, site
from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.plots.style import figure, save, tidy
from dlfun.train import run_directory
from tests import browser

matplotlib.use("agg")
TRAINED, RECORDED, NEVER = "xor_mlp", "mnist_mlp", "mnist_pixelcnn"
HOSTILE = "<img src=x onerror=alert(1)>\"'&lt;</script><script>alert(2)</script>"
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """The tags of a page, and the text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(path.read_text())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, *names):
        return [attrs for tag, attrs in self.tags if tag in names]


def hostile_run(runs):
    """A later run of seed 0, in whose folder, config and figures everything tries to be HTML."""
    name = HOSTILE.replace("/", "⁄")
    run = shutil.copytree(runs / "reproduce" / TRAINED / "seed0", runs / name)
    config = run_directory.read_config(run)
    config["commit"] = config["versions"]["jax"] = HOSTILE
    del config["device"]  # As earlier versions left it out.
    run_directory.write_json(run / run_directory.CONFIG, config)
    (run / run_directory.RESULT).touch()
    save(figure(5, 3, HOSTILE, HOSTILE), run / "plots" / f"{name}.png")
    (run / "plots" / "broken.png").write_text("no image")


def hostile_sweep(runs):
    """A sweep as `sweep-report` leaves it, with such names, and a figure."""
    sweep = runs / "rates"
    trial = {"status": "completed", "sd": None, "scores": {"0": 0.1}, "seconds": None}
    means = [0.5, None, 0.25, 0.125]
    values = [{HOSTILE: 10.0, "b": [64, 32]}, {HOSTILE: 9.0}, {"b": HOSTILE}, {HOSTILE: 100.0}]
    trials = [
        trial | {"rank": i + 1, "trial": i, "values": v, "mean": m}
        for i, (v, m) in enumerate(zip(values, means, strict=True))
    ]
    sweep.mkdir()
    table = {"metric": HOSTILE, "trials": trials, "rerun": [f"train '{HOSTILE}'"]}
    run_directory.write_json(sweep / "table.json", table)
    run_directory.write_json(sweep / "sweep.json", {"experiment": HOSTILE})
    (sweep / "plots").mkdir()
    save(figure(5, 3, "what it shows"), sweep / "plots" / "importance.png")


def without_never(rows):
    """The rows of the table of results, but for those of NEVER, which may have some."""
    return {claim: cells for claim, cells in rows.items() if not claim.startswith(f"{NEVER}:")}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of three experiments, one trained, with a sweep and a report."""
    folder = tmp_path_factory.mktemp("book")
    tables = [{"title": HOSTILE, "header": ["n"], "rows": [["9 s"], [HOSTILE], ["10 s"]]}]
    report = {"command": HOSTILE, "date": "d", "device": HOSTILE}
    report |= {"versions": {"jax": "1"}, "tables": tables}
    (folder / "report.json").write_text(json.dumps(report))
    three = {name: path for name, path in experiments.paths().items() if name in
             (TRAINED, RECORDED, NEVER)}  # fmt: skip
    command = ["book", str(folder / "runs"), "--out", str(folder / "book")]
    read = collect.results.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "paths", lambda: three)
        patch.setattr(collect.results, "read", lambda path: without_never(read(path)))
        assert main([*command, "--run", TRAINED, "--seeds", "2"]) == 0
        hostile_run(folder / "runs")
        hostile_sweep(folder / "runs")
        command.insert(1, str(folder / "runs" / ".." / "runs"))  # The same folder is read once.
        assert main([*command, "--benchmarks", str(folder / "report.json")]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["book", "report.json", "runs"]
    return folder / "book"


def test_what_stands_on_the_pages(book):
    index, trained = Page(book / "index.html"), Page(book / f"{TRAINED}.html")
    assert re.search(r"2\s+holds", index.text)
    assert "100.00 ± 0.00 %" in trained.text
    assert "over 2 seeds" in trained.text
    assert f"jax {HOSTILE}" in trained.text
    assert f"python launch.py reproduce {TRAINED} --seeds 5" in trained.text
    assert "learning_rate" in trained.text
    assert "def learner(config: Config" in trained.text
    assert len(trained.all("math")) == 2
    images = trained.all("img")
    assert any("2 seeds, bands ± 1 standard deviation" in image["alt"] for image in images)
    assert any("training, averaged over the epoch" in image["alt"] for image in images)
    recorded = Page(book / f"{RECORDED}.html")
    assert "97.64 ± 0.11 %" in recorded.text
    assert "There is no run of it here" in recorded.text
    for text in (index.text, Page(book / f"{NEVER}.html").text):
        assert "not run" in text
        assert f"python launch.py train {NEVER}" in text


def test_links_ids_and_what_screen_readers_need(book):
    pages = {path.name: Page(path) for path in book.glob("*.html")}
    assert set(pages) == {
        *("index.html", "performance.html", "sweep-1.html"),
        *(f"{name}.html" for name in (TRAINED, RECORDED, NEVER)),
    }
    ids = {name: [a["id"] for _, a in page.tags if "id" in a] for name, page in pages.items()}
    for name, page in pages.items():
        assert not page.open
        assert len(ids[name]) == len(set(ids[name]))
        assert page.all("html") == [{"lang": "en"}]
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        assert page.all("a")[0] == {"class": "skip", "href": "#content"}
        for attrs in page.all("img"):
            assert attrs["alt"].strip()
            assert attrs["width"]
        for attrs in page.all("a", "link", "img", "script"):
            file, _, part = (attrs.get("href") or attrs["src"]).partition("#")
            assert (book / (file or name)).is_file(), file
            assert not part or part in ids[file or name], part
        labels = [a[k] for _, a in page.tags for k in ("aria-labelledby",) if k in a]
        assert set(labels) <= set(ids[name])


def test_nothing_from_a_run_is_html(book):
    pages = [Page(path) for path in book.glob("*.html")]
    for page in pages:
        assert [attrs.keys() for attrs in page.all("script")] == [{"src", "defer"}]
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert sum(HOSTILE in page.text for page in pages) >= 3
    assert any(HOSTILE in image["alt"] for page in pages for image in page.all("img"))


def contrast(a, b):
    """The contrast of two colours #rrggbb, as WCAG 2 defines it."""

    def luminance(colour):
        shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme):
    style = (site.TEMPLATES / "style.css").read_text()
    colours = dict(re.findall(r"--(\w[\w-]*): (#\w{6})", style.split(":root {")[1 + scheme]))
    text = ("ink", "quiet", "link", "keyword", "string", "comment", "number", "name")
    pairs = [(name, ground) for name in text for ground in ("paper", "raised", "code")]
    pairs += [(name, f"{name}-tint") for name in ("good", "bad", "none")]
    for name, ground in pairs:
        assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def test_a_folder_that_is_no_book_is_refused(tmp_path, capsys, monkeypatch):
    (tmp_path / "thesis.tex").write_text("years of work")
    monkeypatch.chdir(tmp_path)
    assert main(["book", "--out", "."]) == 2
    assert capsys.readouterr().err == "error: --out . exists and is no book: give another folder\n"
    assert main(["book", "--out", "thesis.tex"]) == 2
    assert main(["book", "--out", "no/book"]) == 2
    assert main(["book", "--quick"]) == 2
    assert main(["book", "nowhere"]) == 2
    assert main(["book", "--benchmarks", "thesis.tex"]) == 2
    assert main(["book", "--benchmarks", "nowhere"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_report_is_named(tmp_path, capsys):
    table = {"title": "An epoch", "header": ["n", "s"], "rows": [["1", "2"], ["3"]]}
    report = {"command": "c", "date": "d", "device": "d", "versions": {}, "tables": [table]}
    path, out = tmp_path / "report.json", tmp_path / "book"
    for rows, what in (
        ([["3"]], "a row of 'An epoch' does not fit its header"),
        ([["\ud800", ""]], "it has a lone surrogate, which is not valid Unicode text"),
    ):
        table["rows"] = rows
        path.write_text(json.dumps(report))
        assert main(["book", "--out", str(out), "--benchmarks", str(path)]) == 2
        assert capsys.readouterr().err == f"error: {path} is damaged: {what}\n"
    assert not out.exists()


def test_what_a_book_does_not_have_is_never_deleted(tmp_path):
    own, link = tmp_path / "own", tmp_path / "link"
    with site.writing(own) as folder:
        (folder / "index.html").write_text(site.GENERATOR)
    link.symlink_to(own)
    with site.writing(link) as folder:
        (folder / "index.html").write_text(f"{site.GENERATOR} again")
    assert link.is_symlink()
    assert (own / "index.html").read_text().endswith("again")
    (own / "runs").mkdir()
    with pytest.raises(UserError, match="own: 'runs' is no part of a book"):
        site.check_folder(own)
    with pytest.raises(UserError, match="'runs'"), site.writing(own):
        pass
    assert sorted(path.name for path in own.iterdir()) == ["index.html", "runs"]


def test_an_interrupted_exchange_leaves_the_earlier_book(tmp_path, monkeypatch):
    book = tmp_path / "book"
    with site.writing(book) as folder:
        (folder / "index.html").write_text(site.GENERATOR)
    rename = Path.rename

    def interrupted(self, target):
        if self.name == "made":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), site.writing(book):
        pass
    assert (book / "index.html").read_text() == site.GENERATOR
    assert [path.name for path in tmp_path.iterdir()] == ["book"]


def test_runs_of_other_settings_are_named(book, tmp_path, monkeypatch):
    alone = {TRAINED: experiments.paths()[TRAINED]}
    monkeypatch.setattr(experiments, "paths", lambda: alone)
    seed = book.parent / "runs" / "reproduce" / TRAINED / "seed0"
    run = shutil.copytree(seed, tmp_path / "runs" / "other")
    about = run_directory.read_config(run)
    about["config"]["epochs"] += 1
    run_directory.write_json(run / run_directory.CONFIG, about)
    warnings = []
    ((entry,), _) = collect.collect([tmp_path / "runs"], tmp_path, warnings.append)
    assert entry.runs == []
    assert warnings == [f"{run} has other settings than the claims of {TRAINED}: left out"]


def test_whole_or_not_at_all(book):
    before = {path: path.read_bytes() for path in book.rglob("*") if path.is_file()}
    beside = set(book.parent.iterdir())

    def fail():
        with site.writing(book) as folder:
            (folder / "index.html").write_text("half")
            raise UserError("enough")

    with pytest.raises(UserError, match="enough"):
        fail()
    assert {path: path.read_bytes() for path in book.rglob("*") if path.is_file()} == before
    assert set(book.parent.iterdir()) == beside


def test_a_report_that_lacks_its_tables(tmp_path):
    path = tmp_path / "report.json"
    path.write_text('{"command": "c", "date": "2026-11-29", "device": "CPU", "versions": {}}')
    with pytest.raises(UserError, match='report.json .* "tables"'):
        collect.report(path)


def test_what_is_no_latex_is_shown_as_it_is():
    assert site.formulas(r"\left(<b>") == [[r"<code>\left(&lt;b&gt;</code>"]]
    assert site.formulas("") == []
    equation, other = site.formulas("a = b, \\quad c =\nd\n\ne")
    assert (len(equation), len(other)) == (2, 1)
    assert "<mi>d</mi>" in equation[1]


def test_signs_and_bars_are_set_close_to_what_they_belong_to():
    (((formula,),)) = site.formulas(r"|a - b| \sim f(-c, -1): \begin{cases} -d \end{cases}")
    assert formula.count('form="prefix">−<') == 3
    assert formula.count('lspace="0" rspace="0">|<') == 2
    assert re.findall("<mo [^>]*>(∼|:)<", formula) == ["∼", ":"]


def test_a_figure_says_what_it_shows(tmp_path):
    drawn = figure(5, 3, "A costs 3 $", "of 2")
    axes = drawn.subplots()
    axes.plot([1, 2], [3, 4], label="A")
    tidy(axes, "epoch", "loss")
    (tmp_path / "figures").mkdir()
    shown = figures._figure(save(drawn, tmp_path / "a.png"), "a", "a", tmp_path)
    assert shown.alt == "A costs 3 $. of 2. loss against epoch. A"


needs_browser = pytest.mark.skipif(not browser.PATH, reason="no Chromium is installed")


def open_all(book, folder):
    """Open every page in a browser, without errors and without requests other than for files."""
    with browser.browser(folder) as page:
        for path in sorted(book.glob("*.html")):
            page.open(path.as_uri())
            assert page.run("document.querySelectorAll('h1').length") == 1
            broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).length"
            assert page.run(broken) == 0
        assert page.errors == []
        assert all(url.startswith("file:") for url in page.requests)
        return len(page.requests)


@needs_browser
def test_pages_open(book, tmp_path):
    assert open_all(book, tmp_path) >= 18


@needs_browser
def test_sorting_and_copying(book, tmp_path):
    rows = "[...document.querySelectorAll('tbody tr')].map(r => r.cells[1].textContent).join()"
    with browser.browser(tmp_path) as page:
        page.open((book / "sweep-1.html").as_uri())
        assert page.run(rows) == "0,1,2,3"
        page.run("document.querySelectorAll('th button')[3].click()")  # 10, 9, none, 100.
        assert page.run(rows) == "1,0,3,2"
        sort = "[...document.querySelectorAll('th')].map(h => h.ariaSort).join()"
        assert page.run(sort) == "none,none,none,ascending,none,none,none,none"
        page.run("document.querySelectorAll('th button')[3].click()")
        assert page.run(rows) == "3,0,1,2"
        page.run("document.querySelectorAll('th button')[5].click()")  # .5, none, .25, .125.
        assert page.run(rows) == "3,2,0,1"
        page.run("document.querySelector('[data-copy]').click()")
        page.run("new Promise(done => setTimeout(done, 200))")
        assert (
            page.run("document.querySelector('[data-copy] + [role=status]').textContent")
            == "Copied"
        )
        page.open((book / "performance.html").as_uri())
        page.run("document.querySelector('th button').click()")
        first = "document.querySelector('tbody').rows[0].textContent"
        assert page.run(first) == "9 s"
        assert page.errors == []


@needs_browser
def test_no_page_is_wider_than_a_telephone(book, tmp_path):
    with browser.browser(tmp_path) as page:
        page.size(360, 800)
        for path in sorted(book.glob("*.html")):
            page.open(path.as_uri())
            assert page.run("document.documentElement.scrollWidth") <= 360, path.name


@pytest.mark.slow
def test_all_experiments(tmp_path, capsys):
    assert main(["book", "--out", str(tmp_path / "book")]) == 0
    assert not [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(list((tmp_path / "book").glob("*.html"))) == len(experiments.paths()) + 2
    sizes = [path.stat().st_size for path in (tmp_path / "book").rglob("*") if path.is_file()]
    assert sum(sizes) < 10e6  # Leaves 20 MB to figures.
    if browser.PATH:
        open_all(tmp_path / "book", tmp_path / "profile")
