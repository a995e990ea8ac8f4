import asyncio
import io
import logging
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from llama_index.core import QueryBundle, VectorStoreIndex
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, TextNode

from anyseek import Embedder, Image, Item, Library, Page, Reranker, Text
from anyseek.errors import InputError
from anyseek.integrations.llama_index import AnyseekEmbedding, AnyseekReranker, LibraryRetriever
from anyseek.media import MediaOptions, load_image
from anyseek.search import AskOptions, Filter

PICTURES = ("p002.jpg", "p004.png", "p011.jpg")


@pytest.fixture
def embedding(tiny: Embedder) -> AnyseekEmbedding:
    return AnyseekEmbedding(tiny)


@pytest.fixture
def pictures(samples: Path) -> list[Path]:
    return [samples / "pictures" / name for name in PICTURES]


def test_vectors_are_those_of_the_embedder_bit_for_bit(
    embedding: AnyseekEmbedding, tiny: Embedder, pictures: list[Path]
) -> None:
    texts = ["a red apple", "https://example.com/cat.jpg"]
    assert embedding.get_text_embedding_batch(texts) == tiny.encode_document([Text(text) for text in texts]).tolist()
    assert embedding.get_text_embedding(texts[1]) == tiny.encode_document([Text(texts[1])])[0].tolist()
    assert embedding.get_query_embedding(texts[0]) == tiny.encode_query([texts[0]])[0].tolist()
    shown = [str(pictures[0]), io.BytesIO(pictures[1].read_bytes())]
    assert (
        embedding.get_image_embedding_batch(shown)
        == tiny.encode_document([Image(path) for path in pictures[:2]]).tolist()
    )
    assert embedding.get_image_embedding(str(pictures[0])) == tiny.encode_document([Image(pictures[0])])[0].tolist()
    asked = embedding.picture_query(Image(pictures[0]), "like this").embedding
    assert asked == tiny.encode_query([Image(pictures[0])])[0].tolist()


def test_a_query_by_a_picture_is_read_by_the_reranker_too(
    embedding: AnyseekEmbedding, tiny_reranker: Reranker, pictures: list[Path]
) -> None:
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("a dog", "a fish")]
    asked = embedding.picture_query({"image": pictures[1], "text": "what is this?"}, "a picture")
    reranking = AnyseekReranker(tiny_reranker)
    expected = tiny_reranker.predict([(asked.item, one.text) for one in nodes])
    found = reranking.postprocess_nodes(nodes, query_bundle=asked)
    assert {one.text: one.score for one in found} == dict(zip(("a dog", "a fish"), expected.tolist(), strict=True))
    with pytest.raises(InputError, match="neither words nor a picture"):
        reranking.postprocess_nodes(nodes, query_bundle=QueryBundle("", embedding=asked.embedding))


def test_copies_load_the_model_again(embedding: AnyseekEmbedding, tiny_reranker: Reranker) -> None:
    """As this framework sends them to other processes and writes them down."""
    expected = embedding.get_query_embedding("a cat")
    for again in (pickle.loads(pickle.dumps(embedding)), AnyseekEmbedding.from_dict(embedding.to_dict())):
        assert again.get_query_embedding("a cat") == expected
        assert again.model_name == embedding.model_name
    nodes = [NodeWithScore(node=TextNode(text="a cat"))]
    reranking = AnyseekReranker(tiny_reranker)
    expected = reranking.postprocess_nodes(nodes, query_str="a cat")[0].score
    for again in (pickle.loads(pickle.dumps(reranking)), AnyseekReranker.from_dict(reranking.to_dict())):
        assert again.postprocess_nodes(nodes, query_str="a cat")[0].score == expected


def test_options_reach_the_model(tiny: Embedder) -> None:
    ours = AnyseekEmbedding(tiny, instruction="Find fruit.", truncate_dim=32, embed_batch_size=2)
    assert (
        ours.get_query_embedding("apple")
        == tiny.encode_query(["apple"], instruction="Find fruit.", truncate_dim=32)[0].tolist()
    )
    assert ours.get_text_embedding("apple") == tiny.encode_document(["apple"], truncate_dim=32)[0].tolist()
    assert ours.model_name == "anyseek-tiny-embedding"
    assert ours.to_payload()["embed_batch_size"] == 2


