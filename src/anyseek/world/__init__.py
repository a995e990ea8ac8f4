"""A procedural multimodal world with exact relevance: pictures, pages, charts, clips, notes, and queries for them.

A thing (`Scene`, `Page`, `Chart`, `Clip`, `Note`) is a description, its facts follow from the description, and it is
relevant to a query exactly if the facts the query needs are among them. Everything depends on seeds only.

    for pair in pairs(seed=0):
        pair.query.item(), pair.positive.item(), [miss.item() for miss in pair.negatives]

    corpus = build_corpus(seed=1, split="composition", plan=Plan(sizes={"scene": 200}))

Beside what is looked for there are questions with answers (`ask_about`), parts of pictures (`point_at`), moments of
films (`sample_moment`) and pairs of notes with their likeness (`sample_likeness`).
"""

from anyseek.world.asking import ask, ask_by_name, ask_by_picture, ask_by_picture_and_words
from anyseek.world.charts import Chart
from anyseek.world.clips import Actor, Clip
from anyseek.world.corpora import Corpus, Plan, build_corpus, judge, question
from anyseek.world.films import Film, Moment, sample_moment
from anyseek.world.lexicon import languages
from anyseek.world.likeness import Likeness, sample_likeness
from anyseek.world.notes import Note
from anyseek.world.pages import Page
from anyseek.world.pairs import Mix, Pair, near_misses, pairs, sample_thing
from anyseek.world.queries import INSTRUCTIONS, KINDS, Query
from anyseek.world.questions import Question, ask_about
from anyseek.world.regions import Pointer, Region, point_at, regions
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
    "Film",
    "Group",
    "Likeness",
    "Mix",
    "Moment",
    "Note",
    "Page",
    "Pair",
    "Plan",
    "Pointer",
    "Query",
    "Question",
    "Region",
    "Scene",
    "Split",
    "Thing",
    "allows",
    "ask",
    "ask_about",
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
    "point_at",
    "question",
    "regions",
    "sample_likeness",
    "sample_moment",
    "sample_thing",
]
