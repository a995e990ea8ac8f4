"""Puts the bundled checkpoints and samples into a wheel; an editable install finds them beside `src` instead."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundledFiles(BuildHookInterface):
    """`models/` and `samples/` of the repository become `anyseek/bundled/` in a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folders that are there, for a standard build only."""
        if version == "editable":
            return
        for name in ("models", "samples"):
            if Path(self.root, name).is_dir():
                build_data["force_include"][name] = f"anyseek/bundled/{name}"
