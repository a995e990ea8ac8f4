"""Filters against a plain reading of their meaning, over names and tags that try to be something else."""

import re
import unicodedata
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anyseek.errors import ConfigError
from anyseek.index import Filter, Store, StoredFile, Thing
from anyseek.index.filters import pattern
from tests.index.conftest import KINDS, QUERY, WIDTH, file_of, ids, print_

NAMES = [
    "a", "a/b", "ab", "a/b/c.pdf", "a/bc", "100%", "100%/x", "100_/x", "it's", "it''s", "' OR 1=1 --", "');",
    "back\\slash", "back\\", "new\nline", "ünïcode/日本.pdf", "u\u0308", "🍎/🍎.png", "[a-z]+", "a.b", "axb",
    "(?i)A", "$", "^", "*", "?", "**", "a*b", "\\d", "\\'", '"double"', "`tick`", "#", "--", "/*", "{0}", "\x00",
    "$1", "A/B", "tab\t", "end ",
]  # fmt: skip
TAGS = ["", "'", "it's", "%", "_", "\\", "tag", "Tag", "ta'g\\", "日本", "a,b", "[x]", "\x00", "' OR ''='", "🍎"]
ROOTS = ["/root", "/root/", "C:\\Users\\it's", "/日本"]


def test_nothing_of_a_filter_is_read_as_a_predicate(tmp_path: Path) -> None:
    """Built here rather than as a fixture, because hypothesis asks the same library many times."""
    random = np.random.default_rng(0)
    store, files, things = Store.create(tmp_path, print_()), [], {}
    for number, path in enumerate(NAMES * 2):
        hash = f"h{number % 50}"
        tags = tuple(dict.fromkeys(random.choice(TAGS, size=random.integers(4)).tolist()))
        numbers = {"size": number * 10, "mtime": 1000 - number}
        files.append(StoredFile(root=ROOTS[number % 4], path=path, hash=hash, tags=tags, **numbers))
        things[hash] = [
            Thing(hash=hash, part=part, kind=KINDS[(number + part) % 4], page=part + 1 if part else None)
            for part in range(3)
        ]
    files = list({file.key: file for file in files}.values())
    with store.write() as writer:
        every = [thing for listed in things.values() for thing in listed]
        writer.put(every, random.standard_normal((len(every), WIDTH)))
        writer.put_files(files)
        writer.optimize()
    held = Store.open(tmp_path)
    held.hold()

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(where=filters())
    @example(where=Filter(under="/"))
    def check(where: Filter) -> None:
        named = [file for file in files if matches(where, file)]
        assert {file.key for file in store.files(where)} == {file.key for file in named}
        contents = {file.hash for file in named}
        expected = {thing.id for thing in every if thing.hash in contents and counts(where, thing)}
        assert set(ids(store.recall(np.ones(WIDTH), 1000, where))) == expected
        assert set(ids(held.recall(np.ones(WIDTH), 1000, where))) == expected

    check()


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    """Filters with some of everything."""
    names = st.sampled_from(NAMES)
    globs = st.lists(st.one_of(names, st.sampled_from(["*", "**", "**/", "?", "/"])), max_size=4).map("".join)
    choices = {
        "kinds": st.lists(st.sampled_from(KINDS), max_size=2).map(tuple),
        "pages": st.sampled_from([(1, 1), (2, 3), (1, 9), (3, 3)]),
        "roots": st.lists(st.sampled_from([*ROOTS, "/nowhere"]), min_size=1, max_size=2).map(tuple),
        "under": st.one_of(names, st.sampled_from(["/", "", "a/", "/a"])),
        "glob": st.one_of(globs, names.map(lambda name: name[:1] + "*"), names.map(lambda name: "**" + name[-1:])),
        "after": st.integers(900, 1000),
        "before": st.integers(1001, 1010) | st.just(1000),
        "min_bytes": st.integers(0, 300),
        "max_bytes": st.integers(300, 900),
        "tags": st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
        "without_tags": st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
        "hashes": st.lists(st.sampled_from(["h1", "h2", "h49", "'", "nothing"]), max_size=3).map(tuple),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(choices)), max_size=3, unique=True))
    return Filter(**{name: draw(choices[name]) for name in chosen})


def matches(where: Filter, file: StoredFile) -> bool:
    """Whether a file is meant."""
    under = [name.strip("/") for name in forms(where.under or "")]
    return all(
        (
            not where.roots or file.root in where.roots,
            under == [""] or any(file.path == name or file.path.startswith(name + "/") for name in under),
            where.glob is None or any(glob(name, file.path) for name in forms(where.glob)),
            where.after is None or file.mtime >= where.after,
            where.before is None or file.mtime < where.before,
            where.min_bytes is None or file.size >= where.min_bytes,
            where.max_bytes is None or file.size <= where.max_bytes,
            set(where.tags) <= set(file.tags or ()),
            not set(where.without_tags) & set(file.tags or ()),
            where.hashes is None or file.hash in where.hashes,
        )
    )


def forms(name: str) -> list[str]:
    """As it is, composed and decomposed."""
    return sorted({name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))})


