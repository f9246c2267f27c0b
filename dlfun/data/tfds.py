"""Sets of TensorFlow Datasets without TensorFlow: classified images, decoded once, and texts.

TFDS downloads and prepares a set below ROOT/tfds, in its layout. Its images are decoded to arrays
below ROOT/decoded, which later runs map without importing TFDS. Images of unequal sizes are copied
there without decoding.
"""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from dlfun.data import array_cache, tensorflow_stub
from dlfun.data.dataset import TEST_SHARE, Dataset, partition
from dlfun.data.folders import roots, writable_root
from dlfun.data.tfds_errors import check_name, to_user_error
from dlfun.errors import UserError

PREFIX = "tfds:"
_NAME = re.compile(r"(?P<name>[a-zA-Z]\w*)(/(?P<config>[\w+.-]+))?(:(?P<version>\d+\.\d+\.\d+))?")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
T = TypeVar("T")
_log = logging.getLogger(__name__)


class _Features(NamedTuple):
    image: str
    label: str
    shape: tuple[int, int, int] | None
    """Height, width and channels; None for images of unequal sizes."""
    channels: int
    classes: tuple[str, ...]


def load(name: str, data_dir: Path | None) -> Dataset:
    """Load the TFDS set `name`: NAME or NAME/CONFIG, optionally with :VERSION.

    Splits are TFDS's "train" and "test", and "validation" if there is one. If there is no "test",
    "validation" takes its place. If there is only "train", a tenth of it, chosen by `partition`
    with seed 0, becomes "test".

    Raises:
        UserError: an unknown set; not image classification; a set that cannot be downloaded,
            prepared or written; damaged decoded arrays.
    """
    if not (match := _NAME.fullmatch(name)):
        raise UserError(f"'{PREFIX}{name}' is no TFDS name: expected tfds:NAME[/CONFIG][:VERSION]")
    key = name.replace("/", "--").replace(":", "@")
    for root in roots(data_dir):
        if (folder := array_cache.folder(root, key)).is_dir():
            return array_cache.read(folder, PREFIX + name)
    root = writable_root(data_dir)
    folder = array_cache.folder(root, key)
    _log.info("%s%s: downloading and decoding, once, into %s", PREFIX, name, folder)
    with _quiet(), tensorflow_stub.installed():
        try:
            builder = _builder(name, match["name"], match["config"], root / "tfds")
            features = _features(PREFIX + name, builder.info)
            with _fewer_retries():
                builder.download_and_prepare(file_format="array_record")
            _decode(PREFIX + name, builder, features, folder)
        except UserError:
            raise
        except Exception as error:  # Builders are third-party code and may raise anything.
            raise to_user_error(PREFIX + name, error, root) from error
    return array_cache.read(folder, PREFIX + name)


def texts(name: str, data_dir: Path | None) -> dict[str, list[str]]:
    """Texts of each split of the TFDS set `name`, whose examples have a feature "text".

    Raises:
        UserError: a set that cannot be downloaded, prepared or written.
    """

    def read(builder: Any) -> dict[str, list[str]]:
        return {
            split: [example["text"].decode() for example in builder.as_data_source(split=split)]
            for split in builder.info.splits
        }

    return _read(name, data_dir, read)


def labelled_texts(
    name: str, features: Sequence[str], data_dir: Path | None = None
) -> dict[str, dict[str, list[str]]]:
    """Texts of each class of each split of the TFDS set `name`, whose examples have a "label".

    A text is the example's `features` with blanks between them.

    Raises:
        UserError: a set that cannot be downloaded, prepared or written.
    """

    def read(builder: Any) -> dict[str, dict[str, list[str]]]:
        classes = builder.info.features["label"].names
        made: dict[str, dict[str, list[str]]] = {}
        for split in builder.info.splits:
            by_class = made[split] = {name: [] for name in classes}
            for example in builder.as_data_source(split=split):
                joined = " ".join(example[feature].decode() for feature in features)
                by_class[classes[int(example["label"])]].append(joined)
        return made

    return _read(name, data_dir, read)


