"""Paths as people write them."""

import os
from pathlib import Path

__all__ = ["expanded"]


def expanded(path: str | Path) -> Path:
    """A path with `~` as the user's own folder; `~name` of a user that there is not is a name like others."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (the method raises for such a user)
