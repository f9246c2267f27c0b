"""The two networks of a variational autoencoder."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun.nn.models.mlp import MLP


class VariationalAutoencoder(nn.Module):
    """An encoder to the mean and log variance of a Gaussian code, and a decoder to logits.

    q(z | x) = N(μ(x), diag σ²(x)); p(x | z) has independent pixels with logits d(z). Encoder and
    decoder are MLPs with the same hidden layers in opposite orders (Kingma, Welling 2014, app. C).

    Attributes:
        pixels: numbers of an image.
        hidden: widths of the encoder's hidden layers.
        code: dimensions of z.
        activation: a name in `ACTIVATIONS`.
    """

    pixels: int = 784
    hidden: Sequence[int] = (500,)
    code: int = 20
    activation: str = "relu"

    def setup(self) -> None:
        self.encoder = MLP(self.hidden, 2 * self.code, self.activation, "glorot")
        self.decoder = MLP(self.hidden[::-1], self.pixels, self.activation, "glorot")

    def __call__(
        self, x: Float[Array, "batch pixels"], noise: Float[Array, "batch code"]
    ) -> tuple[
        Float[Array, "batch code"], Float[Array, "batch code"], Float[Array, "batch pixels"]
    ]:
        """μ, log σ² and the logits of the code μ + σ · noise."""
        mean, log_variance = self.encode(x)
        return mean, log_variance, self.decode(mean + jnp.exp(log_variance / 2) * noise)

    def encode(
        self, x: Float[Array, "batch pixels"]
    ) -> tuple[Float[Array, "batch code"], Float[Array, "batch code"]]:
        """μ(x) and log σ²(x)."""
        mean, log_variance = jnp.split(self.encoder(x), 2, axis=1)
        return mean, log_variance

    def decode(self, code: Float[Array, "batch code"]) -> Float[Array, "batch pixels"]:
        """Logits of the pixels for a code."""
        return self.decoder(code)
