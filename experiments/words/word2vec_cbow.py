"""A continuous bag of words learns vectors of words: the mean of a window predicts its middle.

Figure: ρ of WordSim 0.238, MEN 0.381, SimLex 0.092 (three seeds); gensim 0.218, 0.377, 0.095 (one)
Time: 2 min by negative sampling on 2 busy CPU cores; both ways not measured yet
Command: python launch.py train word2vec_cbow

The setting of `word2vec_skipgram` with the other model of Mikolov et al. (2013). Its neighbours
share 0.45 with gensim's (Jaccard index), and 0.49 between two seeds.
"""

from dlfun.experiment import Claim, Quick

from .word2vec_skipgram import (
    Config,
    data,
    figures,
    gensim_claims,
    inputs,
    learner,
    measure,
    outputs,
    vectors,
)

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

FORMULA = r"""
L = -\log \sigma(u_w \cdot h) - \sum_{k=1}^{5} \log \sigma(-u_{n_k} \cdot h), \quad h =
\frac{1}{|C|} \sum_{c \in C} v_c, \quad n_k \sim p(n) \propto f_n^{3/4}
"""
CLAIMS = gensim_claims(
    negative_sampling=(0.218, 0.377, 0.095), hierarchical_softmax=(0.181, 0.371, 0.041)
)
QUICK = Quick(
    {"epochs": 2}, [Claim("test/negative_sampling_simlex", "a tenth of the epochs", at_least=0.05)]
)
DEFAULT = Config(model="cbow")
