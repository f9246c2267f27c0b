"""The networks of `text_cnn` tell what a question asks for.

Figure: rand 90.1 ± 1.8, nonstatic 91.4 ± 0.9 % (3 seeds); naive Bayes 79.2 %
Time: 1 min on 1 CPU core
Command: python launch.py train text_cnn_trec

5,452 questions of six classes, and 500 to test on (TREC; Li, Roth 2002), in the setting of
`text_cnn` (Kim 2014).
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

CLAIMS = kim_claims(0.7, 0.875, rand=0.912, nonstatic=0.936)
QUICK = Quick(QUICK_VALUES, [Claim("test/rand_accuracy", "half of the filters", at_least=0.7)])
DEFAULT = Config(dataset="trec")
