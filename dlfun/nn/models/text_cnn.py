"""The convolutional network of sentences (Kim 2014)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from dlfun.nn.initializers import uniform
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.dropout import Dropout

VECTORS = "vectors"
"""The collection of word vectors that are not trained, and the name of either table."""


class TextCNN(nn.Module):
    """Word vectors, filters over windows of words, the maximum of each over time, a dense layer.

    A filter w of a window of h words answers to words i to i + h - 1 by c_i = ReLU(w · x_i + b),
    where x_i are their vectors; windows reach beyond both ends, where vectors are 0. Word vectors
    are trained, "tuned", or stay as they are, "fixed", in the collection "vectors". With both, two
    channels, each filter is applied to both and its results are added.

    Attributes:
        vocabulary: number of words; word 0 stands where there is none.
        classes: number of classes.
        tuned: whether there is a table of vectors that is trained.
        fixed: whether there is one that is not.
        size: length of a word vector.
        widths: lengths of windows.
        features: filters of each length.
        dropout: rate of dropout of the maxima.
    """

    vocabulary: int
    classes: int
    tuned: bool = True
    fixed: bool = False
    size: int = 100
    widths: Sequence[int] = (3, 4, 5)
    features: int = 100
    dropout: float | Array = 0.5

    def setup(self) -> None:
        shape, draw = (self.vocabulary, self.size), uniform(0.25)
        tables = []
        if self.tuned:
            tables.append(self.param(VECTORS, draw, shape))
        if self.fixed:
            table = self.variable(VECTORS, VECTORS, lambda: draw(self.make_rng("params"), shape))
            tables.append(jax.lax.stop_gradient(table.value))
        self.tables = tables
        self.filters = [Conv(self.features, (width,), padding="FULL") for width in self.widths]
        self.drop = Dropout(self.dropout)
        self.classifier = nn.Dense(self.classes)

    def __call__(
        self,
        words: Int[Array, "batch time"],
        lengths: Int[Array, " batch"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch classes"]:
        """Logits; `training` is the weight of each sentence, None in evaluation."""
        maxima = [answers.max(axis=1) for answers in self.answers(words, lengths)]
        x = jnp.concatenate(maxima, axis=-1)
        return self.classifier(self.drop(x, training))

    def answers(
        self, words: Int[Array, "batch time"], lengths: Int[Array, " batch"]
    ) -> list[Float[Array, "batch positions features"]]:
        """The answers of the filters of each width h at the time + h - 1 windows of h words.

        Window i ends with word i. Answers are 0 where all of it lies beyond the sentence.
        """
        vectors = jnp.stack([table[words] for table in self.tables]).sum(axis=0)
        x = jnp.where((words > 0)[..., None], vectors, 0)
        all_answers = []
        for width, filters in zip(self.widths, self.filters, strict=True):
            y = nn.relu(filters(x))
            inside = jnp.arange(y.shape[1]) < lengths[:, None] + width - 1
            all_answers.append(jnp.where(inside[..., None], y, 0))
        return all_answers