def test_coroutines_and_threads_give_the_same(embedding: AnyseekEmbedding, pictures: list[Path]) -> None:
    async def together() -> list[object]:
        return await asyncio.gather(
            embedding.aget_text_embedding_batch(["a cat", "a dog"]),
            embedding.aget_text_embedding("a cat"),
            embedding.aget_query_embedding("a cat"),
            embedding.aget_image_embedding(str(pictures[0])),
            embedding.aget_image_embedding_batch([str(path) for path in pictures]),
        )

    expected = [
        embedding.get_text_embedding_batch(["a cat", "a dog"]),
        embedding.get_text_embedding("a cat"),
        embedding.get_query_embedding("a cat"),
        embedding.get_image_embedding(str(pictures[0])),
        embedding.get_image_embedding_batch([str(path) for path in pictures]),
    ]
    assert asyncio.run(together()) == expected
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(embedding.get_query_embedding, ["a cat"] * 3)) == [expected[2]] * 3


def test_a_picture_that_cannot_be_read_is_named_with_its_row(embedding: AnyseekEmbedding, pictures: list[Path]) -> None:
    with pytest.raises(InputError, match=r"items\[1\].*gone\.png"):
        embedding.get_image_embedding_batch([str(pictures[0]), "gone.png"])


def test_an_index_of_texts_finds_the_right_note(embedding: AnyseekEmbedding, samples: Path) -> None:
    nodes = [
        TextNode(text=(samples / f"notes/{name}.txt").read_text(encoding="utf-8"), id_=name)
        for name in ("n011", "n014")
    ]
    index = VectorStoreIndex(nodes, embed_model=embedding)
    for query, name in (("Riesenrad", "n011"), ("a shopping cart in Madrid", "n014")):
        assert index.as_retriever(similarity_top_k=1).retrieve(query)[0].node_id == name


def test_an_index_of_pictures_and_texts(embedding: AnyseekEmbedding, pictures: list[Path]) -> None:
    nodes = [ImageNode(image_path=str(path), id_=path.name, metadata={"name": path.name}) for path in pictures]
    texts = [TextNode(text="a recipe for pear cake", id_="cake")]
    index = MultiModalVectorStoreIndex([*nodes, *texts], embed_model=embedding, image_embed_model=embedding)
    retriever = index.as_retriever(similarity_top_k=1, image_similarity_top_k=1)
    found = {one.node_id for one in retriever.retrieve("a fish on a yellow background")}
    assert found == {"cake", "p004.png"}
    (same,) = retriever.image_to_image_retrieve(str(pictures[2]))
    assert same.node_id == "p011.jpg"


@pytest.mark.parametrize(
    ("query", "path", "more"),
    [
        ("a fish on a yellow background", "pictures/p004.png", {"kind": "image"}),
        ("a chestnut", "documents/d004.pdf", {"kind": "page", "page": 1}),
        ("a lollipop that moves down", "clips/v003.mp4", {"kind": "video", "start": 0.0, "end": 6.0}),
        ("Riesenrad", "notes/n011.txt", {"kind": "text", "start": 0.0}),
    ],
)
def test_the_retriever_finds(indexed: Library, samples: Path, query: str, path: str, more: dict) -> None:
    best = LibraryRetriever(indexed, side=320).retrieve(query)[0]
    hit = indexed.search(query).hits[0]
    assert best.metadata["path"] == str(samples / path)
    assert best.metadata.items() >= more.items()
    assert (best.node_id, best.score, best.text) == (hit.id, hit.score, hit.thing.text or "")
    assert isinstance(best.node, ImageNode) == (more["kind"] != "text")
    if isinstance(best.node, ImageNode):
        assert max(load_image(best.node.resolve_image().getvalue(), MediaOptions()).size) <= 320
        assert best.node.image_mimetype == "image/jpeg"
    told = best.node.get_content(MetadataMode.LLM)
    assert path in told
    assert hit.id not in told
    assert best.node.get_content(MetadataMode.EMBED) == (hit.thing.text or "")


