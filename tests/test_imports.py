"""Imports run one way: experiments → algorithms → nn → learner; cli → sweep → train → data."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dlfun"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOT = [path.stem for path in PACKAGE.glob("[!_]*.py")]
ALLOWED = {
    "nn": {"nn", "learner", "metrics", "errors", "config", "random"},
    "data": {"data", "errors", "config", "random"},
    "environments": {"environments", "learner", "metrics", "errors"},
}
FORBIDDEN = {module: {"algorithms", "train", "sweep", "plots", "cli"} for module in ROOT} | {
    "algorithms": {"train", "sweep", "plots", "cli"},
    "train": {"sweep", "plots", "cli"},
    "sweep": {"cli"},
}


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements below a node, also in functions, except those for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from statements(child)


def imported(path: Path) -> set[str]:
    """The root modules and folders of dlfun that a module imports, and "experiments"."""
    folder = path.relative_to(PACKAGE.parent).parent.parts
    parts = set()
    for statement in statements(ast.parse(path.read_text(encoding="utf-8"))):
        prefix: list[str] = []
        if isinstance(statement, ast.ImportFrom):
            prefix = [*folder[: len(folder) - statement.level + 1]] if statement.level else []
            prefix += statement.module.split(".") if statement.module else []
        for alias in statement.names:
            first, *rest = [*prefix, *alias.name.split(".")]
            parts |= {first} & {"experiments"} if first != "dlfun" else set(rest[:1])
    return parts - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    part, parts = path.relative_to(PACKAGE).with_suffix("").parts[0], imported(path)
    assert not parts & ({"experiments"} | FORBIDDEN.get(part, set()))
    assert part not in ALLOWED or parts <= ALLOWED[part]


def test_one_module_finds_the_experiments():
    assert [p.name for p in MODULES if "import_module" in p.read_text()] == ["experiment.py"]


def test_the_root_holds_few_modules():
    assert len(ROOT) <= 8, ROOT
