"""A pre-activation ResNet: nothing lies on the path of the sums [T5, ch. 4].

Figure: test accuracy ≥ 93 % after 6 epochs
Time: 14 min on 2 CPU cores
Command: python launch.py train fashion_preactivation

`fashion_resnet` with norm and ReLU before each convolution in place of after it, and once more
after the last sum (He et al., 2016, "Identity mappings in deep residual networks"). The paper gains
from it at 110 layers and more.
"""

from dlfun.experiment import Claim, Quick
from experiments.convolutional.fashion_resnet import Config, build

__all__ = ["CLAIMS", "DEFAULT", "Config", "build"]

CLAIMS = [Claim("test/accuracy", "[T5, ch. 4]", at_least=0.93)]
QUICK = Quick(
    {"examples": 10_000, "epochs": 2, "batch_size": 32, "blocks": 1},
    [Claim("test/accuracy", "beside the whole run", at_least=0.6)],
)
DEFAULT = Config(preactivation=True)
