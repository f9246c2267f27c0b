"""Search spaces: what is typed is what is tried, and slips are named."""

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import Annotated, Literal

import optuna
import pytest
from annotated_types import Ge

from dlfun import experiment
from dlfun.cli import parse as cli
from dlfun.errors import UserError
from dlfun.sweep.space import (
    apply,
    flags,
    grid,
    numeric,
    parse,
    suggest,
    with_absolute_folders,
)

MLP = experiment.load("mnist_mlp").Config()
RNN = experiment.load("mnist_rnn").Config()


@dataclass(frozen=True)
class Inner:
    no_bias: bool = True
    """Leave the bias out."""


@dataclass(frozen=True)
class Every:
    """One field of every kind."""

    flag: bool = False
    rate: float | None = None
    count: Annotated[int, Ge(0)] | None = 3
    name: str = "a"
    maybe: str | None = "a"
    pair: tuple[int, float] = (1, 2.0)
    words: tuple[str, ...] = ()
    either: int | float = 1
    choice: Literal["x", "y", 3] = "x"
    inner: Inner = Inner()


def values(text, config=MLP):
    (dimension,) = parse([text], config).dimensions
    return list(dimension.values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flag=true, False", [True, False]),
        ("rate=None,1e-3,1", [None, 1e-3, 1.0]),
        ("count=none,4", [None, 4]),
        ("name=mnist,'tfds:a,b',12", ["mnist", "tfds:a,b", "12"]),
        ("maybe=none,b", [None, "b"]),
        ("pair=(1,2),[3, .5]", [(1, 2.0), (3, 0.5)]),
        ("words=(),(relu,),('a','b,c')", [(), ("relu",), ("a", "b,c")]),
        ("either=1,1.5", [1, 1.5]),
        ("choice=y,3", ["y", 3]),
        ("inner.no-bias=true", [True]),
        ("name=-x", ["-x"]),
    ],
)
def test_values_have_the_type_of_their_field_and_survive_the_command_line(text, expected):
    found = values(text, Every())
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))
    for point in grid(parse([text], Every())):
        assert cli.parse(Every, flags(point), "x") == apply(Every(), point)


def test_flags_of_a_nested_switch_that_is_off():
    point = {"inner.no_bias": False}
    assert cli.parse(Every, flags(point), "x") == apply(Every(), point)


def test_flags_of_an_experiment():
    point = {"hidden": (256, 128), "optimizer.learning_rate": 1e-5, "optimizer.name": "sgd"}
    said = flags(point)
    assert said[:5] == ["--hidden", "256", "128", "--optimizer.learning-rate", "1e-05"]
    assert cli.parse(type(MLP), said, "x") == apply(MLP, point)


def test_dashes_are_underscores():
    texts = ["optimizer.learning-rate=0.1", "--batch-size=32"]
    assert [d.path for d in parse(texts, MLP).dimensions] == [
        "optimizer.learning_rate",
        "batch_size",
    ]


