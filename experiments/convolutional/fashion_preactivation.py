"""A pre-activation ResNet: nothing lies on the path of the sums [T5, ch. 4].

Figure: test accuracy ≥ 90.5 % after 3 epochs (measured: 91.48 %, one seed)
Time: 10 min on 2 CPU cores
Command: python launch.py train fashion_preactivation

`fashion_resnet` with norm and ReLU before each convolution in place of after it, and once more
after the last sum (He et al., 2016, "Identity mappings in deep residual networks"), and half as
many epochs. The paper gains from it at 110 layers and more.
"""

from dlfun.experiment import Claim

from .fashion_resnet import OBJECTIVE, QUICK, Config, data, learner

__all__ = ["CLAIMS", "DEFAULT", "OBJECTIVE", "QUICK", "Config", "data", "learner"]

FORMULA = r"""
x_{l+1} = x_l + W_2 * \operatorname{ReLU}(\operatorname{BN}(W_1 *
\operatorname{ReLU}(\operatorname{BN}(x_l))))
"""
CLAIMS = [Claim("test/accuracy", "[T5, ch. 4]", at_least=0.905)]
DEFAULT = Config(preactivation=True, epochs=3)
