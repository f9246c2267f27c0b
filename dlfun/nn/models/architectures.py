"""Architectures by name, from LeNet to ResNet-152, for a Config that names one."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn

from dlfun.errors import unknown
from dlfun.nn.models import resnet, vgg
from dlfun.nn.models.alexnet import AlexNet
from dlfun.nn.models.googlenet import GoogLeNet
from dlfun.nn.models.lenet import LeNet

SMALL = (20, 32, 44, 56, 110)
"""Depths of the ResNets for images of about 32×32."""
ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "lenet": LeNet,
    "alexnet": AlexNet,
    **{f"vgg{depth}": partial(vgg.vgg, depth) for depth in vgg.BLOCKS},
    **{f"vgg{depth}_bn": partial(vgg.vgg, depth, norm=True) for depth in vgg.BLOCKS},
    "googlenet": GoogLeNet,
    **{f"resnet{depth}": partial(resnet.resnet, depth) for depth in resnet.STAGES},
    **{
        f"preresnet{depth}": partial(resnet.resnet, depth, preactivation=True)
        for depth in resnet.STAGES
    },
    **{f"resnet{depth}": partial(resnet.resnet_small, depth) for depth in SMALL},
}
"""Functions from `classes` to a model; "_bn": with batch normalization; "pre": pre-activated."""


def build(name: str, classes: int) -> nn.Module:
    """Make the model `name`; blocks of residual networks start as the identity.

    Raises:
        UserError: an unknown name.
    """
    if name not in ARCHITECTURES:
        raise unknown("architecture", name, tuple(ARCHITECTURES))
    options = {"zero_last": True} if "resnet" in name else {}
    return ARCHITECTURES[name](classes=classes, **options)
