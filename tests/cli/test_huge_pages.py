"""A program starts again in huge pages where Linux gives them on request, and once."""

import sys

import pytest

from dlfun.cli import huge_pages as pages


@pytest.mark.parametrize(
    ("switch", "already", "again"),
    [
        ("always [madvise] never", None, True),
        ("[always] madvise never", None, False),
        (None, None, False),
        ("always [madvise] never", "glibc.malloc.arena_max=1", False),
        ("always [madvise] never", pages.SETTING, False),
    ],
)
def test_starts_again_where_it_helps(switch, already, again, tmp_path, monkeypatch):
    there = tmp_path / "enabled"
    if switch:
        there.write_text(switch + "\n")
    started = []
    monkeypatch.setattr(pages, "SWITCH", there)
    monkeypatch.setattr(pages.os, "execv", lambda *program: started.append(program))
    monkeypatch.setattr(pages.os, "environ", {pages.VARIABLE: already} if already else {})
    pages.in_huge_pages(["train", "mnist_mlp"])
    assert started == ([(sys.executable, sys.orig_argv)] if again else [])
    assert pages.os.environ.get(pages.VARIABLE) == (pages.SETTING if again else already)


@pytest.mark.parametrize("arguments", [[], ["list"], ["evaluate", "runs/mine"]])
def test_only_training_starts_again(arguments, tmp_path, monkeypatch):
    switch = tmp_path / "enabled"
    switch.write_text("always [madvise] never")
    monkeypatch.setattr(pages, "SWITCH", switch)
    monkeypatch.setattr(pages.os, "environ", {})
    monkeypatch.setattr(pages.os, "execv", pytest.fail)
    pages.in_huge_pages(arguments)


def test_a_traced_process_does_not_start_again(tmp_path, monkeypatch):
    switch = tmp_path / "enabled"
    switch.write_text("always [madvise] never")
    monkeypatch.setattr(pages, "SWITCH", switch)
    monkeypatch.setattr(pages.os, "environ", {})
    monkeypatch.setattr(pages.os, "execv", pytest.fail)
    monkeypatch.setattr(pages.sys, "gettrace", lambda: print)
    pages.in_huge_pages(["train", "mnist_mlp"])
