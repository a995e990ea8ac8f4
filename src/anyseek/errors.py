"""Every error the package raises, as one tree.

    AnyseekError
    |-- ConfigError (ValueError)            an option or a pair of options; names them and the allowed values
    |-- InputError (ValueError)             the user's item: its place in the batch and which part
    |   |-- SourceError (FileNotFoundError) the bytes could not be had: missing file, 404, folder, no permission
    |   |-- RefusedError (PermissionError)  the source is not allowed: URLs off, private address, outside the root
    |   |-- DecodeError                     the bytes are not what they should be: corrupt, truncated, wrong kind
    |   `-- LimitError                      too many pixels, bytes, pages, seconds, tokens
    |-- CheckpointError (RuntimeError)      missing, unexpected or mis-shaped weights, or an unreadable config
    |-- CapacityError (RuntimeError)        it does not fit; says the limit and the knob
    |-- TrainingError (RuntimeError)        non-finite loss, empty batch; says the step
    |-- MismatchError (AssertionError)      two ways to compute the same gave different results; says which
    `-- DependencyError (ImportError)       a package is missing or too old; says how to install it

Each leaf also inherits the standard class it replaces, so that `except ValueError` keeps working.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "AnyseekError",
    "CapacityError",
    "CheckpointError",
    "ConfigError",
    "DecodeError",
    "DependencyError",
    "InputError",
    "LimitError",
    "MismatchError",
    "RefusedError",
    "SourceError",
    "TrainingError",
]


class AnyseekError(Exception):
    """Base of every error of this package."""


class ConfigError(AnyseekError, ValueError):
    """An option is wrong; the message names it, its value and what is allowed."""


class InputError(AnyseekError, ValueError):
    """An item cannot be used; the message names the input and the remedy.

    `place` is where it stood in the call, such as `items[3]`; the engine fills it in.
    """

    place: str | None = None

    def at(self, place: str) -> "InputError":
        """Return self, marked with the place of the item in the call (the outermost place wins)."""
        self.place = place
        return self

    def __str__(self) -> str:
        """The message, led by the place when it is known."""
        message = super().__str__()
        return f"{self.place}: {message}" if self.place else message


class SourceError(InputError, FileNotFoundError):
    """The bytes of an input could not be had: missing, a folder, unreadable, 404."""

    __str__ = InputError.__str__


class RefusedError(InputError, PermissionError):
    """The source of an input is not allowed by the media options."""

    __str__ = InputError.__str__


class DecodeError(InputError):
    """The bytes of an input are corrupt, truncated, empty or of another kind."""


class LimitError(InputError):
    """An input is larger than a limit: pixels, bytes, pages, seconds or tokens."""


class CheckpointError(AnyseekError, RuntimeError):
    """A checkpoint folder is incomplete or does not fit its own config."""


class CapacityError(AnyseekError, RuntimeError):
    """The work does not fit into the memory or budget at hand."""


class TrainingError(AnyseekError, RuntimeError):
    """Training cannot go on: a non-finite loss or an empty batch."""


class MismatchError(AnyseekError, AssertionError):
    """Two ways to compute the same gave different results; the message says which, and where to read by how much."""


class DependencyError(AnyseekError, ImportError):
    """A package is missing or too old for what was asked; the message says how to install it."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the one that was probably meant, or all there are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"
