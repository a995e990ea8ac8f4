"""Pictures: up to four groups of objects in the cells of a grid, on a ground."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from anyseek import items
from anyseek.world.backgrounds import BACKGROUNDS, TEXTURES, background
from anyseek.world.sprites import Pose, sprite, stamp
from anyseek.world.things import Composition, Fact

__all__ = ["Group", "Scene", "sample_scene", "scene_variants"]

PLACES = {
    "centre": (1, 1, 0, 0),
    "left": (2, 1, 0, 0),
    "right": (2, 1, 1, 0),
    "top": (1, 2, 0, 0),
    "bottom": (1, 2, 0, 1),
    "top left": (2, 2, 0, 0),
    "top right": (2, 2, 1, 0),
    "bottom left": (2, 2, 0, 1),
    "bottom right": (2, 2, 1, 1),
}
"""Place of a lone group: (columns, rows, column, row)."""

SIZES = {"small": 0.22, "": 0.34, "large": 0.76}
"""Side of a single object, as a share of the picture's shorter side; a large one fills its cell, at least 0.45."""


@dataclass(frozen=True, slots=True)
class Group:
    """`count` copies of an object in one cell; `size` is `small`, `large` or empty."""

    object_id: str
    count: int
    size: str
    column: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A picture of the world.

    Attributes:
        groups: 1 to 4 groups in different cells.
        columns: cells from left to right.
        rows: cells from top to bottom.
        colour: named colour of the ground.
        texture: plain, gradient, stripes, dots or checks.
        width: pixels.
        height: pixels.
        seed: of the nuisance (angles, shifts, tint), which no fact depends on.
    """

    groups: tuple[Group, ...]
    columns: int
    rows: int
    colour: str
    texture: str
    width: int
    height: int
    seed: int

    kind = "scene"
    language = ""

    def facts(self) -> frozenset[Fact]:
        """About, count, size, place, background, texture, and how groups lie to each other."""
        facts: list[Fact] = [("kind", "scene"), ("background", self.colour), ("texture", self.texture)]
        for group in self.groups:
            facts += [("about", group.object_id), ("count", group.object_id, group.count)]
            facts += [("size", group.object_id, group.size)] * bool(group.size)
            facts += [("place", group.object_id, place) for place in self.places(group)]
        for one, other in itertools.permutations(self.groups, 2):
            if one.column < other.column:
                facts += [("left of", one.object_id, other.object_id), ("right of", other.object_id, one.object_id)]
            if one.row < other.row:
                facts += [("above", one.object_id, other.object_id), ("below", other.object_id, one.object_id)]
        return frozenset(facts)

    def places(self, group: Group) -> tuple[str, ...]:
        """Names of the place of a group, the most telling first: `top left` is also `left` and `top`."""
        across = {0: "left", self.columns - 1: "right"}.get(group.column, "") if self.columns > 1 else ""
        down = {0: "top", self.rows - 1: "bottom"}.get(group.row, "") if self.rows > 1 else ""
        if across and down:
            return f"{down} {across}", across, down
        return (across or down or "centre",)

    def compositions(self) -> tuple[Composition, ...]:
        """Pairs of objects, and each object with the ground."""
        ids = sorted(group.object_id for group in self.groups)
        return (*itertools.combinations(ids, 2), *((object_id, self.colour) for object_id in ids))

    def draw(self) -> np.ndarray:
        """Pixels of shape (height, width, 3), uint8."""
        rng = random.Random(self.seed)
        canvas = background(self.colour, self.texture, self.width, self.height)
        for group in self.groups:
            for side, x, y in self._spots(group, rng):
                pose = Pose(rng.uniform(-15, 15), rng.random() < 0.5)
                stamp(canvas, sprite(group.object_id, side, pose), x, y)
        return tinted(canvas, rng)

    def _spots(self, group: Group, rng: random.Random) -> Iterator[tuple[float, float, float]]:
        """Side and centre of every copy: each in its own part of the cell, so that none overlap."""
        cell_width, cell_height = self.width / self.columns, self.height / self.rows
        across = max(range(1, group.count + 1), key=lambda n: _side(cell_width, cell_height, n, group.count))
        down = -(-group.count // across)
        part_width, part_height = cell_width / across, cell_height / down
        side = min(part_width, part_height) * rng.uniform(0.76, 0.9)
        if group.count == 1 and len(self.groups) <= 2:
            side = min(part_width, part_height, SIZES[group.size] * min(self.width, self.height)) * rng.uniform(0.9, 1)
        for copy in range(group.count):
            x = group.column * cell_width + (copy % across + 0.5) * part_width
            y = group.row * cell_height + (copy // across + 0.5) * part_height
            shift_x, shift_y = (
                (part_width - side) * rng.uniform(-0.2, 0.2),
                (part_height - side) * rng.uniform(-0.2, 0.2),
            )
            yield side, x + shift_x, y + shift_y

    def item(self) -> items.Item:
        """The picture as an input of the model."""
        return items.Item((items.Image(self.draw()),))


def _side(width: float, height: float, across: int, count: int) -> float:
    """Side of a copy when `across` of them stand in a row."""
    return min(width / across, height / -(-count // across))


def tinted(canvas: Image.Image, rng: random.Random) -> np.ndarray:
    """Pixels under a slightly coloured light."""
    gains = [rng.uniform(0.93, 1.07) for _ in range(3)]
    table = [min(255, round(level * gain)) for gain in gains for level in range(256)]
    return np.asarray(canvas.point(table))


def sample_scene(rng: random.Random, objects: Sequence[str], groups: int = 1) -> Scene:
    """A random scene.

    Args:
        rng: source of randomness.
        objects: ids it may show.
        groups: how many groups, 1 to 4.
    """
    columns, rows, cells = _grid(rng, groups)
    crowded = 0.0 if groups == 1 and columns == rows == 2 else 0.35
    size = rng.choice(("", "", "small", "small", "large", "large", "large")) if groups <= 2 else ""
    chosen = []
    for object_id, (column, row) in zip(rng.sample(objects, groups), cells, strict=True):
        count = rng.randint(2, 5 if groups == 1 else 3) if rng.random() < crowded else 1
        chosen.append(Group(object_id, count, size if count == 1 else "", column, row))
        size = {"small": "large", "large": "small", "": ""}[size]
    return Scene(
        groups=tuple(chosen),
        columns=columns,
        rows=rows,
        colour=rng.choice(BACKGROUNDS),
        texture=rng.choice(TEXTURES),
        width=rng.randrange(160, 321, 4),
        height=rng.randrange(160, 321, 4),
        seed=rng.getrandbits(32),
    )


def _grid(rng: random.Random, groups: int) -> tuple[int, int, list[tuple[int, int]]]:
    """Columns, rows, and the cell of each group."""
    if groups == 1:
        columns, rows, column, row = PLACES[rng.choice(tuple(PLACES))] if rng.random() < 0.6 else PLACES["centre"]
        return columns, rows, [(column, row)]
    shapes = {2: ((2, 1), (1, 2)), 3: ((3, 1), (1, 3), (2, 2)), 4: ((2, 2),)}
    columns, rows = rng.choice(shapes[groups])
    cells = [(column, row) for row in range(rows) for column in range(columns)]
    return columns, rows, rng.sample(cells, groups)


def scene_variants(scene: Scene, rng: random.Random, objects: Sequence[str]) -> Iterator[Scene]:
    """Endless scenes that differ from one in one respect: object, count, place, ground or size."""
    changes: tuple[Callable[[Scene, random.Random, Sequence[str]], Scene], ...] = (
        _other_object,
        _other_count,
        _other_cells,
        _other_ground,
        _other_size,
    )
    while True:
        yield replace(rng.choice(changes)(scene, rng, objects), seed=rng.getrandbits(32))


def _with(scene: Scene, rng: random.Random, **change: Any) -> Scene:
    """The scene with one group changed."""
    index = rng.randrange(len(scene.groups))
    groups = list(scene.groups)
    groups[index] = replace(groups[index], **change)
    return replace(scene, groups=tuple(groups))


def _other_object(scene: Scene, rng: random.Random, objects: Sequence[str]) -> Scene:
    """One object exchanged for another that is not there."""
    shown = {group.object_id for group in scene.groups}
    return _with(scene, rng, object_id=rng.choice([one for one in objects if one not in shown]))


def _other_count(scene: Scene, rng: random.Random, objects: Sequence[str]) -> Scene:
    """One group with another number of copies."""
    return _with(scene, rng, count=rng.randint(1, 5 if len(scene.groups) == 1 else 3), size="")


def _other_cells(scene: Scene, rng: random.Random, objects: Sequence[str]) -> Scene:
    """Groups in other cells: two swapped, or a lone one elsewhere."""
    if len(scene.groups) == 1:
        columns, rows, column, row = PLACES[rng.choice(tuple(PLACES))]
        return replace(_with(scene, rng, column=column, row=row), columns=columns, rows=rows)
    cells = [(group.column, group.row) for group in scene.groups]
    cells = cells[::-1] if len(cells) == 2 else rng.sample(cells, len(cells))
    moved = (replace(group, column=c, row=r) for group, (c, r) in zip(scene.groups, cells, strict=True))
    return replace(scene, groups=tuple(moved))


def _other_ground(scene: Scene, rng: random.Random, objects: Sequence[str]) -> Scene:
    """Another colour and texture."""
    return replace(scene, colour=rng.choice(BACKGROUNDS), texture=rng.choice(TEXTURES))


def _other_size(scene: Scene, rng: random.Random, objects: Sequence[str]) -> Scene:
    """The small one large and the large one small; nothing where sizes say nothing."""
    turned = {"small": "large", "large": "small"}
    return replace(scene, groups=tuple(replace(g, size=turned.get(g.size, "")) for g in scene.groups))
