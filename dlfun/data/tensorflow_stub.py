"""Stub of TensorFlow: the functions that TFDS calls while it prepares a dataset.

TFDS reads without TensorFlow, but it extracts archives with `tf.io.gfile`, with which most builders
also open files, and encodes arrays with `tf.image`. The stub implements these by plain files and by
PNG and JPEG encoding. PNG is lossless, so the pixels are those that TensorFlow would store; a
builder that stores arrays as JPEG gets slightly different pixels.
"""

import contextlib
import glob
import io
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import SimpleNamespace
from typing import IO, Any

import numpy as np


class _Module(SimpleNamespace):
    """A module of the stub. A missing attribute raises ModuleNotFoundError for tensorflow."""

    def __getattr__(self, name: str) -> Any:
        raise ModuleNotFoundError(f"No module named 'tensorflow' (for {name})", name="tensorflow")


class _NeverRaised(Exception):
    """Replacement of TensorFlow's errors in `except` clauses; the stub raises OSErrors."""


def _open(name: str | os.PathLike, mode: str = "r") -> IO[Any]:
    return open(name, mode, encoding=None if "b" in mode else "utf-8")


def _encoder(form: str, **options: Any) -> Callable[[np.ndarray], SimpleNamespace]:
    def encode(pixels: np.ndarray) -> SimpleNamespace:
        from PIL import Image

        squeezed = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        encoded = io.BytesIO()
        Image.fromarray(squeezed).save(encoded, form, **options)
        return SimpleNamespace(numpy=encoded.getvalue)

    return encode


def _copy(source: str, target: str, overwrite: bool = False) -> None:
    if not overwrite and os.path.exists(target):
        raise FileExistsError(target)
    shutil.copyfile(source, target)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


_GFILE = _Module(
    GFile=_open,
    copy=_copy,
    exists=os.path.exists,
    glob=lambda pattern: sorted(glob.glob(os.fspath(pattern))),
    isdir=os.path.isdir,
    listdir=os.listdir,
    makedirs=lambda path: os.makedirs(path, exist_ok=True),
    remove=os.remove,
    rename=lambda source, target, overwrite=False: os.replace(source, target),
    rmtree=shutil.rmtree,
    walk=os.walk,
)

_DTYPES = {"bool": np.bool_, "string": np.object_} | {
    name: getattr(np, name) for name in ("float32", "float64", "int32", "int64", "uint8", "uint16")
}

_TENSORFLOW = _Module(
    **_DTYPES,
    __name__="tensorflow",
    compat=_Module(as_text=_text, as_str=_text, as_bytes=_bytes),
    errors=_Module(
        NotFoundError=_NeverRaised,
        ResourceExhaustedError=_NeverRaised,
        UnimplementedError=_NeverRaised,
    ),
    executing_eagerly=lambda: True,
    image=_Module(encode_png=_encoder("PNG"), encode_jpeg=_encoder("JPEG", quality=95)),
    io=_Module(gfile=_GFILE),
)


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Give the stub to TFDS, and to no other code, in the place of TensorFlow.

    If TensorFlow is installed, TFDS uses TensorFlow.
    """
    if find_spec("tensorflow"):
        yield
        return
    from tensorflow_datasets.core.utils import lazy_imports_utils

    # TFDS has one lazy module of TensorFlow, which caches its import in a property.
    lazy = lazy_imports_utils.tensorflow.__dict__
    lazy["_module"] = _TENSORFLOW
    try:
        yield
    finally:
        del lazy["_module"]
