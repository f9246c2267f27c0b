"""The command `book`: the executable textbook, a static site of what experiments have shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from annotated_types import Ge

from dlfun import config as configs
from dlfun.cli.console import note, several, warn
from dlfun.cli.reproduce import expand, reproduce
from dlfun.errors import UserError
from dlfun.sweep.table import number_of


@dataclass(frozen=True)
class Book:
    """Write the executable textbook: a site of all experiments and what their runs have shown."""

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional, several("FOLDER …")]
    """Folders of runs and sweeps. Default: runs, where there is one."""
    out: Path = Path("book")
    """Folder of the site; an earlier book there is replaced."""
    run: Annotated[tuple[str, ...], several("NAME …")] = ()
    """Experiments or their folders to train first, into FOLDER/reproduce; finished runs stay."""
    seeds: Annotated[int, Ge(1)] | None = None
    """With --run: number of random seeds. Default: 5, with --quick 1."""
    quick: bool = False
    """With --run: train the quick setting of each experiment that has one."""
    benchmarks: Annotated[tuple[Path, ...], several("FILE …")] = ()
    """Reports that benchmarks wrote by their flag --json, for the page of performance."""

    def __call__(self) -> int:
        configs.check(self)
        try:
            from dlfun.cli.book import collect, site
        except ModuleNotFoundError as error:
            raise UserError(f"book needs {error.name}: pip install 'dlfun[book]'") from None
        for folder in self.folders:
            if not folder.is_dir() and not (self.run and folder == self.folders[0]):
                what = "is no folder" if folder.exists() else "no such folder"
                raise UserError(f"{folder}: {what}; book reads the runs below a folder")
        if (self.seeds or self.quick) and not self.run:
            raise UserError("--seeds and --quick are of the trainings that --run NAME … asks for")
        site.check_folder(self.out)
        reports = [collect.report(path) for path in self.benchmarks]
        folders = self.folders or (Path("runs"),)
        if self.run:
            seeds = self.seeds or (1 if self.quick else 5)
            reproduce(expand(self.run), seeds, folders[0] / "reproduce", self.quick)
        with site.writing(self.out) as folder:
            entries, sweeps = collect.collect(folders, folder, warn)
            site.write(folder, entries, sweeps, reports)
        trained = sum(bool(entry.runs) for entry in entries)
        note(
            f"{trained} of {len(entries)} experiments have runs; {number_of(len(sweeps), 'sweep')}"
        )
        print(self.out / "index.html")
        return 0
