import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore

from anyseek import Embedder, Image, Item, Library, Page, Reranker, Text
from anyseek.errors import ConfigError, InputError
from anyseek.integrations.langchain import AnyseekEmbeddings, AnyseekReranker, LibraryRetriever, image_part
from anyseek.media import MediaOptions, load_image
from anyseek.search import AskOptions, Filter

NOTES = ("notes/n011.txt", "notes/n014.txt")


@pytest.fixture
def retriever(indexed: Library) -> LibraryRetriever:
    return LibraryRetriever(library=indexed)


def test_vectors_are_those_of_the_embedder_bit_for_bit(tiny: Embedder, samples: Path) -> None:
    mixed = ["a red apple", {"image": samples / "pictures/p004.png", "text": "a fish"}, samples / "pictures/p002.jpg"]
    ours = AnyseekEmbeddings(tiny)
    assert ours.embed_documents(mixed) == tiny.encode_document(mixed).tolist()
    assert ours.embed_query("a red apple") == tiny.encode_query(["a red apple"])[0].tolist()
    picture = {"image": samples / "pictures/p004.png"}
    assert ours.embed_query(picture) == tiny.encode_query([picture])[0].tolist()
    uris = [str(samples / "pictures/p004.png"), samples / "pictures/p002.jpg"]
    assert ours.embed_image(uris) == tiny.encode_document([Image(uri) for uri in uris]).tolist()


def test_options_reach_the_model(tiny: Embedder) -> None:
    ours = AnyseekEmbeddings(tiny, instruction="Find fruit.", truncate_dim=32)
    assert (
        ours.embed_query("apple")
        == tiny.encode_query(["apple"], instruction="Find fruit.", truncate_dim=32)[0].tolist()
    )
    assert ours.embed_documents(["apple"]) == tiny.encode_document(["apple"], truncate_dim=32).tolist()
    assert ours.embed_query("apple") != ours.embed_documents(["apple"])[0]


def test_a_string_is_text_whatever_it_looks_like(tiny: Embedder) -> None:
    address = "https://example.com/cat.jpg"
    assert AnyseekEmbeddings(tiny).embed_documents([address]) == tiny.encode_document([Text(address)]).tolist()
    assert AnyseekEmbeddings(tiny).embed_query(address) == tiny.encode_query([Text(address)])[0].tolist()


def test_no_documents_give_no_vectors(tiny: Embedder) -> None:
    assert AnyseekEmbeddings(tiny).embed_documents([]) == []


def test_a_picture_that_cannot_be_read_is_named_with_its_row(tiny: Embedder, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(InputError, match=r"items\[1\].*broken\.png"):
        AnyseekEmbeddings(tiny).embed_documents(["fine", {"image": tmp_path / "broken.png"}, "fine"])


def test_threads_and_coroutines_give_the_same(tiny: Embedder) -> None:
    ours = AnyseekEmbeddings(tiny)
    texts = [[f"a {word}", "a dog"] for word in ("cat", "fish", "house", "key")]
    expected = [ours.embed_documents(pair) for pair in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ours.embed_documents, texts)) == expected

    async def together() -> list[object]:
        return await asyncio.gather(*(ours.aembed_documents(pair) for pair in texts), ours.aembed_query("a cat"))

    assert asyncio.run(together()) == [*expected, ours.embed_query("a cat")]


def test_a_vector_store_finds_the_right_note(tiny: Embedder, samples: Path) -> None:
    texts = [(samples / name).read_text(encoding="utf-8") for name in NOTES]
    store = InMemoryVectorStore.from_texts(texts, AnyseekEmbeddings(tiny), metadatas=[{"name": name} for name in NOTES])
    for query, name in (("Riesenrad", NOTES[0]), ("a shopping cart in Madrid", NOTES[1])):
        (found,) = store.similarity_search(query, k=1)
        assert found.metadata["name"] == name


@pytest.mark.parametrize(
    ("query", "path", "more"),
    [
        ("a fish on a yellow background", "pictures/p004.png", {"kind": "image"}),
        ("a chestnut", "documents/d004.pdf", {"kind": "page", "page": 1}),
        ("a lollipop that moves down", "clips/v003.mp4", {"kind": "video", "start": 0.0, "end": 6.0}),
        ("Riesenrad", "notes/n011.txt", {"kind": "text", "start": 0.0}),
    ],
)
def test_the_retriever_finds(retriever: LibraryRetriever, samples: Path, query: str, path: str, more: dict) -> None:
    best = retriever.invoke(query)[0]
    assert best.metadata["path"] == str(samples / path)
    assert best.metadata.items() >= more.items()
    hit = retriever.library.search(query).hits[0]
    assert (best.id, best.metadata["score"], best.page_content) == (hit.id, hit.score, hit.thing.text or "")


def test_the_retriever_takes_pictures_filters_and_options(indexed: Library, samples: Path) -> None:
    retriever = LibraryRetriever(library=indexed, options=AskOptions(top=2), where=Filter(kinds=("page",)))
    pages = retriever.invoke("a fish")
    assert len(pages) == 2
    assert {page.metadata["kind"] for page in pages} == {"page"}
    pictures = Filter(kinds=("image",))
    asked = {"image": samples / "pictures/p004.png"}
    (best, _) = retriever.invoke(asked, where=pictures)
    assert best.metadata["path"] == str(samples / "pictures/p004.png")
    assert asyncio.run(retriever.ainvoke(asked, where=pictures))[0] == best
    assert retriever.bind(where=pictures).invoke("a fish")[0].metadata["kind"] == "image"


