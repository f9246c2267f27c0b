"""The folder of compiled programs, which all processes of a user share."""

import contextlib
import functools
import glob
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from dlfun.data.folders import user_cache

LIMIT = 4 * 10**9
"""Bytes above which the programs that were used longest ago are removed, down to half."""


def folder() -> Path | None:
    """The folder, $XDG_CACHE_HOME/dlfun/xla, by default ~/.cache/dlfun/xla; None without a home."""
    cache = user_cache()
    return cache and cache / "dlfun" / "xla"


def use() -> None:
    """Keep compiled programs in the folder, and the folder under its limit."""
    if (kept := folder()) is None:
        return
    import jax

    remove(kept, LIMIT, LIMIT // 2)
    _watch(kept)
    jax.config.update("jax_compilation_cache_dir", str(kept))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@functools.cache
def _watch(kept: Path) -> None:
    """Have programs removed that JAX warns of, and say so in one line.

    A process that was killed, or a full disk, leaves a part of one, which JAX neither reads nor
    writes again.
    """
    show = warnings.showwarning
    named = r"Error \w+ing persistent compilation cache entry for '(.+?)':"

    @functools.cache
    def say_once() -> None:
        print(f"warning: {kept} has a damaged program, which is compiled anew", file=sys.stderr)

    def remove_or_show(message: Warning | str, *arguments: Any, **keywords: Any) -> None:
        if program := re.match(named, str(message)):
            for file in kept.glob(f"{glob.escape(program[1])}-*"):
                with contextlib.suppress(OSError):  # Others may share the folder, or own it.
                    file.unlink()
            say_once()
        else:
            show(message, *arguments, **keywords)

    warnings.showwarning = remove_or_show


def contents(kept: Path) -> list[tuple[float, int, Path]]:
    """(time of last use, bytes, file) of each program, oldest first."""
    programs = []
    with contextlib.suppress(OSError), os.scandir(kept) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # Another process may remove it.
                status = entry.stat()
                used = max(status.st_atime, status.st_mtime)
                programs.append((used, status.st_size, Path(entry.path)))
    return sorted(programs)


def remove(kept: Path, limit: int, to: int) -> int:
    """Remove the oldest programs until at most `to` bytes are left, if there are over `limit`.

    Returns the bytes removed.
    """
    programs = contents(kept)
    size = total = sum(size for _, size, _ in programs)
    if size <= limit:
        return 0
    for _, length, file in programs:
        if size <= to:
            break
        with contextlib.suppress(OSError):
            file.unlink()
            size -= length
    return total - size
