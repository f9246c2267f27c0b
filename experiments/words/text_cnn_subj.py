"""The networks of `text_cnn` tell subjective sentences from those of plots.

Figure: rand 90.2, static 89.8, nonstatic 91.0, multichannel 90.3 % (1 seed); naive Bayes 92.5 %
Time: 35 min on 1 CPU core of a busy machine
Command: python launch.py train text_cnn_subj

10,000 sentences (SUBJ; Pang, Lee 2004), in the setting of `text_cnn` (Kim 2014).
"""

from dlfun.experiment import Claim, Quick

from .text_cnn import (
    FORMULA,
    QUICK_VALUES,
    Config,
    data,
    figures,
    inputs,
    kim_claims,
    measure,
    stages,
)

__all__ = [
    "CLAIMS",
    "DEFAULT",
    "FORMULA",
    "QUICK",
    "Config",
    "data",
    "figures",
    "inputs",
    "measure",
    "stages",
]

CLAIMS = kim_claims(0.915, 0.885, rand=0.896, nonstatic=0.934)
QUICK = Quick(QUICK_VALUES, [Claim("test/rand_accuracy", "half of the filters", at_least=0.8)])
DEFAULT = Config(dataset="subj")
