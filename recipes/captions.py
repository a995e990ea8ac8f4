"""Fine-tuning on captioned pictures, as `docs/training.md` walks through it.

python -m recipes.captions FOLDER         some captioned pictures to try it with: 50 things under invented names
anyseek train recipes.captions:stage
"""

import argparse
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

from anyseek import world
from anyseek.training import TrainOptions
from anyseek.training.stage import ObjectiveOptions, Stage, StageSource
from recipes.streams import portrait

__all__ = ["invented", "stage", "write"]

CAPTIONS = ("a {}", "the {}", "{}", "here is a {}")
SYLLABLES = ("zol", "drip", "fan", "kri", "ulm", "spa", "mo", "wex", "tarn", "bli")
SHARES = (("train", 10, 1), ("dev", 1, 2), ("test", 4, 3))
"""File, pictures of each thing, seed."""


def stage() -> Stage:
    """LoRA on the bundled embedder, from `captions/train`; `captions/dev` guards it."""
    return Stage(
        kind="embedder",
        model="tiny",
        out=Path("runs/captions"),
        sources=(StageSource(folder=Path("captions/train"), queries=32, negatives=0),),
        objective=ObjectiveOptions(temperature=0.05),
        training=TrainOptions(steps=120, learning_rate=2e-3, warmup_steps=10),
        attention="matmul",
        dev=Path("captions/dev"),
        evaluate_every=40,
    )


def invented(count: int) -> dict[str, str]:
    """Names that no language has -> objects of the world; from ten on, half are objects that no training showed."""
    rng = random.Random(0)
    names = [first + second for first in SYLLABLES for second in SYLLABLES]
    known, unknown = (rng.sample(world.object_ids(split), count // 2) for split in ("train", "object"))
    extra = rng.sample(sorted(set(world.object_ids("train")) - {*known, *unknown}), count % 2)
    return dict(zip(rng.sample(names, count), [*known, *unknown, *extra], strict=True))


def write(folder: Path, names: Mapping[str, str], name: str, each: int, seed: int) -> Path:
    """Pictures of objects, and a file `name`.jsonl that gives each its caption, in sentence-transformers' form."""
    rng, lines = random.Random(seed), []
    (folder / "pictures").mkdir(exist_ok=True, parents=True)
    for called, object_id in names.items():
        for number in range(each):
            scene = portrait(rng).positive
            assert isinstance(scene, world.Scene)
            scene = replace(scene, groups=(replace(scene.groups[0], object_id=object_id),))
            path = folder / "pictures" / f"{name}-{called}-{number}.png"
            Image.fromarray(scene.draw()).save(path)
            caption = rng.choice(CAPTIONS).format(called)
            lines.append({"anchor": caption, "positive": {"image": str(path.relative_to(folder))}})
    out = folder / f"{name}.jsonl"
    out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return out


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, each, seed in SHARES:
        print(write(folder, invented(50), name, each, seed))


if __name__ == "__main__":
    main()
