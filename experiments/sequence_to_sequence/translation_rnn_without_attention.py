"""Without attention one vector has to hold the whole German sentence, and translations are worse.

Figure: 25.4 ± 0.2 BLEU (3 seeds), with attention 40.4 ± 0.5
Time: 15 min on 1 CPU core
Command: python launch.py train translation_rnn_without_attention

The setting of `translation_rnn` with the last states of the encoder in place of attention, as
Sutskever et al. (2014).
"""

from dlfun.experiment import Claim, Quick

from .translation_rnn import Config, data, figures, inputs, learner, measure, outputs

__all__ = [
    "CLAIMS",
    "DEFAULT",
    "FORMULA",
    "QUICK",
    "Config",
    "data",
    "figures",
    "inputs",
    "learner",
    "measure",
    "outputs",
]

SOURCE = "beside `translation_rnn`"
FORMULA = r"""
h_0 = \tanh(W [\overrightarrow{s}_T; \overleftarrow{s}_1]), \quad h_t =
\operatorname{GRU}(y_{t-1}, h_{t-1})

p(y_t \mid y_{<t}, x) = \operatorname{softmax}\left(V \tanh(W_c h_t + b)\right)_{y_t}
"""
CLAIMS = [Claim("test/bleu", SOURCE, at_least=15, at_most=35)]
QUICK = Quick(
    {"epochs": 1, "embedding": 64, "hidden": 64, "min_count": 5, "optimizer.learning_rate": 4e-3},
    [Claim("test/bleu", SOURCE, at_least=1)],
)
DEFAULT = Config(attention="none")
