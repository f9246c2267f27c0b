"""Folders of datasets on this machine."""

import os
import tempfile
from pathlib import Path

from dlfun.errors import UserError

OWN = ("folder", "arrays", "text", "wav", "csv", "vectors")
"""Prefixes of the names of datasets that are a folder or a file of the user's."""


def absolute(name: str) -> str:
    """The name of a dataset, "folder:PATH" by an absolute path if it is found from here."""
    prefix, _, path = name.partition(":")
    columns = ""
    if prefix == "csv":
        path, colon, columns = path.rpartition(":")
        columns = colon + columns
    here = os.path.abspath(os.path.expanduser(path))
    exists = prefix in OWN and path and os.path.exists(here)
    return f"{prefix}:{here}{columns}" if exists else name


def user_cache() -> Path | None:
    """The user's cache folder, $XDG_CACHE_HOME or ~/.cache, or None without a home directory.

    A relative $XDG_CACHE_HOME is ignored (XDG Base Directory Specification).
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return cache if cache.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None


def roots(data_dir: Path | None) -> list[Path]:
    """Folders to search, in this order: `data_dir`, $DLFUN_DATA, the user's cache.

    The user's cache is $XDG_CACHE_HOME/dlfun/data, by default ~/.cache/dlfun/data.
    """
    named = [Path(root).expanduser() for root in (data_dir, os.environ.get("DLFUN_DATA")) if root]
    return [*named, (user_cache() or Path(tempfile.gettempdir())) / "dlfun" / "data"]


def present(folder: Path, name: str) -> Path | None:
    """The file `name` of a folder, or name.gz; None where there is neither."""
    return next((f for f in (folder / name, folder / f"{name}.gz") if f.is_file()), None)


def writable_root(data_dir: Path | None) -> Path:
    """The first of `roots` that is writable, created if it is absent.

    Raises:
        UserError: none is writable.
    """
    tried = roots(data_dir)
    for root in tried:
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        # os.access is True for the superuser even where the folder is marked read-only.
        if os.access(root, os.W_OK) and root.stat().st_mode & 0o222:
            return root
    raise UserError(
        f"no folder to keep data in: cannot write to {', '.join(map(str, tried))};"
        " name another with DLFUN_DATA"
    )
