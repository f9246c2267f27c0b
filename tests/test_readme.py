"""Every command of the README runs: launch.py's here on a small MNIST, the others in CI."""

import re
import shlex
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from dlfun.cli.main import main
from dlfun.data import Dataset
from dlfun.learner import Learner
from dlfun.metrics import Ratio

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))
PERCEPTRON, IN_PYTHON, OWN_ARRAYS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^python launch\.py (.*)$", BLOCKS, re.MULTILINE)


def test_every_line_is_accounted_for():
    """A line is a launch.py command, run below, or a set-up line, run by .ci/run."""
    lines = [line for line in BLOCKS.splitlines() if line]
    setup = [line for line in lines if not line.startswith("python launch.py")]
    assert len(setup) == 2
    assert all(line.startswith("python3 -m venv .venv && ") for line in setup)
    assert len(COMMANDS) >= 10


def test_the_code_of_the_idea_learns():
    """README's perceptron separates AND."""
    names = {"jnp": jnp, "Ratio": Ratio, "Learner": Learner}
    exec(PERCEPTRON, names)
    learner = names["perceptron"](1.0)
    x = jnp.asarray([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    batch = {"x": x, "y": jnp.asarray([0.0, 0.0, 0.0, 1.0]), "weight": jnp.ones(4)}
    state = learner.init(None, batch)
    for _ in range(20):
        state, _ = learner.update(state, batch, None)
    assert float(learner.evaluate(state, batch, None)["loss"].total) == 0


def test_the_dataset_of_own_arrays():
    names = {"Dataset": Dataset, "x": np.zeros((100, 4, 4, 1)), "y": np.zeros(100, np.int32)}
    exec(OWN_ARRAYS, names)
    dataset = names["data"](None)
    assert (dataset.size("train"), dataset.size("test")) == (80, 20)


def claims(command):
    """Whether a command checks claims."""
    return command.startswith("reproduce ") and "/" not in command


@pytest.mark.slow
def test_the_tour(capsys, small_mnist, tmp_path, monkeypatch):
    """In the README's order, as each builds on those before; with fewer seeds and names."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((28, 28), np.uint8)).save("digit.png")
    for number, name in enumerate(("train/cat", "train/dog", "test/cat", "test/dog") * 3):
        photograph = Path("photos") / name / f"{number}.jpg"
        photograph.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + number, 36), (20 * number, 0, 0)).save(photograph)
    for command in sorted(COMMANDS, key=claims):
        if "reproduce foundations" in command:
            continue  # A minute of many trainings: .ci/run has it.
        command = command.replace("log(1e-4,1,9)", "1e-3").replace("sgd,momentum", "sgd")
        command = command.replace("nesterov,adagrad,rmsprop,adadelta,adam,", "")
        command = re.sub(r"(reproduce \w+)( \w+)+", r"\1", command)
        arguments = shlex.split(re.sub(r"--seeds \d+", "--seeds 1", command))
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = stop.code
        said = capsys.readouterr()
        # 300 images reach no claim: reproduce says so with status 1.
        assert status == (1 if claims(command) else 0), (command, said.err)
        assert said.out, command
        assert "error" not in said.err, command
    assert {p.name for p in Path("runs/mine").iterdir()} >= {
        "config.json",
        "metrics.jsonl",
        "result.json",
        "checkpoints",
        "plots",
    }
    assert list(Path("runs/mine").glob("events.*"))
    names = {}
    exec(IN_PYTHON, names)
    assert names["probabilities"].shape == (10, 10)
    assert {row["seed"] for row in names["trials"]} == {0}


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)(.*?)\)", README))
def test_links(link):
    file, _, heading = link.partition("#")
    assert (ROOT / file).exists()
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    assert file or heading in [text.lower().replace(" ", "-") for text in headings]
