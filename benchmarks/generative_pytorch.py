"""The networks of `mnist_vae`, `mnist_made` and `mnist_gan` in PyTorch, and their training.

The training images are one float tensor in memory, batches are taken by index, Adam is fused, and
the loss is read once an epoch.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.pytorch import (
    FORMATS,
    TRIAL,
    Update,
    Way,
    descent,
    fastest_program,
    in_batches,
    ways,
)
from benchmarks.turns import Program
from benchmarks.work import SIDE
from dlfun.data.images import log_odds
from dlfun.nn.models.autoregressive import masks

PIXELS = SIDE**2
Descent = Callable[[Update, torch.optim.Optimizer], Update]
"""Function from a loss of indices and an optimizer to an update."""


class VariationalAutoencoder(nn.Module):
    """An encoder to mean and log variance of a Gaussian code, and a decoder to logits."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.encoder = _mlp((PIXELS, *config.hidden, 2 * config.code))
        self.decoder = _mlp((config.code, *config.hidden[::-1], PIXELS))

    def loss(
        self, x: Float[Tensor, "batch pixels"], noise: Float[Tensor, "batch code"]
    ) -> Float[Tensor, ""]:
        """The mean negative evidence lower bound, with the code μ + σ · noise for each image."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        logits = self.decoder(torch.addcmul(mean, torch.exp(log_variance / 2), noise))
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2
        return (_cross_entropy(logits, x) + divergence) / len(x)


class MaskedLinear(nn.Linear):
    """A linear layer whose weights are 0 where a mask, [inputs, outputs], is False.

    They start at 0 and get no gradient: that costs less than to multiply all weights by the mask
    in each forward pass and all gradients in each backward pass.
    """

    def __init__(self, mask: np.ndarray) -> None:
        super().__init__(*mask.shape)
        kept = torch.from_numpy(mask.T).float().contiguous()
        with torch.no_grad():
            self.weight.mul_(kept)
        self.weight.register_hook(lambda gradient: gradient.mul_(kept))


class MaskedMLP(nn.Module):
    """MADE with connections from pixels to logits, in the order of rows."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        (direct,) = masks(PIXELS, ())
        self.direct = MaskedLinear(direct)
        layers: list[nn.Module] = []
        for mask in masks(PIXELS, config.hidden):
            layers += [MaskedLinear(mask), nn.ReLU()]
        self.hidden = nn.Sequential(*layers[:-1])

    def forward(self, x: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch pixels"]:
        """The logits."""
        return self.direct(x) + self.hidden(x)

    def loss(self, x: Float[Tensor, "batch pixels"]) -> Float[Tensor, ""]:
        """The mean of −log p(x)."""
        return _cross_entropy(self(x), x) / len(x)


class LogOdds(nn.Module):
    """The sigmoid of what it reads and the log-odds of the mean image."""

    odds: Tensor

    def __init__(self, odds: Float[np.ndarray, " pixels"]) -> None:
        super().__init__()
        self.register_buffer("odds", torch.from_numpy(odds).reshape(1, SIDE, SIDE))

    def forward(self, x: Float[Tensor, "batch 1 height width"]) -> Tensor:
        """Pixels of 0 to 1."""
        return torch.sigmoid(x + self.odds)


def generator(config: Any, odds: Float[np.ndarray, " pixels"]) -> nn.Module:
    """Transposed convolutions, with batch normalization, from noise to an image [1, 28, 28]."""
    first, side = config.channels[0], SIDE >> len(config.channels)
    layers: list[nn.Module] = [
        nn.Linear(config.noise, first * side**2),
        nn.Unflatten(1, (first, side, side)),
    ]
    for before, after in pairwise((*config.channels, 1)):
        layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1)]
    return nn.Sequential(*layers, LogOdds(odds))


