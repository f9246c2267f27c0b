"""The networks of `text_cnn` tell subjective sentences from those of plots.

Figure: accuracy on SUBJ, ten folds: not measured yet
Time: not measured yet
Command: python launch.py train text_cnn_subj

10,000 sentences (SUBJ; Pang, Lee 2004), in the setting of `text_cnn` (Kim 2014).
"""

from dlfun.experiment import Claim, Quick

from .text_cnn import QUICK_VALUES, Config, data, figures, inputs, kim_claims, measure, stages

__all__ = [
    "CLAIMS",
    "DEFAULT",
    "QUICK",
    "Config",
    "data",
    "figures",
    "inputs",
    "measure",
    "stages",
]

FORMULA = r"""
c_i = \operatorname{ReLU}(w \cdot x_{i:i+h-1} + b), \quad \hat{c} = \max_i c_i, \quad p(y \mid x)
= \operatorname{softmax}(V \hat{c} + d)_y, \quad \lVert V_{y \cdot} \rVert \le 3
"""
CLAIMS = kim_claims(0.915, 0.885, rand=0.896, nonstatic=0.934)
QUICK = Quick(QUICK_VALUES, [Claim("test/rand_accuracy", "half of the filters", at_least=0.8)])
DEFAULT = Config(dataset="subj")