def test_batches_keep_their_order_and_their_errors(retriever: LibraryRetriever, tmp_path: Path) -> None:
    queries = ["Riesenrad", {"image": tmp_path / "gone.png"}, "a chestnut"]
    one, error, three = retriever.batch(queries, return_exceptions=True)
    assert isinstance(error, InputError)
    assert [one[0].metadata["kind"], three[0].metadata["kind"]] == ["text", "page"]
    with pytest.raises(InputError, match=r"gone\.png"):
        retriever.batch(queries)


def test_a_chain_of_retriever_and_compressor(retriever: LibraryRetriever, tiny_reranker: Reranker) -> None:
    reranker = AnyseekReranker(tiny_reranker, top_n=2)
    chain = {"query": RunnablePassthrough(), "documents": retriever} | RunnableLambda(
        lambda found: reranker.compress_documents(found["documents"], found["query"])
    )
    query = "a chestnut"
    found = retriever.invoke(query)
    kept = chain.invoke(query)
    assert len(kept) == 2 < len(found)
    assert kept[0].metadata["path"].endswith("d004.pdf")
    scores = [document.metadata["relevance_score"] for document in kept]
    assert scores == sorted(scores, reverse=True)
    assert all("relevance_score" not in document.metadata for document in found)
    assert asyncio.run(reranker.acompress_documents(found, query)) == kept


def test_the_reranker_reads_what_is_there(tiny_reranker: Reranker, samples: Path) -> None:
    path = samples / "documents/d010.pdf"
    documents = [
        Document("not a word of it", metadata={"path": str(path), "kind": "page", "page": 2}),
        Document("a chestnut", metadata={"path": "elsewhere/notes.md"}),
        Document("", metadata={"path": str(samples / "pictures/p004.png")}),
    ]
    query = "a menu about kitchen knives"
    inputs = [Page(path, 2), "a chestnut", samples / "pictures/p004.png"]
    expected = tiny_reranker.predict([(query, one) for one in inputs])
    kept = AnyseekReranker(reranker=tiny_reranker).compress_documents(documents, query)
    order = np.argsort(-expected, kind="stable")
    assert [document.page_content for document in kept] == [documents[row].page_content for row in order]
    assert [document.metadata["relevance_score"] for document in kept] == expected[order].tolist()
    told = AnyseekReranker(tiny_reranker, instruction="Find knives.").compress_documents(documents, query)
    (alone,) = [document for document in told if document.page_content == "a chestnut"]
    item = Item((Text(query),), "Find knives.")
    assert alone.metadata["relevance_score"] == pytest.approx(
        tiny_reranker.predict([(item, "a chestnut")])[0], abs=1e-5
    )


def test_documents_that_cannot_be_read(
    tiny_reranker: Reranker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Document("", metadata={"path": str(tmp_path / "gone.pdf"), "kind": "page", "page": 1})
    documents = [Document("a dog"), gone, Document("a red apple")]
    with pytest.raises(InputError, match=r"pairs\[1\].*gone\.pdf"):
        AnyseekReranker(tiny_reranker).compress_documents(documents, "apple")
    with caplog.at_level(logging.WARNING, "anyseek"):
        kept = AnyseekReranker(tiny_reranker, on_error="leave_out", top_n=5).compress_documents(documents, "apple")
    assert {document.page_content for document in kept} == {"a dog", "a red apple"}
    assert "document 1 is left out" in caplog.text
    assert "gone.pdf" in caplog.text


def test_the_reranker_refuses_options_that_mean_nothing(tiny_reranker: Reranker) -> None:
    assert AnyseekReranker(tiny_reranker).compress_documents([], "apple") == []
    with pytest.raises(ConfigError, match="top_n must be at least 1"):
        AnyseekReranker(tiny_reranker, top_n=0).compress_documents([Document("a dog")], "apple")
    with pytest.raises(ValueError, match="on_error"):
        AnyseekReranker(tiny_reranker, on_error="ignore")


def test_pages_reach_a_model_that_sees(retriever: LibraryRetriever) -> None:
    messages = []

    def asked(found: dict) -> list[HumanMessage]:
        parts = [image_part(document, side=640) for document in found["pages"]]
        messages.append(HumanMessage([*parts, {"type": "text", "text": found["question"]}]))
        return messages

    pages = retriever.bind(where=Filter(kinds=("page",)))
    reader = FakeListChatModel(responses=["on the second page"])
    chain = {"question": RunnablePassthrough(), "pages": pages} | RunnableLambda(asked) | reader | StrOutputParser()
    assert chain.invoke("a menu about kitchen knives") == "on the second page"
    *parts, words = messages[0].content
    assert words["text"] == "a menu about kitchen knives"
    assert parts
    for part in parts:
        assert max(load_image(part["image_url"]["url"], MediaOptions()).size) == 640
