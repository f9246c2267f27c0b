"""A GRU writes in the manner of Shakespeare, character by character.

Figure: test loss 1.538 ± 0.012 nats a character (three seeds), where counting comes to 1.669
Time: 200 s on 1 CPU core
Command: python launch.py train shakespeare_gru

The setting of `shakespeare_lstm` with another cell: beside it, what the form of the gates is worth.
"""

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

CLAIMS = [Claim("test/loss", "beside Karpathy (2015)", at_most=1.62)]
QUICK = Quick({"epochs": 1, "hidden": 128}, [Claim("test/loss", "counts of pairs", at_most=2.486)])
DEFAULT = Config(cell="gru")
