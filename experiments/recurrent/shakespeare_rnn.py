"""A plain RNN reads Shakespeare character by character, beside the LSTM and the GRU.

Figure: test loss 1.944 ± 0.034 nats a character (3 seeds); counts of five characters: 1.669
Time: 60 s on 1 CPU core
Command: python launch.py train shakespeare_rnn

The setting of `shakespeare_lstm` with a cell without gates: beside it, what gates are worth. Counts
of pairs of characters come to 2.486 nats.
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

h_t = \tanh(W x_t + U h_{t-1} + b)
"""
CLAIMS = [Claim("test/loss", "counts of pairs", at_most=2.486)]
QUICK = Quick({"epochs": 1, "hidden": 128}, [Claim("test/loss", "counts of pairs", at_most=2.486)])
DEFAULT = Config(cell="rnn")
