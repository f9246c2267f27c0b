"""Configurations survive JSON, and bad values are named."""

import dataclasses
import json
from typing import Annotated

import pytest
from annotated_types import Ge, Gt

from dlfun import config as configs
from dlfun.errors import UserError
from dlfun.optimizers import Optimizer, Schedule


@dataclasses.dataclass(frozen=True)
class Config:
    hidden: tuple[Annotated[int, Ge(1)], ...] = (128,)
    rate: Annotated[float, Gt(0)] | None = None
    optimizer: Optimizer = Optimizer()


def test_round_trip():
    config = Config((3, 4), 0.5, Optimizer("adamw", schedule=Schedule("cosine", warm_up=2.0)))
    plain = json.loads(json.dumps(configs.to_dict(config)))
    assert configs.from_dict(Config, plain) == config


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config((3, 0)), "--hidden must be at least 1, got 0"),
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
