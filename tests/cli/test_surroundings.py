"""Commands under unusual conditions of folders, terminals, disks, signals and processes."""

import errno
import importlib.metadata
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from tensorboardX import record_writer

from dlfun import experiment as experiments
from dlfun.cli.main import main
from dlfun.data import Dataset
from dlfun.data import folders as data_folders
from dlfun.errors import UserError
from dlfun.plots import style
from dlfun.train import options, program_cache, run_directory, signals
from dlfun.train.options import Machines
from tests import toy
from tests.train.test_events import events

ROOT = Path(__file__).parents[2]
TOY = ["train", "toy", "--epochs", "2", "--tuning", "1"]


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.fixture
def _toy(monkeypatch):
    toy.register(monkeypatch)


def test_the_cache_keeps_what_was_used_last(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = program_cache.folder()
    assert kept == tmp_path / "dlfun" / "xla"
    kept.mkdir(parents=True)
    for number in range(10):
        file = kept / f"program{number}"
        file.write_bytes(bytes(100))
        os.utime(file, (number, number))
    assert program_cache.remove(kept, 1000, 500) == 0
    assert "10 programs, 0.0 MB of at most" in run(capsys, "cache")[1]
    assert program_cache.remove(kept, 999, 500) == 500
    assert sorted(file.name for file in kept.iterdir()) == [f"program{n}" for n in range(5, 10)]
    assert run(capsys, "cache", "--clear")[0] == 0
    assert not list(kept.iterdir())


def test_a_program_that_is_cut_off_in_the_cache_is_compiled_anew(tmp_path):
    """A process was killed while it wrote one: one line, and none afterwards."""
    code = """
        import os, jax
        from dlfun.train import program_cache
        program_cache.use()
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        for number in range(3):
            jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((9, 9))).block_until_ready()
            files = [file for _, _, file in program_cache.contents(program_cache.folder())]
            assert files and all(os.path.getsize(file) > 50 for file in files)
            jax.clear_caches()
            if number == 0:
                for file in files:
                    os.truncate(file, 50)
    """
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    kept = tmp_path / "dlfun/xla"
    assert done.stderr == f"warning: {kept} has a damaged program, which is compiled anew\n"


@pytest.mark.parametrize("cache", ["", "relative"])
def test_a_cache_folder_that_is_not_absolute_is_ignored(monkeypatch, tmp_path, cache):
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert program_cache.folder() == tmp_path / ".cache/dlfun/xla"
    assert data_folders.roots(None)[-1] == tmp_path / ".cache/dlfun/data"


def test_without_a_home_programs_are_not_kept(capsys, monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", none)
    program_cache.use()
    assert "no home directory" in run(capsys, "cache")[1]
    assert data_folders.roots(None)[-1].is_absolute()


@pytest.mark.parametrize("flag", ["--data-dir", "--experiments"])
def test_a_folder_that_is_not_there_is_named_by_every_command(capsys, flag):
    for command in ("list", "train", "evaluate", "sweep-report", "data"):
        status, _, err = run(capsys, command, flag, "/nowhere")
        assert (status, err) == (2, f"error: {flag} /nowhere: no such folder\n")


def test_a_run_finds_its_data_again(capsys, tmp_path, monkeypatch):
    """From another directory, without the variable, and an image folder named as it lay."""
    monkeypatch.setenv("DLFUN_DATA", "")
    monkeypatch.chdir(tmp_path)
    for split, name in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        folder = tmp_path / "data/photos" / split / name
        folder.mkdir(parents=True)
        for number in range(3):
            image = np.full((8, 8), 200 if name == "a" else 20 + number, np.uint8)
            (folder / f"{number}.pgm").write_bytes(b"P5 8 8 255\n" + image.tobytes())
    flags = ["--hidden", 4, "--epochs", 1, "--batch-size", 2]
    asked = ["train", "mnist_mlp", *flags, "--dataset", "folder:photos"]
    assert run(capsys, *asked, "--data-dir", "data", "--run-dir", "named")[0] == 0
    monkeypatch.setenv("DLFUN_DATA", "")
    monkeypatch.chdir(tmp_path / "data")
    assert run(capsys, *asked, "--run-dir", tmp_path / "here")[0] == 0
    monkeypatch.chdir(ROOT)
    for name in ("named", "here"):
        monkeypatch.setenv("DLFUN_DATA", "")
        status, out, err = run(capsys, "evaluate", tmp_path / name)
        assert status == 0, err
        assert "equal to result.json" in out


def test_output_that_is_ascii_or_no_terminal(tmp_path):
    """Signs that it lacks are spelled; no colours and no rows broken at 80 columns."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "FORCE_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "launch.py", "list", "foundations"],
        cwd=ROOT, env=environment, capture_output=True, check=True,
    )  # fmt: skip
    text = done.stdout.decode("ascii")
    assert "\x1b" not in text
    assert any(len(line) > 80 for line in text.splitlines())
    assert ">=" in text
    assert "?" in text  # A letter, such as a Greek one.


def test_an_interrupt_that_a_library_swallowed_stops_the_training(monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    try:
        signals.remember_interrupt()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), signals.stop_signal():
            pass
    finally:
        signals._interrupted.clear()
        signal.signal(signal.SIGINT, before)
    with signals.stop_signal() as stopped:
        assert not stopped.is_set()


@pytest.mark.usefixtures("_toy")
def test_a_full_disk_leaves_no_run_that_seems_to_run(capsys, tmp_path, monkeypatch):
    """Before a checkpoint, and where not even a new result.json can be written."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    status, _, err = run(capsys, *TOY, "--run-dir", tmp_path / "run")
    assert status == 2
    assert err.splitlines()[-1].startswith("error: no space left on the disk for a checkpoint in")
    assert run_directory.read_result(tmp_path / "run")["status"] == "failed"
    assert not list((tmp_path / "run").rglob("*.part"))

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    run_directory.write_result(tmp_path / "run", {"status": "running", "more": "x" * 100})
    monkeypatch.setattr(run_directory, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        run_directory.write_result(tmp_path / "run", {"status": "failed"})
    assert run_directory.read_result(tmp_path / "run")["status"] == "failed"


@pytest.mark.usefixtures("_toy")
def test_a_full_disk_fails_every_member_of_a_sweep(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    over = ["--over", "rate=0.1,0.2", "--events"]
    status, _, err = run(capsys, "sweep", "toy", *over, "--run-dir", tmp_path / "s")
    assert status == 2
    assert err.splitlines()[-1].startswith("error: no space left on the disk for a checkpoint in")
    results = [run_directory.read_result(path) for path in tmp_path.glob("s/trials/*/seed0")]
    assert [result["status"] for result in results] == ["failed"] * 2


@pytest.mark.usefixtures("_toy")
def test_events_that_cannot_be_written_stop_nothing(capsys, tmp_path, monkeypatch):
    """Nor do they print tracebacks: their thread ends with the training, even if that fails."""

    class Full(io.BytesIO):
        def write(self, data):
            if self.tell() > 100:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(record_writer, "open_file", lambda path: Full())
    threads = threading.active_count()
    assert run(capsys, *TOY, "--run-dir", tmp_path / "run")[0] == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    assert run(capsys, *TOY, "--run-dir", tmp_path / "failed")[0] == 2
    assert threading.active_count() == threads


def test_a_run_of_more_devices_is_read_where_there_is_one(
    capsys, small_mnist, tmp_path, monkeypatch
):
    flags = ["--hidden", "4", "--epochs", "1", "--devices", "2"]
    assert run(capsys, "train", "mnist_mlp", *flags, "--run-dir", tmp_path / "two")[0] == 0
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    status, out, err = run(capsys, "evaluate", tmp_path / "two", "--json")
    assert status in (0, 1), err  # Equal to rounding.
    result = run_directory.read_result(tmp_path / "two")["metrics"]["test"]
    assert json.loads(out)["metrics"]["test"]["loss"] == pytest.approx(result["loss"], rel=1e-5)


def test_virtual_devices_have_a_limit(monkeypatch):
    updated = {}
    monkeypatch.setattr(jax.config, "update", updated.__setitem__)
    options.configure_jax(options.Options(devices=100_000_000))
    assert updated["jax_num_cpu_devices"] == options.MOST_CPU_DEVICES


def test_a_coordinator_that_cannot_be_is_one_line(monkeypatch):
    monkeypatch.setattr(options, "ANSWER_SECONDS", 0)
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for number, where, words in (
            (1, "localhost:0", "PORT from 1 to 65535"),
            (1, "localhost:65536", "PORT from 1 to 65535"),
            (0, f"localhost:{port}", "cannot be used: address already in use"),
        ):
            with pytest.raises(UserError, match=words):
                options.initialize_distributed(Machines(where, 2, number))

        def answer():
            with taken.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 404")

        threading.Thread(target=answer).start()
        with pytest.raises(UserError, match="no process 0 answers: something else does"):
            options.initialize_distributed(Machines(f"localhost:{port}", 2, 1))
    with pytest.raises(UserError, match="no process 0 answers: connection refused"):
        options.initialize_distributed(Machines(f"localhost:{port}", 2, 1))
    with pytest.raises(UserError, match="of 3 processes these did not come .*: 1, 2"):
        options.initialize_distributed(Machines(f"localhost:{port}", 3, 0))


@pytest.mark.usefixtures("_toy")
def test_events_of_a_beginning_before_are_not_kept(capsys, tmp_path):
    """A run whose checkpoints are gone starts again from 0: each step has one value."""
    for _ in range(2):
        assert run(capsys, *TOY, "--run-dir", tmp_path / "run")[0] == 0
        shutil.rmtree(tmp_path / "run/checkpoints")
        (tmp_path / "run/result.json").unlink()
        time.sleep(1.1)  # The name of the file of events holds the second.
    steps = [
        event.step
        for event in events(tmp_path / "run")
        for value in event.summary.value
        if value.tag == "train/loss"
    ]
    assert len(steps) == len(set(steps)) + 1  # The last is there again, as a result.


def test_a_library_without_metadata_has_a_version_all_the_same(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: None)
    assert set(run_directory.environment()["versions"].values()) >= {"unknown"}


def test_files_beside_experiments(capsys, tmp_path, monkeypatch):
    """Those of editors and systems are none; one that is half written is named, others listed."""
    monkeypatch.setenv(experiments.VARIABLE, "")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / ".#broken.py").symlink_to("nowhere")
    (mine / "._broken.py").write_bytes(b"\x00\x05\x16\x07")
    (mine / "broken.py").write_text('"""It is half written."""\n\n\ndef data(')
    status, out, err = run(capsys, "list", "mine", "--experiments", mine)
    assert status == 0
    assert f"cannot be read: {mine}/broken.py, line 4: '(' was never closed" in out
    assert "._broken" not in out + err
    status, _, err = run(capsys, "train", "broken")
    assert status == 2
    reason = f"{mine}/broken.py, line 4: '(' was never closed"
    assert err == f"error: experiment 'broken' cannot be read: {reason}\n"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": np.zeros(3), "y": np.zeros(4)}, "x has 3, y has 4"),
        ({"x": np.zeros(0)}, "x has 0"),
        ({}, "there are none"),
    ],
)
def test_arrays_of_unequal_lengths_are_refused(columns, words):
    dataset = Dataset("mine", {"train": {"x": np.zeros(2)}, "test": columns})
    with pytest.raises(UserError, match=f"mine: the arrays of split 'test' .*{words}"):
        dataset.check()


def test_letters_that_no_font_has_are_told_once(capsys, tmp_path, monkeypatch):
    style._say_once.cache_clear()
    monkeypatch.setitem(style.rcParams, "font.family", ["DejaVu Sans"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("a", "b"):
            style.save(style.figure(4, 3, "\ue0ff\ue0fe"), tmp_path / f"{name}.png")
    assert capsys.readouterr().err.count("no font here has all letters") == 1
    assert (tmp_path / "a.png").is_file()