def test_the_retriever_takes_pictures_filters_and_options(indexed: Library, samples: Path) -> None:
    pages = LibraryRetriever(indexed, where=Filter(kinds=("page",)), options=AskOptions(top=2), side=64)
    found = pages.retrieve("a fish")
    assert [one.metadata["kind"] for one in found] == ["page", "page"]
    assert asyncio.run(pages.aretrieve("a fish")) == found
    fish = str(samples / "pictures/p004.png")
    everything = LibraryRetriever(indexed, side=64)
    for query in (QueryBundle("", image_path=fish), QueryBundle("a fish", image_path=fish)):
        assert everything.retrieve(query)[0].metadata["path"] == fish


def test_a_file_that_is_gone_is_said_to_be(samples: Path, tiny: Embedder, tmp_path: Path) -> None:
    shutil.copytree(samples / "pictures", tmp_path / "pictures")
    with Library.open(tmp_path / "library", tiny) as library:
        library.index([tmp_path / "pictures"])
        (tmp_path / "pictures/p004.png").unlink()
        best = LibraryRetriever(library).retrieve("a fish on a yellow background")[0]
    assert best.metadata["path"].endswith("p004.png")
    assert not isinstance(best.node, ImageNode)
    assert "p004.png" in best.metadata["unread"]


def test_retriever_reranker_and_an_engine(indexed: Library, tiny_reranker: Reranker) -> None:
    retriever, reranker = LibraryRetriever(indexed, side=64), AnyseekReranker(tiny_reranker, top_n=2)
    query = "a chestnut"
    found = retriever.retrieve(query)
    kept = reranker.postprocess_nodes(found, query_str=query)
    assert len(kept) == 2 < len(found)
    assert kept[0].metadata["path"].endswith("d004.pdf")
    assert kept[0].score >= kept[1].score
    assert asyncio.run(reranker.apostprocess_nodes(found, query_str=query)) == kept
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM(), node_postprocessors=[reranker])
    assert [one.node_id for one in engine.query(query).source_nodes] == [one.node_id for one in kept]


def test_the_reranker_reads_what_is_there(tiny_reranker: Reranker, samples: Path) -> None:
    path, picture = samples / "documents/d010.pdf", samples / "pictures/p004.png"
    nodes = [
        ImageNode(text="not a word of it", metadata={"path": str(path), "kind": "page", "page": 2}, id_="page"),
        TextNode(text="a chestnut", id_="text"),
        ImageNode(text="not a word of it", image_path=str(picture), id_="picture"),
    ]
    found = [NodeWithScore(node=node) for node in nodes]
    query = "a menu about kitchen knives"
    expected = tiny_reranker.predict([(query, Page(path, 2)), (query, "a chestnut"), (query, Image(picture))])
    kept = AnyseekReranker(tiny_reranker).postprocess_nodes(found, query_str=query)
    order = np.argsort(-expected, kind="stable")
    assert [(one.node_id, one.score) for one in kept] == [(nodes[row].node_id, float(expected[row])) for row in order]
    assert [one.score for one in found] == [None] * 3
    both = AnyseekReranker(tiny_reranker).postprocess_nodes(found[1:2], QueryBundle("fish", image_path=str(picture)))
    item = Item((Image(picture), Text("fish")))
    assert both[0].score == float(tiny_reranker.predict([(item, "a chestnut")])[0])


def test_nodes_that_cannot_be_read(tiny_reranker: Reranker, caplog: pytest.LogCaptureFixture) -> None:
    nodes = [NodeWithScore(node=TextNode(text="a dog")), NodeWithScore(node=ImageNode(image_path="gone.png"))]
    with pytest.raises(InputError, match=r"pairs\[1\].*gone\.png"):
        AnyseekReranker(tiny_reranker).postprocess_nodes(nodes, query_str="apple")
    with caplog.at_level(logging.WARNING, "anyseek"):
        kept = AnyseekReranker(tiny_reranker, on_error="leave_out").postprocess_nodes(nodes, query_str="apple")
    assert [one.text for one in kept] == ["a dog"]
    assert "document 1 is left out" in caplog.text
    with pytest.raises(InputError, match="needs the query"):
        AnyseekReranker(tiny_reranker).postprocess_nodes(nodes)
