"""Bad command lines, each of which is refused in one line with status 2 and leaves no folder."""

import contextlib
import io
import os
import shlex
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dlfun.cli.main import main

WRONG_NAMES = """
trian
--trian
Train mnist_mlp
train
train --epochs 1
train mnist_ml
train ./mnist_mlp
train mnist_mlp mnist_cnn
train "mnist_mlp "
train ""
train mnist_mlp --hiden 3
train mnist_mlp --lr 0.1
train mnist_mlp --optimizer adam
train mnist_mlp --optimizer.name adm
train mnist_mlp --optimizer.learning_rat 0.1
train mnist_mlp --optimizer.schedule.name cosin
train mnist_mlp --parallel jot
train mnist_mlp --feed disk
train mnist_mlp --loop fast
train mnist_mlp --precision float8
train mnist_mlp --dataset mnits
train mnist_mlp --dataset ""
train mnist_mlp --dataset tfds:
train mnist_mlp --dataset tfds:no/such/set
train mnist_mlp --dataset folder:
train mnist_mlp --dataset folder:nowhere
train mnist_mlp --dataset folder:file
train mnist_mlp --dataset folder:empty
summary
summary mnist_cn
summary mnist_mlp --hiden 3
summary nowhere/run
list recurent
list --jsn
data mnist
data --jsno
cache --clean
reproduce
reproduce mnist_rn
reproduce mnist_mlp foundation
reproduce nowhere/run
reproduce mnist_mlp --seed 3
"""
WRONG_VALUES = """
train mnist_mlp --epochs 0
train mnist_mlp --epochs -1
train mnist_mlp --epochs 1.5
train mnist_mlp --epochs many
train mnist_mlp --epochs
train mnist_mlp --epochs 1 2
train mnist_mlp --hidden x
train mnist_mlp --hidden 0
train mnist_mlp --hidden 16 -3
train mnist_mlp --batch-size 0
train mnist_mlp --batch-size 60001
train mnist_mlp --optimizer.learning-rate x
train mnist_mlp --optimizer.learning-rate 0
train mnist_mlp --optimizer.learning-rate nan
train mnist_mlp --optimizer.learning-rate inf
train mnist_mlp --optimizer.learning-rate 1e400
train mnist_mlp --optimizer.weight-decay -1
train mnist_mlp --validation 1
train mnist_mlp --validation -0.1
train mnist_mlp --validation 0.0000001
train mnist_mlp --seed -1
train mnist_mlp --seed 4294967296
train mnist_mlp --seed 1e3
train mnist_mlp --histograms yes
train mnist_dbn --labels 0
train mnist_dbn --examples 0
train mnist_dbn --pretraining.learning-rate 0
summary mnist_mlp --hidden 0
reproduce mnist_mlp --seeds 0
reproduce mnist_mlp --seeds five
sample run --count 0
sample run --seed -1
evaluate run --checkpoint first
export run --checkpoint 3
runs . --status done
runs . --sort accurate
runs . --experiment mnist_ml
compare run other --metric acuracy
compare run other --split tests
"""
WRONG_PLACES = """
train xor_mlp --run-dir file
train xor_mlp --run-dir file/run
train xor_mlp --run-dir empty/../file
train xor_mlp --run-dir full
train xor_mlp --run-dir sweep
train xor_mlp --run-dir /proc/run
train xor_mlp --run-dir /dev/null/run
train xor_mlp --run-dir run --epochs 2
train xor_mlp --run-dir run --hidden 9
train mnist_mlp --run-dir run
train xor_mlp --run-dir
train xor_mlp --from nowhere --run-dir new
train xor_mlp --from file --run-dir new
train xor_mlp --from sweep --run-dir new
train mnist_mlp --from run --run-dir new
train mnist_mlp --data-dir nowhere
train mnist_mlp --data-dir file
train mnist_mlp --data-dir
train mnist_mlp --experiments nowhere
evaluate
evaluate nowhere
evaluate file
evaluate empty
evaluate sweep
evaluate run extra
evaluate ""
plot nowhere
plot empty
plot sweep
plot untrained
evaluate untrained
export nowhere
export run --out file
export run --out file/below
sample run
sample nowhere
predict
predict run
predict run nowhere.png
predict run file
predict run picture.png
predict nowhere picture.png
predict sweep picture.png
runs nowhere
runs file
compare
compare run
compare run nowhere
compare run empty
compare run other --out nowhere/figure.png
compare run other --out figure.gif
compare run other --out figure
reproduce ./empty
reproduce ./untrained
reproduce ./sweep
reproduce xor_mlp --run-dir file
reproduce xor_mlp --seeds 1 --quick --write
"""
CONFLICTS = """
train mnist_mlp --devices 0
train mnist_mlp --devices 99
train mnist_mlp --devices 100000000
train mnist_mlp --devices two
train xor_mlp --coordinator localhost:1234
train xor_mlp --num-processes 2
train xor_mlp --coordinator nowhere --num-processes 2 --process-id 0
train xor_mlp --coordinator localhost:0 --num-processes 2 --process-id 0
train xor_mlp --coordinator localhost:65536 --num-processes 2 --process-id 0
train xor_mlp --coordinator localhost:1234 --num-processes 2 --process-id 2
train xor_mlp --coordinator localhost:1234 --num-processes 0 --process-id 0
train ridge --devices 2 --parallel pmap
"""
SWEEPS = """
sweep
sweep mnist_ml --over seed=1,2
sweep xor_mlp
sweep xor_mlp --over
sweep xor_mlp --over hidden
sweep xor_mlp --over =1,2
sweep xor_mlp --over hiden=(2,),(3,)
sweep xor_mlp --over seed=0,1
sweep xor_mlp --over epochs=one,two
sweep xor_mlp --over epochs=0,1
sweep xor_mlp --over hidden=2,x
sweep xor_mlp --over optimizer.learning_rate=0,1
sweep xor_mlp --over optimizer.learning_rate=log(0,1,3)
sweep xor_mlp --over optimizer.learning_rate=log(1,0.1,3)
sweep xor_mlp --over optimizer.learning_rate=log(0.1,1,0)
sweep xor_mlp --over optimizer.learning_rate=log(0.1,1
sweep xor_mlp --over optimizer.learning_rate=lag(0.1,1,3)
sweep xor_mlp --over optimizer.learning_rate=log(0.1,1)
sweep xor_mlp --over "optimizer.learning_rate=__import__('os').getcwd()"
sweep xor_mlp --over epochs=log(1,9,1000000000)
sweep xor_mlp --over epochs=int(1,3,0)
sweep xor_mlp --over epochs=1,2 --over epochs=3,4
sweep xor_mlp --over "optimizer.learning_rate=0.1,0.2 if optimizer.nam=adam"
sweep xor_mlp --over "optimizer.name,optimizer.learning_rate=(sgd,0.1),(adam,)"
sweep xor_mlp --over epochs=1,2 --trials 3
sweep xor_mlp --over epochs=1,2 --strategy random
sweep xor_mlp --over epochs=1,2 --strategy tpe --trials 0
sweep xor_mlp --over epochs=1,2 --strategy best
sweep xor_mlp --over epochs=1,2 --seeds 0
sweep xor_mlp --over epochs=1,2 --batch 0
sweep xor_mlp --over epochs=1,2 --metric test/acuracy
sweep xor_mlp --over epochs=1,2 --metric accuracy
sweep xor_mlp --over epochs=1,2 --goal most
sweep xor_mlp --over epochs=1,2 --storage nosuch://place
sweep xor_mlp --over epochs=1,2 --storage sqlite:////nowhere/x.db
sweep xor_mlp --over epochs=1,2 --workers 0
sweep xor_mlp --over epochs=1,2 --executor there
sweep xor_mlp --over epochs=1,2 --run-dir file
sweep xor_mlp --over epochs=1,2 --run-dir file/below
sweep xor_mlp --over epochs=1,2 --run-dir run
sweep xor_mlp --over epochs=1,2 --run-dir full
sweep xor_mlp --over epochs=1,2 --run-dir /proc/sweep
sweep xor_mlp --over epochs=1,2 --resume sweep
sweep xor_mlp --over "hidden=(8,),(4,)" --strategy quasi-random --trials 4
sweep mnist_mlp --over dataset=mnits,mnist
sweep mnist_mlp --over batch_size=60001,64 --dataset mnist
sweep --resume nowhere
sweep --resume run
sweep --resume file
sweep --resume sweep --seeds 3
sweep --resume sweep --storage sqlite:///other.db
sweep-report
sweep-report nowhere
sweep-report run
sweep-report sweep --storage sqlite:///other.db
"""
LINES = [
    line
    for block in (WRONG_NAMES, WRONG_VALUES, WRONG_PLACES, CONFLICTS, SWEEPS)
    for line in block.strip().splitlines()
] + [f"train xor_mlp --run-dir {'x' * 300}", f"sweep xor_mlp --seeds 2 --run-dir {'x' * 300}"]


