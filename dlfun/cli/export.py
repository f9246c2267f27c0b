"""The command `export`."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dlfun.cli.console import Run, warn
from dlfun.config import flatten_json
from dlfun.errors import UserError
from dlfun.experiment import format_metric

if TYPE_CHECKING:
    import numpy as np

FOLDER, WEIGHTS, CARD = "export", "model.safetensors", "README.md"


@dataclass(frozen=True)
class Export:
    """Write a run's parameters as safetensors, with a model card.

    Word vectors are also written as word2vec does, as NAME.txt and NAME.bin.
    """

    run_dir: Run
    """Run directory."""
    out: Path | None = None
    """Folder to write to. Default: RUN_DIR/export."""
    checkpoint: Literal["last", "best"] = "last"
    """Checkpoint to take the parameters from."""

    def __call__(self) -> int:
        for path in export(self.run_dir, self.out or self.run_dir / FOLDER, self.checkpoint):
            print(path)
        return 0


def export(run: Path, folder: Path, checkpoint: Literal["last", "best"] = "last") -> list[Path]:
    """Write model.safetensors and README.md into a folder, and word vectors; return the files.

    An array's name is its path in the learner's state, joined by dots: Dense_0.kernel. Running
    statistics are among them, the optimizer's memory is not. Raises UserError as `read_run` does,
    and where `folder` is a file.
    """
    import numpy as np
    from safetensors.numpy import save_file

    from dlfun.data import word_vectors
    from dlfun.nn.networks import MEMORY, parameters
    from dlfun.train import run_directory
    from dlfun.train.driver import read_run

    opened = read_run(run, warn, checkpoint)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file, expected a folder")
    arrays = {
        ".".join(path) or "array": np.asarray(array, order="C")
        for path, array in parameters(opened.trained.state, MEMORY).items()
    }
    about = run_directory.read_config(run)
    result = run_directory.read_result(run) if checkpoint == "last" else {}
    text = card(about, result, opened.experiment.description, opened.trained.step, arrays)
    run_directory.make_folder(folder)
    with run_directory.atomic(folder / WEIGHTS) as part:
        facts = {"experiment": opened.experiment.name, "step": str(opened.trained.step)}
        save_file(arrays, part, metadata={"format": "flax", **facts})
    run_directory.write_text(folder / CARD, text)
    files = [folder / WEIGHTS, folder / CARD]
    made = opened.experiment.vectors(opened.trained) if opened.experiment.vectors else {}
    for name, embedding in made.items():
        for file in (folder / f"{name}.txt", folder / f"{name}{word_vectors.BINARY}"):
            with run_directory.atomic(file) as part, part.open("wb") as opened_file:
                binary = file.suffix == word_vectors.BINARY
                word_vectors.write(opened_file, *embedding, binary)
            files.append(file)
    return files


def card(
    about: Mapping[str, Any],
    result: Mapping[str, Any],
    description: str,
    step: int,
    arrays: Mapping[str, "np.ndarray"],
) -> str:
    """The model card: what was trained and how, its metrics, and the arrays."""
    name, size = about["experiment"], sum(array.size for array in arrays.values())
    metrics = [
        f"| {split}/{metric} | {format_metric(metric, value)} |"
        for split, values in result.get("metrics", {}).items()
        for metric, value in values.items()
        if isinstance(value, float)
    ]
    settings = [f"| {path} | {value} |" for path, value in flatten_json(about["config"]).items()]
    shapes = [
        f"| {path} | {'×'.join(map(str, array.shape)) or 'scalar'} | {array.dtype} |"
        for path, array in arrays.items()
    ]
    versions, device = about.get("versions", {}), about.get("device", {})
    made = ", ".join(
        f"{key} {versions[key]}" for key in ("dlfun", "jax", "flax") if key in versions
    )
    read = f"""
        from safetensors.numpy import load_file

        parameters = load_file("{WEIGHTS}")
        """
    parts = [
        f"---\nlibrary_name: flax\ntags:\n- dlfun\n- {name}\n---",
        f"# {name}",
        f"```text\n{description.strip()}\n```",
        f"Trained for {step:,} updates ({result.get('status', 'from the best checkpoint')}) with "
        f"{made} on {device.get('kind', 'an unknown device')}; commit {about.get('commit')}.",
        f"```bash\n{about.get('command', '')}\n```",
        _section("Metrics", "| metric | value |", metrics),
        _section("Settings", "| field | value |", settings),
        _section(f"Parameters: {size:,}", "| name | shape | type |", shapes),
        f"```python{textwrap.dedent(read)}```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, head: str, rows: list[str]) -> str:
    rule = "|" + " --- |" * (head.count("|") - 1)
    return "\n".join([f"## {title}", "", head, rule, *rows]) if rows else ""
