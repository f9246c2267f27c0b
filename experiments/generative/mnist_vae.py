"""A variational autoencoder learns digits as points of a Gaussian code, by a bound of likelihood.

Figure: negative ELBO 102.3 ± 0.2 nats after 10 epochs (3 seeds); independent pixels 205.8
Time: 30 s on 1 CPU core
Command: python launch.py train mnist_vae

784-500-20-500-784 with ReLUs and one draw of the code for each image (Kingma, Welling 2014); the
pixels are drawn anew in each epoch, on with the probability of their grey value, and once for the
test set. The loss is a bound: with k draws of the code in place of one, weighted by importance
(Burda et al. 2016), it is tighter. Flax's example prints 104 on another binarization, fixed for
all epochs. With `--code 2` a figure shows the plane of the code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge
from jaxtyping import Array, Float

from dlfun.algorithms.density import independent_pixels
from dlfun.algorithms.variational_autoencoder import importance_bounds, variational_autoencoder
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation, Widths
from dlfun.data.dataset import Dataset
from dlfun.data.images import as_images, pixels
from dlfun.experiment import Claim, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.variational import VariationalAutoencoder
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import with_drawn_pixels

from .mnist_made import data

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

__all__ = ["CLAIMS", "QUICK", "Config", "data", "figures", "learner", "measure", "sample"]

DRAWS = (1, 5, 50)
"""Draws of the code in the bounds."""
CHUNK = 500
"""Images whose bounds are computed at once."""
FORMULA = r"""
\log p(x) \ge \mathbb{E}_{q(z \mid x)} \log p(x \mid z) - \operatorname{KL}\left(q(z \mid x)
\,\Vert\, \mathcal{N}(0, I)\right), \quad z = \mu(x) + \sigma(x) \odot \epsilon, \; \epsilon \sim
\mathcal{N}(0, I)

\operatorname{KL} = \frac{1}{2} \sum_j \left(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\right)
"""
CLAIMS = [
    Claim("test/loss", "beside Kingma & Welling (2014)", at_most=106),
    Claim("test/tighter_with_5", "Burda et al. (2016), theorem 1", at_least=0),
    Claim("test/tighter_with_50", "Burda et al. (2016), theorem 1", at_least=0),
]
QUICK = Quick(
    {"examples": 10_000, "epochs": 10, "hidden": (200,)},
    [Claim("test/loss", "beside Kingma & Welling (2014)", at_most=150)],
)
SHOWN = 10


@dataclass(frozen=True)
class Config:
    """A variational autoencoder of binary images."""

    hidden: Widths = (500,)
    """Widths of the encoder's hidden layers; the decoder's are the same from the other end."""
    code: Annotated[int, Ge(1)] = 20
    """Dimensions of the code."""
    examples: Examples = 60_000
    epochs: Epochs = 10
    batch_size: BatchSize = 128
    optimizer: Optimizer = Optimizer("adam", 1e-3)
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def learner(config: Config, dataset: Dataset) -> Learner:
    """The two networks under the evidence lower bound."""
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return with_drawn_pixels(variational_autoencoder(network(config, dataset), optimizer))


def network(config: Config, dataset: Dataset) -> VariationalAutoencoder:
    """Encoder and decoder."""
    size = dataset.splits["train"]["image"][0].size
    return VariationalAutoencoder(size, config.hidden, config.code)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Bounds with several draws, mean over the test set, and the loss of independent pixels."""
    splits = trained.dataset.splits
    x = pixels(jnp.asarray(splits["test"]["image"]))
    model = network(trained.config, trained.dataset)
    bound = jax.jit(
        lambda variables, x, key: importance_bounds(model, variables, x, key, DRAWS).sum(axis=1)
    )
    totals = [
        np.asarray(bound(trained.state.variables, x[at : at + CHUNK], jax.random.fold_in(key, at)))
        for at in range(0, len(x), CHUNK)
    ]
    one, five, fifty = (np.sum(totals, axis=0) / len(x)).tolist()
    return {
        "test/bound_with_5": five,
        "test/bound_with_50": fifty,
        "test/tighter_with_5": one - five,
        "test/tighter_with_50": five - fifty,
        "test/independent_pixels": independent_pixels(
            splits["train"]["image"], splits["test"]["image"]
        ),
    }


def decode(trained: Trained, code: Float[Array, "count code"]) -> Float[np.ndarray, "count pixels"]:
    """The means of the pixels for codes."""
    model = network(trained.config, trained.dataset)
    logits: Any = model.apply(trained.state.variables, code, method="decode")
    return np.asarray(jax.nn.sigmoid(logits))


def sample(trained: Trained, key: Key, count: int) -> Iterator["Image"]:
    """The means of the pixels for codes drawn from N(0, I)."""
    code = jax.random.normal(key, (count, trained.config.code))
    yield from as_images(decode(trained, code), trained.dataset.splits["test"]["image"].shape[1:3])


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Samples, reconstructions, interpolation and traversals; the plane of a code of two."""
    from dlfun.plots.image_rows import image_rows

    test = trained.dataset.splits["test"]["image"][:SHOWN]
    shape, dimensions = test.shape[1:3], trained.config.code

    def images(code: Array) -> Float[np.ndarray, "count height width"]:
        return decode(trained, code).reshape(-1, *shape)

    model = network(trained.config, trained.dataset)
    encoded: Any = model.apply(trained.state.variables, pixels(jnp.asarray(test)), method="encode")
    codes = encoded[0]
    drawn = jax.random.normal(jax.random.key(0), (4 * SHOWN, dimensions))
    samples = {f"{n + 1}": images(drawn[n * SHOWN : (n + 1) * SHOWN]) for n in range(4)}
    yield "samples", image_rows("Digits decoded from random codes", samples)
    shown = {"test image": test[..., 0] / 255, "decoded": images(codes)}
    title = f"A code of {dimensions} numbers keeps the digit"
    yield "reconstructions", image_rows(title, shown)
    share = jnp.linspace(0, 1, SHOWN)[:, None]
    between = {
        f"{a + 1} to {b + 1}": images((1 - share) * codes[a] + share * codes[b])
        for a, b in ((0, 1), (2, 3), (4, 5))
    }
    title = "Between the codes of two digits lie other digits"
    yield "interpolation", image_rows(title, between, "codes on the line between two test images'")
    moved = jnp.linspace(-3, 3, SHOWN)
    # Those whose mean says most of the image: the others keep to the prior.
    strongest = np.argsort(-np.square(np.asarray(codes)).mean(axis=0))[:5]
    traversals = {
        f"dimension {k}": images(jnp.tile(codes[0], (SHOWN, 1)).at[:, k].set(moved))
        for k in strongest.tolist()
    }
    title = "One dimension of a code changes one trait of the digit"
    yield "traversals", image_rows(title, traversals, "from −3 to 3 standard deviations")
    if dimensions == 2:
        steps = jax.scipy.stats.norm.ppf(jnp.linspace(0.02, 0.98, 2 * SHOWN))
        plane = {
            f"{float(y):.1f}": images(jnp.stack([steps, jnp.full_like(steps, y)], axis=1))
            for y in steps[::-1]
        }
        yield "plane", image_rows("Digits over the plane of a two-dimensional code", plane)
