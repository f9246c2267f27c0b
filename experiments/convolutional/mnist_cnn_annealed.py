"""The CNN of `mnist_cnn` with its learning rate annealed to 0: what reaches T3's printed figure.

Figure: test accuracy ≥ 99.16 % after 10 epochs (measured: 99.33 ± 0.02 %, 3 seeds)
Time: 1 min on 2 CPU cores
Command: python launch.py train mnist_cnn_annealed

At the constant rate that T3 prints, the accuracy after an epoch jumps up and down by a few tenths
of a percent to the end, and the printed 99.16 % is one such figure, above the mean. A half cosine
from 1e-3 to 0 over the same ten epochs leaves out the noise of the last steps.
"""

from dlfun.experiment import Claim, Quick
from dlfun.optimizers import Optimizer, Schedule

from .mnist_cnn import OBJECTIVE, Config, data, learner

__all__ = ["CLAIMS", "DEFAULT", "OBJECTIVE", "QUICK", "Config", "data", "learner"]

FORMULA = r"\eta_t = \frac{\eta_0}{2} \left(1 + \cos \frac{\pi t}{T}\right)"
CLAIMS = [Claim("test/accuracy", "beside [T3, sec. 3.2.3]", printed=0.9916, at_least=0.9916)]
QUICK = Quick({"epochs": 1}, [Claim("test/accuracy", "beside [T3, sec. 3.2.3]", at_least=0.98)])
DEFAULT = Config(optimizer=Optimizer(schedule=Schedule("cosine", factor=0.0)))
