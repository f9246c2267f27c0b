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

FORMULA = r"""
L = -\frac{1}{T} \sum_{t=1}^{T} \log p(x_t \mid x_{<t}), \quad p(x_t \mid x_{<t}) =
\operatorname{softmax}(V h_{t-1} + c)_{x_t}

r, u = \sigma(W_{r,u} x_t + U_{r,u} h_{t-1} + b_{r,u}), \quad n = \tanh(W_n x_t + b_n + r \odot
(U_n h_{t-1} + b_n'))

h_t = (1 - u) \odot n + u \odot h_{t-1}
"""
CLAIMS = [Claim("test/loss", "beside Karpathy (2015)", at_most=1.62)]
QUICK = Quick({"epochs": 1, "hidden": 128}, [Claim("test/loss", "counts of pairs", at_most=2.486)])
DEFAULT = Config(cell="gru")
