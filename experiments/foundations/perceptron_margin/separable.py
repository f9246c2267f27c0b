"""Random points on two sides of a plane, with a known margin."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from dlfun.data.dataset import Dataset, Split
from dlfun.errors import UserError


def separable(
    examples: int, dimensions: int, margin: float, seed: int, flipped: int = 0
) -> tuple[Dataset, Float[np.ndarray, " dimensions"]]:
    """Points uniform in the unit ball, at least `margin` from a random plane through its centre.

    Returns the dataset, whose splits "train" and "test" hold `examples` each as {"x": float32
    [N, dimensions], "side": float32 [N], 1 where u·x > 0 and else 0}, and the plane's unit normal
    u. The first `flipped` training examples have the wrong side.

    Raises:
        UserError: no plane separates the training set; a margin of 1 or more.
    """
    if not 0 < margin < 1:
        raise UserError(f"a margin in the unit ball is above 0 and below 1, not {margin}")
    random = np.random.Generator(np.random.Philox(key=seed))
    normal = random.normal(size=dimensions)
    normal /= np.linalg.norm(normal)

    def split() -> Split:
        points = np.zeros((0, dimensions))
        while len(points) < examples:
            x = random.normal(size=(4 * examples, dimensions))
            radius = random.uniform(size=(len(x), 1)) ** (1 / dimensions)
            x *= radius / np.linalg.norm(x, axis=1, keepdims=True)
            points = np.concatenate([points, x[np.abs(x @ normal) >= margin]])
        x = points[:examples]
        return {"x": x.astype(np.float32), "side": (x @ normal > 0).astype(np.float32)}

    splits = {"train": split(), "test": split()}
    splits["train"]["side"][:flipped] = 1 - splits["train"]["side"][:flipped]
    refuse_inseparable(splits["train"]["x"], splits["train"]["side"])
    return Dataset("separable points", splits, ("below", "above")), normal.astype(np.float32)


def refuse_inseparable(
    x: Float[np.ndarray, "examples dimensions"], side: Float[np.ndarray, " examples"]
) -> None:
    """Raise UserError where no plane w·x + b = 0 has all of side 1 above it and of side 0 below.

    A linear program finds (w, b) with ±(w·x + b) ≥ 1 for all examples, or shows that none exists.
    """
    sign = np.where(side > 0, 1.0, -1.0)[:, None]
    rows = -sign * np.concatenate([x, np.ones((len(x), 1))], axis=1)
    columns = rows.shape[1]
    result = linprog(np.zeros(columns), rows, -np.ones(len(x)), bounds=[(None, None)] * columns)
    if result.status == 2:
        raise UserError(
            f"no plane separates the {len(x):,} examples: a perceptron would make mistakes for"
            " ever; expected a set whose two sides some plane separates"
        )


def bound(x: Float[np.ndarray, "examples dimensions"], margin: float) -> float:
    """Novikoff's bound (R/γ)², R = max ‖(x, 1)‖, on the mistakes of a perceptron with a bias."""
    return float((np.square(x.astype(np.float64)).sum(axis=1).max() + 1) / margin**2)
