"""What folders hold."""

from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Every visible file by its path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
