"""Errors of TFDS as one line for the user."""

import errno
import re
import socket
import urllib.error
from collections.abc import Iterator
from pathlib import Path

from dlfun.errors import UserError, nearest


def names() -> list[str]:
    """Names of the datasets of TFDS, including builders that the user has defined."""
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def check_name(name: str, config: str | None) -> None:
    """Raise UserError if TFDS has no builder `name`, or the builder has no `config`."""
    import tensorflow_datasets as tfds

    if name not in (datasets := names()):
        raise UserError(f"TFDS has no dataset '{name}'{nearest(name, datasets)}")
    configs = list(tfds.builder_cls(name).builder_configs)
    if config and config not in configs:
        some = f"one of {', '.join(sorted(configs)[:12])}" if configs else "it has none"
        raise UserError(f"tfds:{name} has no config '{config}'{nearest(config, configs)}: {some}")


def to_user_error(name: str, error: Exception, root: Path) -> UserError:
    """UserError for an error in preparing the dataset `name` below `root`."""
    import requests

    unreachable = (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        urllib.error.URLError,
        socket.gaierror,
        TimeoutError,
        ConnectionError,
    )
    for cause in _chain(error):
        if isinstance(cause, unreachable):
            return UserError(
                f"{name} cannot be downloaded: no network, or the server does not answer"
                f" ({type(cause).__name__})"
            )
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return UserError(f"{name} cannot be prepared: no space left below {root}")
        if isinstance(cause, ModuleNotFoundError):
            return UserError(f"{name} needs the Python package '{cause.name}' to be prepared")
    return UserError(f"{name} cannot be prepared: {type(error).__name__}: {_line(error)}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _line(error: Exception) -> str:
    """The first line with text, cut to a readable length."""
    text = re.sub(r'^Failed to construct dataset .*?}": ', "", str(error))
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line), "no reason given")[:300]
