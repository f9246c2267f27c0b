"""Gradients through time vanish or explode in an RNN; an LSTM with an open forget gate passes them.

Figure: in 100 steps the RNN loses 5.5 decades; gain 3 adds 12.9; the open LSTM 1.3 (3 seeds)
Time: 15 s on 1 CPU core
Command: python launch.py train gradient_flow

‖∂L_T/∂s_t‖ against T - t (Bengio et al., 1994; Pascanu et al., 2013), for the loss of the last of
100 steps of the adding problem and networks of 64 units before training; s_t is the state that a
step hands on, h_t, for the LSTM (h_t, c_t). The RNN's recurrent matrix is orthogonal times a gain,
the modulus of all its eigenvalues: the gradient shrinks in each step by at least that factor, as
tanh' ≤ 1, and with a gain of 3 it grows. In the LSTM the factor is about σ(b) for a forget bias b:
0.73 for b = 1, 0.99 for b = 5. One step of gradient descent (rate 0.1) from the network with large
weights saturates its units, after which next to no gradient passes them; clipped at norm 1 it does
not. Nothing is learned: an epoch measures the networks once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import jax
from annotated_types import Ge, Gt

from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data.dataset import Dataset
from dlfun.data.memory_tasks import adding, check_length, drawn
from dlfun.experiment import Claim, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.train.gather import evaluate_split, whole
from dlfun.transforms import drawing

from .flow import Network, gradient_flow, saturation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Pascanu et al. (2013), sec. 2"
FORMULA = r"""
\frac{\partial L_T}{\partial h_t} = \frac{\partial L_T}{\partial h_T} \prod_{k=t+1}^{T}
\frac{\partial h_k}{\partial h_{k-1}}, \quad \frac{\partial h_k}{\partial h_{k-1}} =
\operatorname{diag}(1 - h_k^2) \, U

\frac{\partial c_k}{\partial c_{k-1}} \approx \operatorname{diag}(f_k), \quad f_k \approx
\sigma(b_f)
"""
CLAIMS = [
    Claim("test/rnn_rate", SOURCE, at_least=0.75, at_most=0.9),
    Claim("test/rnn_decades", SOURCE, at_most=-4),
    Claim("test/large_rnn_decades", SOURCE, at_least=4),
    Claim("test/open_lstm_decades", "Gers et al. (2000)", at_least=-1),
    Claim("test/large_rnn_gradient_norm", SOURCE, at_least=1e3),
    Claim("test/saturated_unclipped", "Pascanu et al. (2013), sec. 3.2", at_least=0.9),
    Claim("test/saturated_clipped", "Pascanu et al. (2013), sec. 3.2", at_most=0.5),
]
QUICK = Quick(
    {"length": 20, "hidden": 32, "examples": 64}, [Claim("test/rnn_rate", SOURCE, at_most=0.9)]
)


@dataclass(frozen=True)
class Config:
    """Recurrent networks that are measured and not trained."""

    length: Annotated[int, Ge(1)] = 100
    """Steps of a sequence."""
    hidden: Annotated[int, Ge(1)] = 64
    """Units of each network."""
    gain: Annotated[float, Gt(0)] = 0.9
    """Modulus of the eigenvalues of the RNN's recurrent matrix."""
    large_gain: Annotated[float, Gt(0)] = 3.0
    """The same of the RNN with large weights."""
    forget_bias: float = 1.0
    """Forget bias of the usual LSTM."""
    open_bias: float = 5.0
    """Forget bias of the LSTM with an open forget gate."""
    learning_rate: Annotated[float, Gt(0)] = 0.1
    """Rate of the step of gradient descent."""
    clip_norm: Annotated[float, Gt(0)] = 1.0
    """Largest norm of the gradient in the clipped step."""
    examples: Annotated[int, Ge(1)] = 200
    """Sequences."""
    epochs: Epochs = 1
    batch_size: BatchSize = 100
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Sequences of the adding problem to measure on."""
    check_length("length", config.length, 4)
    draw = partial(adding, length=config.length)
    return drawn("adding", draw, config.batch_size, config.examples)


def networks(config: Config) -> dict[str, Network]:
    """The networks by name."""
    return {
        "rnn": Network("rnn", config.gain),
        "large_rnn": Network("rnn", config.large_gain),
        "lstm": Network("lstm", 1.0, config.forget_bias),
        "open_lstm": Network("lstm", 1.0, config.open_bias),
        "gru": Network("gru"),
    }


def learner(config: Config, dataset: Dataset) -> Learner:
    """All networks, measured."""
    flow = gradient_flow(networks(config), config.hidden)
    return drawing(flow, partial(adding, length=config.length))


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Norm of the gradient with large weights, and the units that a step along it saturates."""
    config, batch = trained.config, whole(trained.dataset.splits["test"])
    network, params = networks(config)["large_rnn"], trained.state["large_rnn"]
    rate, clip = config.learning_rate, config.clip_norm
    step = jax.jit(lambda params: saturation(network, config.hidden, params, batch, rate, clip))
    norm, free, clipped = (float(value) for value in step(params))
    return {
        "test/large_rnn_gradient_norm": norm,
        "test/saturated_unclipped": free,
        "test/saturated_clipped": clipped,
    }


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The norm of the gradient against the steps back from the loss."""
    from .drawing import gradient_by_lag

    config = trained.config
    labels = {
        "rnn": f"RNN, eigenvalues of modulus {config.gain:g}",
        "large_rnn": f"RNN, {config.large_gain:g}",
        "lstm": f"LSTM, forget bias {config.forget_bias:g}",
        "open_lstm": f"LSTM, forget bias {config.open_bias:g}",
        "gru": "GRU",
    }
    measured = evaluate_split(trained.learner, trained.state, trained.dataset.splits["test"])
    yield "gradient_by_lag", gradient_by_lag(measured, labels, float(config.gain))
