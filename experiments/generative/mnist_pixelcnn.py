"""A PixelCNN draws digits pixel by pixel, each given a window of those above and to its left.

Figure: not yet measured
Time: not yet measured
Command: python launch.py train mnist_pixelcnn

Masked convolutions in residual blocks (van den Oord et al. 2016): 32 channels and five blocks,
where the paper's 81.30 nats, on another binarization, are of 64 channels and 15. The −log p(x) is
exact. To draw, each layer is computed once at each position.
"""

from dataclasses import dataclass
from typing import Annotated

import flax.linen as nn
from annotated_types import Ge

from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation
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
    {"examples": 2_000, "epochs": 2, "channels": 8, "blocks": 2},
    [Claim("test/loss", SOURCE, at_most=200)],
)


@dataclass(frozen=True)
class Config:
    """A PixelCNN of binary images."""

    channels: Annotated[int, Ge(2)] = 32
    """Channels between residual blocks."""
    blocks: Annotated[int, Ge(1)] = 5
    """Residual blocks."""
    examples: Examples = 60_000
    epochs: Epochs = 4
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer("adam", 2e-3, schedule=Schedule("cosine", factor=0.0))
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0

    def network(self, shape: tuple[int, int]) -> nn.Module:
        """Network from the pixels of images of this height and width to their logits."""
        return PixelCNN(shape, self.channels, self.blocks)
