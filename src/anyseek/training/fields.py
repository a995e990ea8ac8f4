"""Options as plain data, by the names that `anyseek train --set` knows."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch

__all__ = ["as_data", "by_name"]


def as_data(options: Any) -> Any:
    """Options, such as a stage, as plain data."""
    if dataclasses.is_dataclass(options) and not isinstance(options, type):
        return {field.name: as_data(getattr(options, field.name)) for field in dataclasses.fields(options)}
    if isinstance(options, list | tuple):
        return [as_data(one) for one in options]
    if isinstance(options, torch.dtype):
        return str(options).removeprefix("torch.")
    return options if isinstance(options, bool | int | float | str | None) else str(options)


def by_name(data: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of what `as_data` gave, under a name such as `sources.0.queries`."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from by_name(value, f"{path}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from by_name({f"{name}.{number}": one for number, one in enumerate(value)}, path)
        else:
            yield f"{path}{name}", value
