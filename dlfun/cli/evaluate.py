"""The command `evaluate`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dlfun.cli.console import Run, show_metrics, warn


@dataclass(frozen=True)
class Evaluate:
    """Recompute the metrics of the held-out splits from a checkpoint."""

    run_dir: Run
    """Run directory."""
    checkpoint: Literal["last", "best"] = "last"
    """The best checkpoint is that of the best objective, on the validation split where there is
    one, else on the training split."""
    json: bool = False
    """Print JSON instead of lines."""

    def __call__(self) -> int:
        from dlfun.train import run_directory
        from dlfun.train.driver import evaluate

        metrics = evaluate(self.run_dir, warn, self.checkpoint)
        result = run_directory.read_result(self.run_dir)
        recorded = {split: result.get("metrics", {}).get(split) for split in metrics}
        equal = None
        if self.checkpoint == "last" and result.get("status") == "completed":
            # Both through JSON, where nan is equal to nan.
            equal = run_directory.to_json(metrics) == run_directory.to_json(recorded)
        elif self.checkpoint == "last":
            status = result.get("status", "not begun")
            warn(f"the run is {status}: nothing is compared with {run_directory.RESULT}")
        if self.json:
            print(run_directory.to_json({"metrics": metrics, "equal_to_result": equal}))
        else:
            show_metrics(metrics)
            if equal:
                print("equal to result.json")
            elif equal is False:
                names = ", ".join(_different(metrics, recorded))
                print(f"NOT equal to result.json: {names}")
        return 1 if equal is False else 0


def _different(measured: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """The metrics, as split/name, whose values differ, or that only one of the two has."""
    from dlfun.train.run_directory import to_json

    different = []
    for split, metrics in measured.items():
        before = recorded[split] or {}
        for name in metrics.keys() | before.keys():
            if name not in metrics:
                different.append(f"{split}/{name} (not measured any more)")
            elif name not in before:
                different.append(f"{split}/{name} (not recorded)")
            elif to_json(metrics[name]) != to_json(before[name]):
                different.append(f"{split}/{name}")
    return sorted(different)
