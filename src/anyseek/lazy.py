"""Names of a package that are loaded on first use, so that a room costs only what is used of it."""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["loader"]


def loader(package: str, homes: Mapping[str, Iterable[str]]) -> Callable[[str], Any]:
    """What a package calls `__getattr__`.

    Args:
        package: its full name.
        homes: names by the module that owns them, in full.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def load(name: str) -> Any:
        """Load a name from the module that owns it."""
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)  # the next look-up is an ordinary one
        return value

    return load
