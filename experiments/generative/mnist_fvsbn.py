"""Logistic regression of each pixel on those before it is a density of digits without hidden units.

Figure: −log p(x) 97.03 ± 0.01 nats (3 seeds), 96.58 is printed; independent pixels 205.8
Time: 40 s on 1 CPU core
Command: python launch.py train mnist_fvsbn

The fully visible sigmoid belief network (Frey et al. 1996; Neal 1992): `mnist_made` without a
hidden layer. Its −log p(x) is exact. pytorch-generative prints 96.58 nats on the same binarization.
"""

from dlfun.experiment import Claim, Quick
from dlfun.optimizers import Optimizer, Schedule

from .mnist_made import Config, data, figures, learner, measure, sample

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

SOURCE = "pytorch-generative, README"
FORMULA = r"""
p(x) = \prod_{i=1}^{784} p(x_i \mid x_{<i}), \quad p(x_i = 1 \mid x_{<i}) = \sigma\left(b_i +
\sum_{j < i} W_{i j} x_j\right)
"""
CLAIMS = [Claim("test/loss", SOURCE, printed=96.58, at_most=98)]
QUICK = Quick({"examples": 10_000, "epochs": 6}, [Claim("test/loss", SOURCE, at_most=150)])
DEFAULT = Config(
    hidden=(), optimizer=Optimizer("adam", 1e-2, schedule=Schedule("cosine", factor=0.0))
)
