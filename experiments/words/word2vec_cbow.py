"""A continuous bag of words learns vectors of words: the mean of a window predicts its middle.

Figure: ρ of WordSim 0.240, MEN 0.395, SimLex 0.093 (three seeds); gensim 0.218, 0.377, 0.095 (one)
Time: 62 s of processor time, 4 min on a busy core
Command: python launch.py train word2vec_cbow

The setting of `word2vec_skipgram` with the other model of Mikolov et al. (2013). By the
hierarchical softmax ρ is 0.248, 0.355 and 0.059, gensim's 0.181, 0.371 and 0.041. The neighbours
share 0.47 with gensim's (Jaccard index) by negative sampling, and 0.53 between two seeds of gensim;
by the hierarchical softmax, whose tree is another one here, 0.31 of 0.47.
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
    {"epochs": 6}, [Claim("test/negative_sampling_simlex", "fewer epochs", at_least=0.05)]
)
DEFAULT = Config(model="cbow")
