"""The networks of `text_cnn` tell subjective sentences from those of plots.

Figure: rand 90.3 ± 0.2 % (3 seeds, trained alone), nonstatic 91.0 % (1); naive Bayes 92.5 %
Time: 25 min on 1 CPU core; 7 min with `--networks rand`
Command: python launch.py train text_cnn_subj

10,000 sentences (SUBJ; Pang, Lee 2004), in the setting of `text_cnn` (Kim 2014). With one seed,
static vectors reach 89.8 % and several channels 90.3 %.
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
