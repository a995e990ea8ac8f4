"""The text tower, the whole model and the score against transformers."""

import itertools
import random

import pytest
import torch
from torch import Tensor

from anyseek.batch import Sample, pack
from anyseek.model import yes_no_logit
from anyseek.model.text import Sight
from anyseek.ops import interleaved_rotary_tables
from anyseek.processing.processor import _position_ids
from tests.parity.conftest import END, IMAGE, START, VIDEO, Twins, draw, gap, pixels, scaled

LAYER = 1e-5  # measured: 4.3e-7
TABLES = 1e-6  # measured: 0
TOWER = 1e-5  # measured: 8e-7
MODEL = 1e-5  # measured: 2.8e-6
SCORE = 1e-5  # measured: 4e-6, as a share of logits above 1
BF16_COSINE = 0.9995  # measured: 0.99984, both between the two in bf16 and of ours with fp32

Grid = tuple[int, int, int, str]
Mix = tuple[list[int], list[tuple[int, int, int]], list[Grid]]


def mix(seed: int) -> Mix:
    """A random conversation: token ids, (start, rows, columns) of its spans in merged units, grids in patches."""
    chance = random.Random(seed)
    ids: list[int] = []
    spans, grids = [], []
    for _ in range(chance.randint(1, 6)):
        kind = chance.choice(("text", "image", "video", "text"))
        if kind == "text":
            ids += [chance.randrange(100) for _ in range(chance.randint(1, 9))]
            continue
        rows, columns = chance.randint(1, 5), chance.randint(1, 5)
        groups = chance.randint(1, 4) if kind == "video" else 1
        for _ in range(groups):
            if kind == "video":  # the time in front of each frame group
                ids += [chance.randrange(100) for _ in range(chance.randint(1, 4))]
            ids.append(START)
            spans.append((len(ids), rows, columns))
            ids += [IMAGE if kind == "image" else VIDEO] * (rows * columns) + [END]
        grids.append((groups, 2 * rows, 2 * columns, kind))
    return [*ids, chance.randrange(100)], spans, grids


def sample_of(conversation: Mix, seed: int) -> Sample:
    ids, spans, grids = conversation
    index = [start + i for start, rows, columns in spans for i in range(rows * columns)]
    return Sample(
        token_ids=torch.tensor(ids),
        position_ids=_position_ids(len(ids), spans),
        patches=pixels(seed, sum(t * h * w for t, h, w, _ in grids)),
        grids=torch.tensor([grid[:3] for grid in grids], dtype=torch.int64).view(-1, 3),
        visual_index=torch.tensor(index, dtype=torch.int64),
    )


def reference_inputs(sample: Sample, conversation: Mix) -> dict[str, Tensor]:
    """The sample as the reference's arguments: pictures and videos apart."""
    inputs = {"input_ids": sample.token_ids[None]}
    grids = conversation[2]
    pieces = scaled(sample.patches).split([t * h * w for t, h, w, _ in grids])
    for kind, name in (("image", "pixel_values"), ("video", "pixel_values_videos")):
        own = [(grid[:3], piece) for grid, piece in zip(grids, pieces, strict=True) if grid[3] == kind]
        if own:
            inputs[f"{kind}_grid_thw"] = torch.tensor([grid for grid, _ in own])
            inputs[name] = torch.cat([piece for _, piece in own])
    return inputs


@pytest.mark.parametrize("seed", range(100))
def test_position_ids(twins: Twins, seed: int) -> None:
    conversation = mix(seed)
    sample = sample_of(conversation, seed)
    given = reference_inputs(sample, conversation)
    expected, _ = twins.theirs.model.get_rope_index(
        given["input_ids"], given.get("image_grid_thw"), given.get("video_grid_thw")
    )
    assert torch.equal(sample.position_ids, expected[:, 0])


def test_rotary_tables(twins: Twins) -> None:
    config = twins.ours.config.text
    positions = torch.stack([torch.randint(0, high, (50,)) for high in (4000, 60, 70)])
    cos, sin = interleaved_rotary_tables(
        positions, config.head_dim, config.rope_theta, config.mrope_section, torch.float32
    )
    theirs = twins.theirs.language_model.rotary_emb(torch.zeros(1), positions[:, None])
    assert gap(cos[:, 0], theirs[0][0]) < TABLES
    assert gap(sin[:, 0], theirs[1][0]) < TABLES


