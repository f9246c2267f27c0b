"""Configurations survive JSON, and bad values are named."""

import dataclasses
import json
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.errors import UserError
from dlfun.optimizers import Optimizer, Schedule


@dataclasses.dataclass(frozen=True)
class Config:
    hidden: tuple[Annotated[int, Ge(1)], ...] = (128,)
    rate: Annotated[float, Gt(0)] | None = None
    optimizer: Optimizer = Optimizer()
    size: Literal[14, 28] = 14


def test_round_trip():
    config = Config((3, 4), 0.5, Optimizer("adamw", schedule=Schedule("cosine", warm_up=2.0)))
    plain = json.loads(json.dumps(configs.to_dict(config)))
    read = configs.from_dict(Config, plain | {"rate": 1})
    assert read == dataclasses.replace(config, rate=1.0)
    assert (type(read.rate), type(read.size)) == (float, int)


@dataclasses.dataclass(frozen=True)
class Seeded:
    seed: configs.Seed = 0


@dataclasses.dataclass(frozen=True)
class Layered:
    channels: configs.SomeWidths = (8,)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config((3, 0)), "--hidden must be at least 1, got 0"),
        (Layered(()), "--channels must have at least one value, got none"),
        (Layered((0,)), "--channels must be at least 1, got 0"),
        (Seeded(-1), "--seed must be at least 0, got -1"),
        (Seeded(2**32), "--seed must be less than 4294967296, got 4294967296"),
        (Config(rate=0.0), "--rate must be greater than 0, got 0.0"),
        (Config(rate=float("nan")), "--rate must be greater than 0, got nan"),
        (Config(optimizer=Optimizer(beta1=1.0)), "--optimizer.beta1 must be less than 1, got 1.0"),
        (
            Config(optimizer=Optimizer(schedule=Schedule(period=-1.0))),
            "--optimizer.schedule.period must be greater than 0, got -1.0",
        ),
    ],
)
def test_out_of_bounds(config, words):
    with pytest.raises(UserError, match=f"^{words}$"):
        configs.check(config)


def test_unknown_field():
    with pytest.raises(UserError, match="no field 'hiden'.*did you mean 'hidden'"):
        configs.from_dict(Config, {"hiden": [3]})


def test_difference_names_each_field():
    old, new = configs.to_dict(Config()), configs.to_dict(Config(optimizer=Optimizer("sgd")))
    assert configs.difference(old, new) == ["optimizer.name: adam → sgd"]
    assert configs.difference(old, old) == []


@dataclasses.dataclass(frozen=True)
class Layers:
    """Floats that are values and floats that are structure."""

    noise: Annotated[float, Ge(0), configs.Static] = 0.5
    optional: Annotated[float, configs.Static] | None = 0.5
    rate: float = 0.1
    scale: float | None = None
    width: int = 3
    optimizer: Optimizer = Optimizer()


def test_values_are_the_floats_that_are_not_static():
    values = configs.values(Layers())
    assert values["rate"] == 0.1
    assert values["optimizer.learning_rate"] == 1e-3
    assert "optimizer.schedule.period" in configs.flatten(Layers())
    assert not {"noise", "optional", "scale", "width", "optimizer.name"} & set(values)
    assert configs.values(Layers(scale=2.0))["scale"] == 2.0
    assert "validation" not in configs.values(experiments.load("mnist_mlp").Config())


def test_replace_and_flatten_are_by_path():
    changed = configs.replace(Layers(), {"width": 4, "optimizer.schedule.period": 2.0})
    assert changed == Layers(width=4, optimizer=Optimizer(schedule=Schedule(period=2.0)))
    flat = configs.flatten(changed)
    assert (flat["width"], flat["optimizer.schedule.period"]) == (4, 2.0)
    assert configs.replace(Layers(), flat) == changed
