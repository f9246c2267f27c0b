"""LeNet-5 as it is built today, with ReLU and maximum pooling: fewer errors than the original.

Figure: test accuracy ≥ 99.05 % after 20 epochs; 99.38 ± 0.10 % over 5 seeds
Time: 1 min on 2 CPU cores
Command: python launch.py train lenet5_modern

The `modern` variant of `lenet5`, trained in the same way: ReLU for tanh, the maximum for trainable
subsampling, every map of C3 reads all of S2, PyTorch's initial distributions. 61,706 parameters.
"""

from dlfun.experiment import Claim, Quick
from dlfun.optimizers import Optimizer, Schedule

from .lenet5 import OBJECTIVE, Config, data, learner

__all__ = ["CLAIMS", "DEFAULT", "OBJECTIVE", "QUICK", "Config", "data", "learner"]

SOURCE = "beside LeCun et al. (1998)"
FORMULA = r"""
z_{k}(i, j) = b_k + \sum_{c} \sum_{u, v} w_{k c}(u, v) \, x_c(i + u, j + v), \quad h = \max(0, z)

\operatorname{pool}(h)(i, j) = \max_{u, v \in \{0, 1\}} h(2 i + u, 2 j + v)
"""
CLAIMS = [Claim("test/accuracy", SOURCE, printed=0.9905, at_least=0.9905)]
QUICK = Quick({"epochs": 1}, [Claim("test/accuracy", SOURCE, at_least=0.97)])
DEFAULT = Config("modern", optimizer=Optimizer(schedule=Schedule("cosine", factor=0.0)))
