"""The figure of the vanishing and the exploding gradient."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dlfun.plots.compared import DASHES
from dlfun.plots.style import PALETTE, figure, tidy


def gradient_by_lag(measured: Mapping[str, Any], labels: Mapping[str, str], gain: float) -> Figure:
    """‖∂L_T/∂s_t‖ against T - t, a line for each network, and the power of the RNN's eigenvalues.

    `measured` has log₁₀ of the norms as NAME_flow, from lag 0 on; `labels` maps NAME to a label;
    `gain` is the modulus of the eigenvalues of the network "rnn".
    """
    title = "Gradients vanish in the RNN, explode with large weights, and pass the LSTM's open gate"
    drawn = figure(9, 5.5, title, "before training, mean over sequences of the logarithm")
    axes = drawn.subplots()
    for number, (name, label) in enumerate(labels.items()):
        flow = np.asarray(measured[f"{name}_flow"])
        dash = DASHES[number % len(DASHES)]
        axes.plot(10.0**flow, color=PALETTE[number], linestyle=dash, linewidth=2, label=label)
    lags = np.arange(len(measured["rnn_flow"]))
    axes.plot(lags, gain**lags, color="#222222", linewidth=1, label=f"{gain:g} to the power T − t")
    axes.set_yscale("log")
    tidy(axes, "steps back from the loss, T − t", "‖∂L/∂state‖, 1 at the last step")
    return drawn
