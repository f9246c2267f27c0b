"""A damaged file of a run directory is named in one line, or survived; never a traceback."""

import copy
import json
import shutil

import pytest

from dlfun.cli.main import main
from tests import toy

FILES = {
    "config.json": "config.json",
    "result.json": "result.json",
    "metrics.jsonl": "metrics.jsonl",
    "manifest.json": "checkpoints/00000015/manifest.json",
}
OTHERS = (None, [], 3, "text")


def variants(text):
    """Contents that a file of this text may have by mistake."""
    yield "empty", b""
    yield "cut", text[: len(text) // 2]
    yield "flipped", text[:7] + bytes([text[7] ^ 0x40]) + text[8:]
    yield "binary", b"\xff\xfe\x00" + text
    for other in OTHERS:
        yield f"all {other}", json.dumps(other).encode() + b"\n"
    first, newline, rest = (text, b"", b"") if text.startswith(b"{\n") else text.partition(b"\n")
    value = json.loads(first)
    del value["checksum"]  # Else nothing beside it would be looked at.
    for path in paths(value):
        for other in (None, [], "text", {"a": None}):
            changed = copy.deepcopy(value)
            *parents, last = path
            inner = changed
            for key in parents:
                inner = inner[key]
            inner[last] = other
            yield f"{path} {other}", json.dumps(changed).encode() + newline + rest
        del inner[last]
        yield f"no {path}", json.dumps(changed).encode() + newline + rest


def paths(value):
    """The keys at the first two levels of an object."""
    for key, inner in value.items():
        yield (key,)
        if isinstance(inner, dict):
            yield from ((key, other) for other in list(inner)[:2])


@pytest.fixture
def run(tmp_path, monkeypatch):
    toy.register(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "toy", "--run-dir", "run"]) == 0
    return tmp_path / "run"


COMMANDS = {
    "config.json": [["export", "run"], ["runs", "."]],
    "result.json": [["compare", "run", "other"], ["train", "toy", "--run-dir", "run"]],
    "metrics.jsonl": [["compare", "run", "other"]],
    "manifest.json": [["export", "run"]],
}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_or_survived(name, run, capsys):
    path = run / FILES[name]
    whole = path.read_bytes()
    shutil.copytree(run, run.with_name("other"))
    named = 0
    for what, content in variants(whole):
        for command in COMMANDS[name]:
            path.write_bytes(content)
            capsys.readouterr()
            status = main(command)
            said = capsys.readouterr().err
            assert status in (0, 1, 2), (what, command, said)
            assert "Traceback" not in said
            lines = [li for li in said.splitlines() if li.startswith(("error: ", "warning: "))]
            assert status != 2 or len(lines) == 1, (what, command, said)
            named += any("damaged" in line for line in lines)
            if command[0] == "train":
                shutil.rmtree(run)
                shutil.copytree(run.with_name("other"), run)
    assert named > 20


def test_a_home_is_found_and_not_made(tmp_path, monkeypatch, capsys):
    toy.register(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(["train", "toy", "--run-dir=~/mine"]) == 0
    assert (tmp_path / "home/mine/result.json").exists()
    assert not (tmp_path / "~").exists()
