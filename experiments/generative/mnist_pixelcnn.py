"""A PixelCNN draws digits pixel by pixel, each given a window of those above and to its left.

Figure: −log p(x) 87.6 nats (one seed); independent pixels 205.8
Time: 22 min on 1 CPU core
Command: python launch.py train mnist_pixelcnn

Masked convolutions in residual blocks (van den Oord et al. 2016): five blocks of dilations 1, 2, 4,
2, 1, where the paper's 81.30 nats, on another binarization, are of 15 without dilation. The
−log p(x) is exact. To draw, each layer is computed once at each position. After a pass over 20,000
images, 32 channels reached 97.7 nats without dilation, 94.8 with it, and 64 channels 94.1.
"""

from dataclasses import dataclass
from typing import Annotated

import flax.linen as nn
from annotated_types import Ge

from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation, Widths
from dlfun.experiment import Claim, Quick
from dlfun.nn.models.autoregressive import PixelCNN
from dlfun.optimizers import Optimizer, Schedule

from .mnist_made import data, figures, learner, measure, sample

__all__ = ["CLAIMS", "QUICK", "Config", "data", "figures", "learner", "measure", "sample"]

SOURCE = "beside van den Oord et al. (2016)"
FORMULA = r"""
p(x) = \prod_{i=1}^{784} p(x_i \mid x_{<i}), \quad z = (M \odot w) * x, \quad M(u, v) = [\, u < 0
\lor (u = 0 \land v < 0) \,]
"""
CLAIMS = [Claim("test/loss", SOURCE, printed=81.30, at_most=88)]
QUICK = Quick(
    {"examples": 2_000, "epochs": 2, "channels": 8, "dilations": (1, 2)},
    [Claim("test/loss", SOURCE, at_most=200)],
)


@dataclass(frozen=True)
class Config:
    """A PixelCNN of binary images."""

    channels: Annotated[int, Ge(2)] = 64
    """Channels between residual blocks."""
    dilations: Widths = (1, 2, 4, 2, 1)
    """Distance between the positions that the 3×3 window of each residual block reads."""
    examples: Examples = 60_000
    epochs: Epochs = 5
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer("adam", 1e-2, schedule=Schedule("cosine", factor=0.0))
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0

    def network(self, shape: tuple[int, int]) -> nn.Module:
        """Network from the pixels of images of this height and width to their logits."""
        return PixelCNN(shape, self.channels, self.dilations)
