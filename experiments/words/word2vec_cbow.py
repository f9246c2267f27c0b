"""A continuous bag of words learns vectors of words: the mean of a window predicts its middle.

Figure: TODO
Time: TODO
Command: python launch.py train word2vec_cbow

The setting of `word2vec_skipgram` with the other model of Mikolov et al. (2013).
"""

from dlfun.experiment import Claim, Quick

from .word2vec_skipgram import Config, data, figures, inputs, learner, measure, outputs, vectors

__all__ = [
    "CLAIMS",
    "DEFAULT",
    "QUICK",
    "Config",
    "data",
    "figures",
    "inputs",
    "learner",
    "measure",
    "outputs",
    "vectors",
]

CLAIMS = [Claim("test/negative_sampling_wordsim", "gensim 4.4", printed=0.22, at_least=0.19)]
QUICK = Quick({"epochs": 2}, CLAIMS)
DEFAULT = Config(model="cbow")