def glob(wanted: str, path: str, begins: bool = True) -> bool:
    """A glob, letter by letter, without regular expressions; `begins` where a name may begin in it."""
    if not wanted:
        return not path
    if begins and wanted.startswith("**/"):
        rests = [path, *(path[place + 1 :] for place, letter in enumerate(path) if letter == "/")]
        return any(glob(wanted[3:], rest) for rest in rests)
    if wanted.startswith("**"):
        return any(glob(wanted[2:], path[place:], False) for place in range(len(path) + 1))
    if wanted[0] == "*":
        stops = path.find("/") if "/" in path else len(path)
        return any(glob(wanted[1:], path[place:], False) for place in range(stops + 1))
    if not path or (path[0] == "/" if wanted[0] == "?" else path[0] != wanted[0]):
        return False
    return glob(wanted[1:], path[1:], wanted[0] == "/")


def counts(where: Filter, thing: Thing) -> bool:
    """Whether a thing is meant, apart from its file."""
    pages = where.pages is None or (thing.page is not None and where.pages[0] <= thing.page <= where.pages[1])
    return pages and (not where.kinds or thing.kind in where.kinds)


def test_patterns_hold_only_letters_and_codes() -> None:
    assert pattern("a.b/*'?") == r"(?s)^a\x{2e}b/[^/]*\x{27}[^/]$"
    for name in NAMES:
        assert not set(re.sub(r"\\x\{[0-9a-f]+\}|\[\^/\]\*?|\.\*", "", pattern(name)[5:-1])) & set(".()[]{}\\'+|$^*?")


@pytest.mark.parametrize(
    ("wanted", "fits", "others"),
    [
        ("**/2025/*.pdf", ["2025/a.pdf", "x/2025/a.pdf", "x/y/2025/a.pdf"], ["2025/b/a.pdf", "x2025/a.pdf", "a.pdf"]),
        ("x/**/a.pdf", ["x/a.pdf", "x/y/a.pdf", "x/y/z/a.pdf"], ["a.pdf", "xy/a.pdf", "x/ya.pdf"]),
        ("**/**/a.pdf", ["a.pdf", "x/a.pdf", "x/y/a.pdf"], ["xa.pdf"]),
        ("x**/a.pdf", ["x/a.pdf", "xy/a.pdf", "xy/z/a.pdf"], ["xa.pdf", "a.pdf"]),
    ],
)
def test_folders_or_none(tmp_path: Path, wanted: str, fits: list[str], others: list[str]) -> None:
    store = Store.create(tmp_path, print_())
    with store.write() as writer:
        writer.put_files([file_of(path, "one") for path in (*fits, *others)])
    assert sorted(file.path for file in store.files(Filter(glob=wanted))) == sorted(fits)


def test_empty_ranges_and_unknown_kinds_are_refused() -> None:
    with pytest.raises(ConfigError, match="kind 'sound' is unknown; choose from image, page, text, video"):
        Filter(kinds=("page", "sound"))
    for wrong in ({"pages": (2, 1)}, {"after": 2, "before": 1}, {"min_bytes": 2, "max_bytes": 1}):
        with pytest.raises(ConfigError, match="hold nothing; put the smaller first"):
            Filter(**wrong)


def test_names_that_no_library_can_keep_are_refused() -> None:
    for wrong in ({"glob": "\udcff*"}, {"under": "\udcff"}, {"tags": ("\udcff",)}, {"roots": ("\udcff",)}):
        with pytest.raises(ConfigError, match="is not Unicode"):
            Filter(**wrong)


def test_what_is_asked_of_files_holds_of_one_file(store: Store) -> None:
    """A content that lies in two places is found by what one of them is, not by what both are together."""
    query = np.ones(WIDTH)
    with store.write() as writer:
        writer.put_files([file_of("x/big", "one", size=1000), replace(file_of("y/small", "one"), size=1)])
    assert ids(store.recall(query, 9, Filter(under="x", min_bytes=500))) == ["one.0", "one.1"]
    assert store.recall(query, 9, Filter(under="y", min_bytes=500)) == []


def test_numbers_that_no_column_can_have_count_as_the_nearest(store: Store) -> None:
    most = 10**20
    for where in (Filter(before=most), Filter(after=-most), Filter(max_bytes=most), Filter(pages=(-most, most))):
        assert set(ids(store.recall(QUERY, 5, where))) == {"one.0", "one.1"}
    for where in (Filter(after=most), Filter(before=-most), Filter(min_bytes=most), Filter(pages=(most, most))):
        assert not store.recall(QUERY, 5, where)


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_letters_with_marks_are_found_in_either_form(store: Store, stored: str, asked: str) -> None:
    path, wanted = unicodedata.normalize(stored, "Reisé/Café.txt"), unicodedata.normalize(asked, "Reisé")
    with store.write() as writer:
        writer.put_files([StoredFile(root="/r", path=path, hash=None, size=1, mtime=1, state="failed")])
    for where in (Filter(under=wanted), Filter(glob=f"{wanted}/*"), Filter.at(wanted), Filter.at(f"{wanted}/*.txt")):
        assert [file.path for file in store.files(where)] == [path]


def test_one_string_is_one_value() -> None:
    assert Filter(tags="xy", kinds="text", roots="/r", without_tags="z", hashes="h") == Filter(  # type: ignore[arg-type]
        tags=("xy",), kinds=("text",), roots=("/r",), without_tags=("z",), hashes=("h",)
    )


def test_times_that_hold_nothing_are_told_as_days() -> None:
    after, before = (int(datetime(2025, month, 1).timestamp()) * 10**9 for month in (3, 2))
    with pytest.raises(ConfigError, match="after and before 2025-03-01 to 2025-02-01 hold nothing"):
        Filter(after=after, before=before)
    with pytest.raises(ConfigError, match="hold nothing"):
        Filter(after=1 << 62, before=0)
