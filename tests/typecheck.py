"""The type checker of functions that jaxtyping decorates: one check for all of one signature.

jaxtyping decorates nested functions whenever the function around them runs, as `minimize` does for
each learner. What it hands to the type checker has a signature and no work of its own.
"""

from beartype import beartype

CHECKED = {}


def checked(function):
    """`beartype(function)`; what it returned before for a function of the same signature."""
    signature = (
        function.__module__,
        function.__qualname__,
        function.__code__.co_code,
        function.__code__.co_varnames,
        tuple(function.__annotations__.items()),
        tuple((function.__kwdefaults__ or {}).items()),
        function.__defaults__,
    )
    try:
        return CHECKED[signature]
    except TypeError:  # An annotation or a default is not hashable.
        return beartype(function)
    except KeyError:
        return CHECKED.setdefault(signature, beartype(function))