def test_ranges():
    assert values("optimizer.learning_rate=log(1e-4,1e-1,4)") == [1e-4, 1e-3, 1e-2, 1e-1]
    assert values("optimizer.momentum=range(0.1,0.3,3)") == [0.1, 0.2, 0.3]
    assert values("epochs=int(1,10,4)") == [1, 5, 9]
    assert values("epochs=int(3,3)") == [3]
    assert values("batch_size=log(16,1024,7)") == [16, 32, 64, 128, 256, 512, 1024]
    assert values("batch_size=log(1,3,9)") == [1, 2, 3]
    assert values("batch_size=32,32,64") == [32, 64]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hiden=1", "no field 'hiden' (did you mean 'hidden'?)"),
        ("learning_rate=1", "no field 'learning_rate' (did you mean 'optimizer.learning_rate'?)"),
        ("optimizer=sgd", "'optimizer' is a group of fields: sweep optimizer.X, X of name, "),
        ("seed=0,1", "seeds are averaged over, never searched: use --seeds"),
        ("hidden", "'hidden' is not PATH=VALUES"),
        ("epochs=", "epochs: has no values"),
        ("epochs=1,,2", "epochs: '1,,2' has an empty value"),
        ("epochs=1.5", "epochs: '1.5' is not a whole number"),
        ("epochs=0", "--epochs must be at least 1, got 0"),
        ("hidden=64,128", "hidden: '64' is not a tuple; write (64,) for one item"),
        ("hidden=(64)", "hidden: '(64)' is not a tuple; write (64,) for one item"),
        ("hidden=(64,", "hidden: '(64,' has a bracket or quote without its partner"),
        ("hidden=(64,x)", "hidden: 'x' is not a whole number"),
        ("hidden=(64,0)", "--hidden must be at least 1, got 0"),
        ("optimizer.name=sgd,adm", "optimizer.name: 'adm' is none of sgd, "),
        ("optimizer.name=adm", "(did you mean 'adam'?)"),
        ("optimizer.learning_rate=big", "'big' is not a finite number"),
        ("optimizer.learning_rate=inf", "'inf' is not a finite number"),
        ("optimizer.l2=big", "optimizer.l2: 'big' is not a finite number"),
        ("optimizer.learning_rate=log(1,0.1)", "log(1,0.1) is empty: 1 is not below 0.1"),
        ("optimizer.learning_rate=log(0,0.1)", "both ends must be above 0"),
        ("optimizer.learning_rate=log(0.1)", "has 1 arguments, expected log(lo,hi[,n])"),
        ("optimizer.learning_rate=log(a,b)", "'a' is not a finite number"),
        ("optimizer.learning_rate=log(.1,1,1)", "has 1 points, expected 2 or more"),
        ("optimizer.learning_rate=int(1,3)", "makes whole numbers, the field takes real ones"),
        ("optimizer.momentum=range(0.5,1)", "--optimizer.momentum must be less than 1, got 1.0"),
        ("optimizer.name=log(1,2)", "makes numbers, which this field does not take"),
        ("epochs=range(1,2)", "makes real numbers, the field takes whole ones: use int(lo,hi)"),
        ("epochs=int(3,1)", "int(3,1) is empty"),
        ("epochs=int(1,3,0)", "has a step of 0, expected 1 or more"),
    ],
)
def test_slips_are_named(text, words):
    with pytest.raises(UserError) as caught:
        parse([text], MLP)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["epochs=1", "epochs=2"], "epochs is swept twice"),
        (["epochs=1 if foo=1"], "no field 'foo'"),
        (["epochs=1 if epochs=1"], "epochs depends on epochs, which must be swept before it"),
        (["epochs=1 if batch_size=1", "batch_size=1"], "which must be swept before it"),
        (["epochs=1 if optimizer.name=foo"], "condition on optimizer.name: 'foo' is none of"),
        (["epochs=1 if batch_size"], "'batch_size' is not PATH=VALUES"),
        (["epochs=1 if seed=1"], "never searched"),
        (["epochs=1,2", "batch_size=1 if epochs=3"], "tries no value of it that is 3"),
        (["validation=range(0,0.5)", "epochs=1 if validation=0.1"], "tries no value of it"),
        (["epochs=1", "epochs=2"], "epochs is swept twice: give all its values at once"),
        (
            ["batch_size=1,2,3", "epochs=1 if batch_size=1,2", "epochs=2 if batch_size=2"],
            "epochs is swept twice where batch_size has the same value",
        ),
        (["epochs,batch_size=(1,2),(3)"], r"'\(3\)' is not \(epochs,batch_size\), a value"),
        (["epochs,batch_size=1,2"], "'1' is not"),
        (["epochs,batch_size=(1,x)"], "'x' is not a whole number"),
        (["epochs,batch_size=(1,0)"], "--batch-size must be at least 1"),
        (["epochs,epochs=(1,2)"], "a field is named twice"),
        (["epochs,epoch=(1,2)"], "no field 'epoch'"),
        (["epochs,hidden=(1,(8,)),(2,(9,))", "epochs=1"], "swept twice"),
    ],
)
def test_slips_between_dimensions_are_named(texts, words):
    with pytest.raises(UserError, match=words):
        parse(texts, MLP)


CONDITIONAL = [
    "optimizer.name=sgd,momentum,adam",
    "optimizer.momentum=0.5,0.9 if optimizer.name=momentum,nesterov",
    "optimizer.learning_rate=0.1,0.01 if optimizer.momentum=0.5",
]


def test_conditions_leave_values_out():
    points = grid(parse(CONDITIONAL, MLP))
    names = [point["optimizer.name"] for point in points]
    assert names == ["sgd", "momentum", "momentum", "momentum", "adam"]
    for point in points:
        assert ("optimizer.momentum" in point) == (point["optimizer.name"] == "momentum")
        assert ("optimizer.learning_rate" in point) == (point.get("optimizer.momentum") == 0.5)
    assert len({tuple(point.items()) for point in points}) == len(points)


def test_fields_that_belong_together_are_set_together():
    together = "optimizer.name,optimizer.learning_rate,hidden=(sgd,0.1,(8,)),(adam,1e-3,(8,8))"
    space = parse([together, "epochs=1,2"], MLP)
    points = grid(space)
    assert [tuple(point.values()) for point in points] == [
        (name, rate, hidden, epochs)
        for name, rate, hidden in (("sgd", 0.1, (8,)), ("adam", 1e-3, (8, 8)))
        for epochs in (1, 2)
    ]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    assert all(suggest(space, study.ask()) in points for _ in range(20))


