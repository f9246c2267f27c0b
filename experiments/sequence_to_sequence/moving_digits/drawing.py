"""The figure: videos frame by frame, and the directions that the network tells."""

import numpy as np
from matplotlib.figure import Figure

from dlfun.data.dataset import take
from dlfun.experiment import Trained
from dlfun.plots.image_rows import image_rows
from dlfun.train.prediction import predict_columns


def filmstrips(trained: Trained) -> Figure:
    """The first test video of each direction, a row each, with the predicted direction."""
    test, names = trained.dataset.splits["test"], trained.dataset.classes
    shown = take(test, np.unique(test["label"], return_index=True)[1])
    logits = predict_columns(trained.learner, trained.state, {"video": shown["video"]})
    predicted = logits["conv3d_rnn"].argmax(axis=1)
    rows = {}
    for video, label, answer in zip(shown["video"], shown["label"], predicted, strict=True):
        error = "" if answer == label else f"\npredicted: {names[answer]}"
        rows[names[label] + error] = video[..., 0] / 255
    right = (predicted == shown["label"]).sum()
    return image_rows(
        f"The direction is right for {right} of {len(predicted)} videos",
        rows,
        "test videos from left to right, their directions, and the prediction where it is wrong",
    )
