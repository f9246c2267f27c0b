"""PLACEHOLDER."""

from dlfun.experiment import Claim, Quick

from .shakespeare_lstm import Config, data, figures, learner, measure, sample

__all__ = [
    "CLAIMS",
    "DEFAULT",
    "QUICK",
    "Config",
    "data",
    "figures",
    "learner",
    "measure",
    "sample",
]

CLAIMS = [Claim("test/loss", "beside Karpathy (2015)", at_most=3.0)]
QUICK = Quick({"epochs": 1, "hidden": 128}, [Claim("test/loss", "counts of pairs", at_most=2.486)])
DEFAULT = Config(cell="rnn")