def test_a_field_may_have_a_range_of_its_own_for_each_case():
    texts = [
        "optimizer.name=sgd,adam",
        "optimizer.learning_rate=log(1e-2,1,3) if optimizer.name=sgd",
        "optimizer.learning_rate=log(1e-4,1e-2,3) if optimizer.name=adam",
    ]
    space = parse(texts, MLP)
    rates = {"sgd": [1e-2, 1e-1, 1], "adam": [1e-4, 1e-3, 1e-2]}
    assert [tuple(point.values()) for point in grid(space)] == [
        (name, rate) for name in rates for rate in rates[name]
    ]
    rate = space.fields[1]
    assert (rate.path, rate.kind) == ("optimizer.learning_rate", "log")
    assert list(rate.values) == [1e-4, 1e-3, 1e-2, 1e-1, 1]
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        point = suggest(space, trial)
        assert point["optimizer.learning_rate"] in rates[point["optimizer.name"]]
        study.tell(trial, 0.0)


def test_a_condition_may_look_at_the_base_config():
    text = ["hidden=64,128 if cell=lstm"]
    assert grid(parse(text, RNN)) == [{}]
    assert len(grid(parse(text, dataclasses.replace(RNN, cell="lstm")))) == 2


def test_grid_is_the_product():
    space = parse(["hidden=(64,),(128,64)", "epochs=int(1,3)"], MLP)
    points = grid(space)
    assert [(p["hidden"], p["epochs"]) for p in points] == [
        (hidden, epochs) for hidden in ((64,), (128, 64)) for epochs in (1, 2, 3)
    ]
    assert apply(MLP, points[-1]) == dataclasses.replace(MLP, hidden=(128, 64), epochs=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optimizer.learning_rate=log(1e-4,0.1)", r"is continuous.*log\(0.0001,0.1,5\).*tpe"),
        ("epochs=int(1,1000000000)", "grows past 100,000 points"),
    ],
)
def test_no_grid_of_endless_points(text, words):
    with pytest.raises(UserError, match=words):
        grid(parse([text], MLP))


def test_only_ranges_are_numeric():
    assert numeric(parse(["epochs=int(1,3)", "optimizer.learning_rate=log(.1,1)"], MLP))
    assert not numeric(parse(["epochs=1,3"], MLP))


def test_suggestions_lie_in_the_space_and_survive_storage(tmp_path):
    texts = [
        *CONDITIONAL[:2],
        "hidden=(64,),(256,128)",
        "optimizer.l2=none,1e-4",
        "optimizer.learning_rate=log(1e-4,1e-1)",
        "optimizer.beta1=range(0,0.9,4)",
        "validation=range(0,0.5)",
        "batch_size=log(8,512)",
        "epochs=int(1,9,2)",
    ]
    space = parse(texts, MLP)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        journal = optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.log"))
        storage = optuna.storages.JournalStorage(journal)
    sampler = optuna.samplers.RandomSampler(0)
    study = optuna.create_study(storage=storage, study_name="a", sampler=sampler)
    points = []
    for _ in range(20):
        trial = study.ask()
        points.append(suggest(space, trial))
        study.tell(trial, 0.0)
    for point in points:
        assert ("optimizer.momentum" in point) == (point["optimizer.name"] == "momentum")
        for dimension in space.dimensions:
            if dimension.path in point:
                value = point[dimension.path]
                assert value in dimension.values or dimension.low <= value <= dimension.high
    assert {type(point["batch_size"]) for point in points} == {int}
    assert {point["hidden"] for point in points} == {(64,), (256, 128)}
    # From storage, the same trials mean the same points.
    study = optuna.load_study(storage=storage, study_name="a")
    fixed = [suggest(space, optuna.trial.FixedTrial(trial.params)) for trial in study.trials]
    assert fixed == points


def test_logarithmic_suggestions_are_even_in_the_logarithm():
    space = parse(["optimizer.learning_rate=log(1e-4,1)"], MLP)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    logs = [math.log10(suggest(space, study.ask())["optimizer.learning_rate"]) for _ in range(200)]
    assert sum(log < -2 for log in logs) == pytest.approx(100, abs=25)


@pytest.mark.parametrize(
    ("text", "absolute"),
    [
        ("name=folder:a,folder:ab, 'folder:c,(d'", "name='{0}/a','{0}/ab', '{0}/c,(d'"),
        ("name,rate=(folder:a,0.1),(mnist,0.2)", "name,rate=('{0}/a',0.1),(mnist,0.2)"),
        ("rate=1,2 if name=folder:ab,folder:a", "rate=1,2 if name='{0}/ab','{0}/a'"),
        ("name=folder:a if maybe=b", "name='{0}/a' if maybe=b"),
        ("name=folder:nowhere,arrays:x.npz", "name=folder:nowhere,'{1}/x.npz'"),
    ],
)
def test_datasets_that_are_folders_get_absolute_paths(tmp_path, monkeypatch, text, absolute):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "ab", "c,(d"):
        (tmp_path / name).mkdir()
    (tmp_path / "x.npz").touch()
    base = dataclasses.replace(Every(), name="folder:a", maybe="b")
    (recorded,) = with_absolute_folders([text], base)
    assert recorded == absolute.format(f"folder:{tmp_path}", f"arrays:{tmp_path}")
    before, after = (parse([one], base) for one in (text, recorded))
    assert len(before.dimensions[0].values) == len(after.dimensions[0].values)