def critic(config: Any) -> nn.Module:
    """Convolutions from an image to a number, their kernels under spectral norms where asked."""
    normalized = spectral_norm if config.spectral else lambda layer: layer
    channels, side = (1, *config.channels[::-1]), SIDE >> len(config.channels)
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [normalized(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
    last = normalized(nn.Linear(channels[-1] * side**2, 1))
    return nn.Sequential(*layers, nn.Flatten(), last)


def networks(
    name: str, config: Any, images: UInt8[np.ndarray, "examples *shape"]
) -> Mapping[str, nn.Module]:
    """Networks of the experiment `name`, by their names."""
    if name == "mnist_gan":
        return {"generator": generator(config, log_odds(images)), "critic": critic(config)}
    kind = VariationalAutoencoder if name == "mnist_vae" else MaskedMLP
    return {"model": kind(config)}


def drawn(x: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch pixels"]:
    """Binary pixels, 1 with probability x; `torch.bernoulli` takes four times as long."""
    return torch.rand_like(x).lt_(x)


def vae_update(
    config: Any, images: Tensor, updates: int, descent: Descent, model: VariationalAutoencoder
) -> Update:
    """An update on images drawn binary, with one draw of the code for each of them."""
    del updates

    def loss(rows: Tensor) -> Tensor:
        return model.loss(drawn(images[rows]), torch.randn(len(rows), config.code))

    return descent(loss, _adam(config, model))


def made_update(
    config: Any, images: Tensor, updates: int, descent: Descent, model: MaskedMLP
) -> Update:
    """An update on images drawn binary; the rate falls to 0 over `updates` by half a cosine."""
    optimizer = _adam(config, model)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (1 + math.cos(math.pi * min(step / updates, 1))) / 2
    )
    descend = descent(lambda rows: model.loss(drawn(images[rows])), optimizer)

    def update(rows: Tensor) -> Tensor:
        loss = descend(rows)
        schedule.step()
        return loss

    return update


def gan_update(
    config: Any,
    images: Tensor,
    updates: int,
    descent: Descent,
    generator: nn.Module,
    critic: nn.Module,
) -> Update:
    """A step of the critic, then one of the generator on noise of its own.

    The critic reads real and generated images as one batch, with one power iteration of spectral
    norms; in the generator's step they stay as they are, and its parameters get no gradient. The
    generator's running statistics, which training does not read, move in both steps.
    """
    del updates
    images = images.reshape(-1, 1, SIDE, SIDE)

    def critic_loss(rows: Tensor) -> Tensor:
        with torch.no_grad():
            generated = generator(torch.randn(len(rows), config.noise))
        real, made = critic(torch.cat([images[rows], generated])).chunk(2)
        return softplus(-real).mean() + softplus(made).mean()

    def generator_loss(rows: Tensor) -> Tensor:
        return softplus(-critic(generator(torch.randn(len(rows), config.noise)))).mean()

    critic_step = descent(critic_loss, _adam(config, critic, config.critic_rate))
    generator_step = descent(generator_loss, _adam(config, generator))

    def update(rows: Tensor) -> Tensor:
        critic.train().requires_grad_(True)
        loss = critic_step(rows)
        critic.eval().requires_grad_(False)
        generator_step(rows)
        return loss

    return update


UPDATES: dict[str, Callable[..., Update]] = {
    "mnist_vae": vae_update,
    "mnist_made": made_update,
    "mnist_gan": gan_update,
}


def program(
    name: str,
    config: Any,
    images: UInt8[np.ndarray, "examples *shape"],
    updates: int,
    compiled: bool,
) -> Program:
    """Epochs over `images` of a training of `updates` updates.

    It runs in the way that is the fastest in a trial of 30 batches: on one thread or one a core,
    for convolutions with contiguous or `channels_last` memory, and if `compiled` with
    `torch.compile` or without.
    """
    torch.set_flush_denormal(True)  # As XLA does; before the first thread starts.
    x = torch.tensor(images.reshape(len(images), -1)).float().div_(255)

    def training(way: Way) -> Callable[[int | None], float]:
        made = networks(name, config, images)
        made = {key: model.to(**FORMATS[way.format]) for key, model in made.items()}
        follow = partial(descent, compiled=way.compiled)
        update = UPDATES[name](config, x, updates, follow, **made)
        return in_batches(update, len(x), config.batch_size, way.threads)

    formats = ("contiguous", "channels_last") if name == "mnist_gan" else ("contiguous",)
    return fastest_program({way: training(way) for way in ways(formats, compiled)}, TRIAL)


def _mlp(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    """−log p(x) of binary pixels, summed over pixels and images."""
    return binary_cross_entropy_with_logits(logits, x, reduction="sum")


def _adam(config: Any, model: nn.Module, factor: float = 1.0) -> torch.optim.Optimizer:
    o = config.optimizer
    betas = o.beta1, o.beta2
    return torch.optim.Adam(model.parameters(), factor * o.learning_rate, betas, fused=True)