def _read(name: str, data_dir: Path | None, read: Callable[[Any], T]) -> T:
    """The result of `read` for the builder of a set of texts that has been prepared."""
    root = writable_root(data_dir)
    with _quiet(), tensorflow_stub.installed():
        try:
            builder = _builder(name, name, None, root / "tfds")
            with _fewer_retries():
                builder.download_and_prepare(file_format="array_record")
            return read(builder)
        except UserError:
            raise
        except Exception as error:  # Builders are third-party code and may raise anything.
            raise to_user_error(PREFIX + name, error, root) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress output, logs and warnings of TFDS; errors are raised."""
    logger = logging.getLogger("absl")
    level = logger.level
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)


@contextlib.contextmanager
def _fewer_retries() -> Iterator[None]:
    """Limit TFDS to 5 retries, which take 6 seconds; its 10 retries take over 3 minutes."""
    from tensorflow_datasets.core.download import downloader

    retries = downloader.MAX_RETRIES
    downloader.MAX_RETRIES = 5
    try:
        yield
    finally:
        downloader.MAX_RETRIES = retries


def _builder(name: str, bare: str, config: str | None, data_dir: Path) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir, file_format="array_record")
    except Exception:
        check_name(bare, config)
        raise


def _features(name: str, info: Any) -> _Features:
    import tensorflow_datasets as tfds

    match info.supervised_keys:
        case (str(image_key), str(label_key)):
            pass
        case _:
            image_key, label_key = "image", "label"
    features: dict[str, Any] = dict(info.features.items())
    image, label = features.get(image_key), features.get(label_key)
    if not (isinstance(image, tfds.features.Image) and isinstance(label, tfds.features.ClassLabel)):
        kinds = ", ".join(f"{key} ({type(feature).__name__})" for key, feature in features.items())
        raise UserError(
            f"{name} is not image classification (one image, one class): it has {kinds}"
        )
    shape: Any = image.shape
    if image.np_dtype != np.uint8 or shape[-1] not in _MODES:
        raise UserError(
            f"{name} has images of type {image.np_dtype} and shape {shape}:"
            " only uint8 with 1 to 4 channels can be loaded"
        )
    fixed = None if None in shape else shape
    return _Features(image_key, label_key, fixed, shape[-1], tuple(label.names))


def _decode(name: str, builder: Any, features: _Features, folder: Path) -> None:
    sizes = {split: info.num_examples for split, info in builder.info.splits.items()}
    if "train" not in sizes:
        raise UserError(f"{name} has no split 'train': its splits are {', '.join(sizes)}")
    chosen = {split: np.arange(sizes[split]) for split in ("train", "test") if split in sizes}
    origin = {split: split for split in ("train", "test", "validation")}
    if "test" in sizes and "validation" in sizes:
        chosen["validation"] = np.arange(sizes["validation"])
    elif "validation" in sizes:
        chosen["test"] = np.arange(sizes["validation"])
        origin["test"] = "validation"
    elif "test" not in sizes:
        chosen["train"], chosen["test"] = partition(sizes["train"], TEST_SHARE, seed=0)
        origin["test"] = "train"
    splits = {
        split: array_cache.Source(
            (len(indices), *(features.shape or ())),
            _examples(name, builder, features, origin[split], indices),
        )
        for split, indices in chosen.items()
    }
    licence = builder.info.redistribution_info.license or "see the TFDS catalogue"
    array_cache.write(folder, features.classes, " ".join(licence.split()), splits)


def _examples(
    name: str, builder: Any, features: _Features, split: str, indices: np.ndarray
) -> Iterator[tuple[np.ndarray | bytes, int]]:
    import tensorflow_datasets as tfds

    from dlfun.data.image_decoding import opened

    # TFDS would decode images, others of an example too, of any format that Pillow knows.
    encoded = {
        key: tfds.decode.SkipDecoding()
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image)
    }
    source = builder.as_data_source(split=split, decoders=encoded)
    mode = _MODES[features.channels]
    for index in indices:
        example = source[int(index)]
        label = int(example[features.label])
        if not 0 <= label < len(features.classes):
            raise UserError(f"{name} has no labels in its split '{split}'")
        if features.shape is None:
            yield example[features.image], label
            continue
        stream = io.BytesIO(example[features.image])
        stream.name = f"{name} {split}, image {index}"
        with opened(stream) as picture:
            # Like tf.image.decode_image, convert to the channels that the builder declares.
            image = np.asarray(picture.convert(mode)).reshape(picture.height, picture.width, -1)
        if image.shape != features.shape:
            raise UserError(
                f"{name} has an image of shape {image.shape}, not {features.shape} as it declares"
            )
        yield image, label
