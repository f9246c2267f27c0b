"""Experiments: one claim of the literature a file, launched by name."""

import os

# A worker process imports an experiment of the user's before it runs any code of dlfun.
__path__ += [path for path in os.environ.get("DLFUN_EXPERIMENTS", "").split(os.pathsep) if path]