@pytest.mark.parametrize("backend", ["reference", "matmul", "sdpa"])
def test_layer(twins: Twins, backend: str) -> None:
    config = twins.ours.config.text
    x, positions = draw(6, 17, config.hidden_size), torch.arange(17).expand(3, -1)
    rotary = interleaved_rotary_tables(positions, config.head_dim, config.rope_theta, config.mrope_section, x.dtype)
    mask = torch.full((17, 17), float("-inf")).triu(1)[None, None]
    expected = twins.theirs.language_model.layers[0](
        x[None], position_embeddings=(rotary[0][None, :, 0], rotary[1][None, :, 0]), attention_mask=mask
    )
    assert gap(twins.ours.language_model.layers[0](x, rotary, Sight((17,), backend), 0)[0], expected[0]) < LAYER


def test_tower(twins: Twins) -> None:
    config = twins.ours.config
    ids, positions = (
        torch.arange(23) % 100,
        torch.stack([torch.arange(23), torch.arange(23) // 2, torch.arange(23) % 5]),
    )
    index = torch.tensor([3, 4, 5, 9, 10])
    deepstack = [draw(seed, 5, config.text.hidden_size) for seed in range(len(config.vision.deepstack_visual_indexes))]
    states = twins.ours.language_model.embed_tokens(ids)
    ours = twins.ours.language_model(states, positions, Sight((23,)), (index, deepstack))
    theirs = twins.theirs.language_model(
        inputs_embeds=states[None],
        position_ids=positions[:, None],
        visual_pos_masks=torch.zeros(1, 23, dtype=torch.bool).index_fill(1, index, True),
        deepstack_visual_embeds=deepstack,
    ).last_hidden_state[0]
    assert gap(twins.ours.language_model.norm(ours), theirs) < TOWER


SEEDS = [seed for seed in range(100) if {grid[3] for grid in mix(seed)[2]} == {"image", "video"}][:8]


@pytest.mark.parametrize("seed", [*SEEDS, 3, 4])
def test_model(twins: Twins, seed: int) -> None:
    conversation = mix(seed)
    sample = sample_of(conversation, seed)
    theirs = twins.theirs.model(**reference_inputs(sample, conversation)).last_hidden_state[0]
    assert gap(twins.ours(pack([sample])), theirs) < MODEL


def test_packed_model(twins: Twins) -> None:
    """Eight conversations end to end against the reference one by one, last tokens only."""
    conversations = [mix(seed) for seed in SEEDS]
    samples = [sample_of(conversation, seed) for seed, conversation in enumerate(conversations)]
    batch = pack(samples)
    ours = twins.ours(batch, last=True)
    for row, sample, conversation in zip(ours, samples, conversations, strict=True):
        theirs = twins.theirs.model(**reference_inputs(sample, conversation)).last_hidden_state[0, -1]
        assert gap(row, theirs) < MODEL


def test_model_is_not_blind(twins: Twins) -> None:
    """The tolerance would notice: another pixel, another deepstack order, another position."""
    sample = sample_of(mix(SEEDS[0]), 0)
    batch = pack([sample])
    states = twins.ours(batch, last=True)
    changes = {"patches": 255 - batch.patches, "position_ids": batch.position_ids.flip(0)}
    for name, value in changes.items():
        other = twins.ours(pack([_changed(sample, name, value)]), last=True)
        assert gap(other, states) > 10 * MODEL, name


def _changed(sample: Sample, name: str, value: Tensor) -> Sample:
    fields = ("token_ids", "position_ids", "patches", "grids", "visual_index")
    return Sample(**{field: value if field == name else getattr(sample, field) for field in fields})


def test_score(twins: Twins) -> None:
    yes, no = 17, 42
    head = twins.theirs.lm_head.weight
    for seed, conversation in enumerate(itertools.islice(map(mix, SEEDS), 4)):
        sample = sample_of(conversation, seed)
        batch = pack([sample])
        logits = twins.theirs(**reference_inputs(sample, conversation)).logits[0, -1]
        ours = yes_no_logit(twins.ours(batch, last=True), head[yes] - head[no])
        assert gap(ours[0], logits[yes] - logits[no]) < SCORE


def test_bf16_is_near(twins: Twins) -> None:
    low = twins.to(torch.bfloat16)
    for seed, conversation in enumerate(map(mix, SEEDS[:4])):
        sample = sample_of(conversation, seed)
        inputs = reference_inputs(sample, conversation)
        low_inputs = {k: v.bfloat16() if v.is_floating_point() else v for k, v in inputs.items()}
        theirs = low.theirs.model(**low_inputs).last_hidden_state[0, -1].float()
        batch = pack([sample])
        ours, exact = low.ours(batch, last=True)[0].float(), twins.ours(batch, last=True)[0]
        for other in (theirs, exact):
            assert torch.cosine_similarity(ours, other, dim=0) > BF16_COSINE
