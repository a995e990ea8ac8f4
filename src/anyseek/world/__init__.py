"""A procedural multimodal world with exact relevance: pictures, pages, charts, clips, notes, and queries for them.

A thing (`Scene`, `Page`, `Chart`, `Clip`, `Note`) is a description, its facts follow from the description, and it is
relevant to a query exactly if the facts the query needs are among them. Everything depends on seeds only.

    for pair in pairs(seed=0):
        pair.query.item(), pair.positive.item(), [miss.item() for miss in pair.negatives]

    corpus = build_corpus(seed=1, split="composition", plan=Plan(sizes={"scene": 200}))
"""

from anyseek.world.asking import ask, ask_by_name, ask_by_picture, ask_by_picture_and_words
from anyseek.world.charts import Chart
from anyseek.world.clips import Actor, Clip
from anyseek.world.corpora import Corpus, Plan, build_corpus, judge, question
from anyseek.world.lexicon import languages
from anyseek.world.notes import Note
from anyseek.world.pages import Page
from anyseek.world.pairs import Mix, Pair, near_misses, pairs, sample_thing
from anyseek.world.queries import INSTRUCTIONS, KINDS, Query
from anyseek.world.scenes import Group, Scene
from anyseek.world.splits import Split, allows, held_out, object_ids
from anyseek.world.things import Composition, Fact, Thing

__all__ = [
    "INSTRUCTIONS",
    "KINDS",
    "Actor",
    "Chart",
    "Clip",
    "Composition",
    "Corpus",
    "Fact",
    "Group",
    "Mix",
    "Note",
    "Page",
    "Pair",
    "Plan",
    "Query",
    "Scene",
    "Split",
    "Thing",
    "allows",
    "ask",
    "ask_by_name",
    "ask_by_picture",
    "ask_by_picture_and_words",
    "build_corpus",
    "held_out",
    "judge",
    "languages",
    "near_misses",
    "object_ids",
    "pairs",
    "question",
    "sample_thing",
]
