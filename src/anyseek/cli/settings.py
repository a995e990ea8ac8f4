"""The one thing the command line remembers: the model that `anyseek models get` chose. The library never reads it."""

import json
from pathlib import Path

import click

from anyseek.errors import ConfigError

__all__ = ["default_model", "remember_model", "settings_file"]

FALLBACK = "tiny"


def settings_file() -> Path:
    """Where it is kept: the platform's folder for settings."""
    return Path(click.get_app_dir("anyseek")) / "settings.json"


def default_model(path: Path | None = None) -> str:
    """The chosen model, or `tiny` before any choice.

    Raises:
        ConfigError: the file is there but is not what we wrote.
    """
    path = path or settings_file()
    try:
        chosen = json.loads(path.read_text(encoding="utf-8"))["model"]
    except FileNotFoundError:
        return FALLBACK
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error}); delete it, or give --model") from None
    return str(chosen)


def remember_model(name: str, path: Path | None = None) -> Path:
    """Make `name` the default and return the file it is written to."""
    path = path or settings_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"model": name}, indent=2) + "\n", encoding="utf-8")
    return path
