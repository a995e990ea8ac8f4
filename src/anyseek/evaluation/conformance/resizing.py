"""The pictures of a case resized by the rules of other libraries."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from anyseek.evaluation.conformance.pack import Case
from anyseek.evaluation.conformance.trace import Tracer
from anyseek.items import Image, Item, Limits
from anyseek.media import load_image
from anyseek.processing import Visual
from anyseek.processing.rules import Size, filled, fit_size

__all__ = ["resized_cases"]

OLD_FACTOR = 28
"""Sides of Qwen2-VL's merged patches: what a qwen-vl-utils that does not know of 32 rounds to."""

TRANSFORMERS = Limits(min_pixels=65_536, max_pixels=16_777_216)
"""The sizes in the published preprocessor_config.json, which the public code overrides."""

Filter = Callable[[Any, Size], Any]
"""A Pillow image and a width and height to something of that size that an Image takes."""


def resized_cases(tracer: Tracer, case: Case) -> Iterator[tuple[str, Case]]:
    """What is another rule, and the case under it.

    Raises:
        InputError: a picture cannot be read.
    """
    if not case.has_pictures:
        return
    for rule, limits in _limits(tracer).items():
        for name, change in _FILTERS.items():
            if rule or name:
                yield ", ".join(filter(None, (rule, name))), _resized(tracer, case, limits, change)
    yield f"first to multiples of {OLD_FACTOR}, then again", _resized(tracer, case, Limits(), None)


def _limits(tracer: Tracer) -> Mapping[str, Limits]:
    """The right limits without a name, those of transformers, and those that the folder asks of it."""
    found = {"": Limits(), "65,536 pixels at least": TRANSFORMERS}
    path = tracer.model.source / "preprocessor_config.json" if tracer.model.source else None
    if path is not None and path.is_file():
        raw = json.loads(path.read_text(encoding="utf-8"))
        size = raw.get("size") or {}
        low, high = (
            raw.get(a) or size.get(b) for a, b in (("min_pixels", "shortest_edge"), ("max_pixels", "longest_edge"))
        )
        own = Limits(min_pixels=low, max_pixels=high)
        right = filled(tracer.processor.options.limits)
        if own != TRANSFORMERS and (low, high) != (right.min_pixels, right.max_pixels):
            found["the sizes of preprocessor_config.json"] = own
    return found


def _resized(tracer: Tracer, case: Case, limits: Limits, change: Filter | None) -> Case:
    """The case with every picture at its final size already; no filter stands for the old factor."""

    def resize(item: Item, image: Image) -> Image:
        """One picture."""
        alone = Item((image,), limits=limits.over(item.limits))
        visual = tracer.processor.prepare(alone).visuals[0]
        picture = load_image(visual.part.source, tracer.processor.options.media)
        if change is None:
            return Image(_bicubic(picture, _old_size(tracer, visual, picture.size)))
        return Image(change(picture, visual.size))

    items = []
    for item in case.items:
        parts = [resize(item, part) if isinstance(part, Image) else part for part in item.parts]
        items.append(replace(item, parts=tuple(parts), limits=limits.over(item.limits)))
    return replace(case, items=tuple(items))


def _old_size(tracer: Tracer, visual: Visual, size: Size) -> Size:
    """The size under the old factor; the right resize follows it."""
    limits = filled(tracer.processor.options.limits)
    return fit_size(size, limits.min_pixels, limits.max_pixels, OLD_FACTOR)


def _pillow(number: int) -> Filter:
    """A filter of Pillow, by its number."""
    return lambda picture, size: picture.resize(size, number)


_bicubic = _pillow(3)


def _torch(picture: Any, size: Size) -> Any:
    """Bicubic without antialias and with the steeper kernel (-0.75), as OpenCV and torch have it."""
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float()
    resized = functional.interpolate(pixels, size[::-1], mode="bicubic", antialias=False)[0]
    return resized.clamp(0, 255).round().byte().permute(1, 2, 0).contiguous().numpy()


_FILTERS: dict[str, Filter] = {
    "": _bicubic,
    "bilinear": _pillow(2),
    "nearest": _pillow(0),
    "Lanczos": _pillow(1),
    "bicubic without antialias": _torch,
}
