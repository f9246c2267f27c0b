"""An RNN, an LSTM and a GRU as one learner, to be compared on one task."""

from collections.abc import Callable
from typing import Any

import optax
from jax import Array

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.learner import Learner
from dlfun.metrics import Metrics
from dlfun.nn.models.sequence_reader import SequenceReader
from dlfun.transforms import compare

CELLS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
"""Recurrent cells by name, and what a figure calls them."""


def compare_cells(
    hidden: int,
    outputs: int,
    loss: Callable[[Array, Array], Array],
    optimizer: optax.GradientTransformation,
    *,
    eval_metrics: Callable[..., Metrics] = metrics.no_metrics,
    every_step: bool = False,
    forget_bias: float | Array = 1.0,
    **options: Any,
) -> Learner:
    """Learner that trains a `SequenceReader` of each cell on the same batches, as `compare` does.

    Args:
        hidden: units of each network.
        outputs: size of a prediction.
        loss: one loss per example from predictions and targets.
        optimizer: gradient transformation of every one of them.
        eval_metrics: metrics from predictions, targets and weights, in training and evaluation.
        every_step: predictions after each step, in place of one after the last.
        forget_bias: where the bias of the gate that keeps the state starts, of LSTM and GRU.
        options: further arguments of `supervised`.
    """
    return compare(
        {
            cell: supervised(
                SequenceReader(cell, hidden, outputs, every_step, forget_bias),
                loss,
                optimizer,
                eval_metrics=eval_metrics,
                train_metrics=eval_metrics,
                **options,
            )
            for cell in CELLS
        }
    )
