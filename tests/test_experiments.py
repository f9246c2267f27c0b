"""Each experiment is found and described, and its claims can be checked."""

import inspect
import sys
import textwrap

import pytest

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.errors import UserError

NAMES = list(experiments.paths())
PROTOCOL = {"data", "learner", "stages", "measure", "sample", "figures"}


def test_the_walk_finds_experiments():
    assert {"mnist_mlp", "mnist_cnn", "mnist_rnn", "mnist_dbn", "shakespeare_lstm"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_docstring_and_claims(name):
    experiment = experiments.load(name)
    described = experiments.describe(name, experiments.paths()[name])
    assert all(described.values()), described
    assert f"Command: python launch.py train {name}" in experiment.description
    assert experiment.claims
    for claim in experiment.claims:
        assert claim.at_least is not None or claim.at_most is not None
        assert len(claim.metric.split("/")) == 2


@pytest.mark.parametrize("name", NAMES)
def test_what_a_reader_must_understand_is_short(name):
    """Config, data and learner, or stages, have at most 60 lines."""
    experiment = experiments.load(name)
    module = sys.modules[experiment.data.__module__]
    parts = [experiment.Config, experiment.data, vars(module).get("stages", experiment.stages)]
    parts += [vars(module)["learner"]] if "learner" in vars(module) else []
    own = [part for part in parts if inspect.getmodule(part) is module]
    lines = sum(len(textwrap.dedent(inspect.getsource(part)).splitlines()) for part in own)
    assert lines <= 60


@pytest.mark.parametrize("name", NAMES)
def test_no_submodule_hides_a_function(name):
    """A submodule called `figures` would replace the function of that name once imported."""
    path = experiments.paths()[name]
    if path.stem == "__init__":
        assert PROTOCOL.isdisjoint(file.stem for file in path.parent.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_the_quick_setting_is_one(name):
    experiment = experiments.load(name)
    quick = experiment.quick
    if quick is None:
        pytest.skip("none")
    assert set(quick.values) <= set(configs.flatten(experiment.default))
    changed = configs.replace(experiment.default, quick.values)
    configs.check(changed)
    assert changed != experiment.default
    assert quick.claims
    assert all(c.at_least is not None or c.at_most is not None for c in quick.claims)
    assert {c.metric for c in quick.claims} <= {c.metric for c in experiment.claims}


@pytest.mark.parametrize(
    ("missing", "words"),
    [("Config", "lacks Config"), ("data", "lacks data"), ("learner", "lacks learner or stages")],
)
def test_an_incomplete_module_is_named(missing, words):
    module = type(sys)("toy")
    given = {"Config": object, "CLAIMS": [], "data": len, "learner": len}
    vars(module).update({name: value for name, value in given.items() if name != missing})
    with pytest.raises(UserError, match=f"experiment 'toy' {words}"):
        experiments.from_module("toy", module)


def test_two_experiments_of_one_name_are_both_named(tmp_path, monkeypatch):
    for path in ("a/twin.py", "b/twin/__init__.py"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    monkeypatch.setattr(experiments, "ROOT", tmp_path)
    with pytest.raises(UserError, match=r"two experiments are named 'twin': .*a.twin.py and .*b"):
        experiments.paths()