class Refusal(NamedTuple):
    """The result of a bad command line."""

    line: str
    status: int | None
    """Exit status, None where it raised."""
    errors: str
    """Text printed to standard error, or the traceback."""
    left: list[str]
    """Files and folders that it has made, removed or changed."""

    @property
    def wrong(self) -> bool:
        """False if the last line gives the reason, the status is 2, and nothing is left."""
        lines = self.errors.splitlines()
        error_lines = [number for number, line in enumerate(lines, 1) if line.startswith("error: ")]
        # A sweep may have said before what it is about to do.
        return error_lines != [len(lines)] or len(lines) > 2 or self.status != 2 or bool(self.left)


def prepare(folder: Path) -> None:
    """Make what the lines name: two runs, one that is not trained, a sweep, files and folders."""
    flags = ["--hidden", "2", "--epochs", "1"]
    for name, seed in (("run", "0"), ("other", "1")):
        assert main(["train", "xor_mlp", *flags, "--seed", seed, "--run-dir", name]) == 0
    (folder / "untrained").mkdir()
    (folder / "untrained/config.json").write_bytes((folder / "run/config.json").read_bytes())
    over = ["--over", "optimizer.learning_rate=0.1,0.2", "--run-dir", "sweep"]
    assert main(["sweep", "xor_mlp", *flags, *over]) == 0
    (folder / "file").write_text("a file\n")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full/letter.txt").write_text("a letter\n")


def try_all(folder: Path, lines: Sequence[str] = LINES) -> Iterator[Refusal]:
    """Run the lines one after another in this process, in a folder as `prepare` leaves it."""
    for line in lines:
        before, environment = contents(folder), dict(os.environ)
        errors, status = io.StringIO(), None
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            try:
                status = main(shlex.split(line))
            except SystemExit as stop:
                status = stop.code if isinstance(stop.code, int) else 1
            except Exception:
                traceback.print_exc()
        os.environ.clear()
        os.environ.update(environment)
        changed = {path for path, _ in before.items() ^ contents(folder).items()}
        yield Refusal(line, status, errors.getvalue(), sorted(changed))


def contents(folder: Path) -> dict[str, int]:
    """The time of the last change of each file by its path; 0 for a folder."""
    # A lock is taken to find out whether a run is in use.
    paths = [path for path in folder.rglob("*") if path.name != ".lock"]
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns * p.is_file() for p in paths}
