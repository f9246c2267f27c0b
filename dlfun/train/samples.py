"""Samples that a generative experiment draws when it is trained."""

import inspect
import math
from collections.abc import Iterable
from typing import Any

from dlfun.errors import UserError
from dlfun.experiment import Experiment, Trained
from dlfun.random import stream


def draw_samples(
    experiment: Experiment,
    trained: Trained,
    count: int,
    seed: int,
    prime: str | None = None,
    temperature: float | None = None,
    label: str | None = None,
) -> Iterable[Any]:
    """The texts or images that `experiment.sample` draws, `count` of them.

    `prime` is a text that each of them continues, `temperature` divides the logits of what is
    drawn, and `label` is the class of all of them; None stands for the experiment's own.

    Raises:
        UserError: a number that is out of bounds, or an empty prime; the experiment draws no
            samples, or its `sample` takes no prime, temperature or label and one is given.
    """
    if count < 1:
        raise UserError(f"count must be at least 1, got {count}")
    if temperature is not None and not 0 < temperature < math.inf:
        raise UserError(f"temperature must be greater than 0 and finite, got {temperature}")
    if prime == "":
        raise UserError("prime is empty: expected a text to be continued")
    if experiment.sample is None:
        raise UserError(f"experiment '{experiment.name}' draws no samples")
    options = {"prime": prime, "temperature": temperature, "label": label}
    options = {name: value for name, value in options.items() if value is not None}
    taken = inspect.signature(experiment.sample).parameters
    for name in options:
        if name not in taken:
            flag = "class" if name == "label" else name
            raise UserError(f"the samples of experiment '{experiment.name}' take no {flag}")
    return experiment.sample(trained, stream(seed, "sample"), count, **options)
