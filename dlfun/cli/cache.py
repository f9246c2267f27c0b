"""The command `cache`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cache:
    """Show the folder of compiled programs and its size, or clear it."""

    clear: bool = False
    """Remove all programs; they are compiled again when needed."""

    def __call__(self) -> int:
        from dlfun.train import program_cache

        folder = program_cache.folder()
        if folder is None:
            print("compiled programs are not kept: there is no home directory")
            return 0
        if self.clear:
            removed = program_cache.remove(folder, 0, 0)
            print(f"{removed / 1e6:.1f} MB removed from {folder}")
            return 0
        programs = program_cache.contents(folder)
        size = sum(size for _, size, _ in programs) / 1e6
        limit = program_cache.LIMIT / 1e6
        print(f"{folder}: {len(programs)} programs, {size:.1f} MB of at most {limit:,.0f} MB")
        return 0
