"""Networks that watch a video: convolutions over space and time, and a recurrent layer."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from dlfun.nn.initializers import he
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.recurrent import Recurrent


class VideoClassifier(nn.Module):
    """Convolutions, a dense layer on each frame's maps, and a GRU or the mean over the frames.

    Each convolution halves height and width by its stride, and keeps the number of frames. Its
    window is `reach` frames of 3×3 pixels (Tran et al., 2015, for 3): with 1 it is a 2-D
    convolution of each frame.

    Attributes:
        classes: number of classes.
        channels: channels of each convolution.
        hidden: units of the dense layer and of the GRU.
        reach: frames of a window.
        recurrent: whether a GRU reads the frames in order and its last state is classified, in
            place of the mean over the frames.
        single: whether the frame in the middle is all that is seen.
    """

    classes: int
    channels: Sequence[int]
    hidden: int
    reach: int = 3
    recurrent: bool = True
    single: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "batch frames height width in"]) -> Float[Array, "batch k"]:
        """Logits of videos."""
        if self.single:
            middle = x.shape[1] // 2
            x = x[:, middle : middle + 1]
        for features in self.channels:
            window = (self.reach, 3, 3)
            conv = Conv(features, window, (1, 2, 2), kernel_init=he)
            x = nn.relu(conv(x))
        batch, frames = x.shape[:2]
        h = nn.relu(dense(x.reshape(batch * frames, -1), self.hidden, "he"))
        h = h.reshape(batch, frames, self.hidden)
        if self.recurrent:
            h, _ = Recurrent(self.hidden, "gru")(h)
            return dense(h[:, -1], self.classes)
        return dense(jnp.mean(h, axis=1), self.classes)
