"""The official clients of OpenAI and Cohere work against the server as they are."""

import asyncio
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from anyseek.server import Models
from tests.server.conftest import WAIT, Running, picture, png

cohere = pytest.importorskip("cohere")
openai = pytest.importorskip("openai")

CLOSE = 2e-6


@pytest.fixture(scope="module")
def client(live: Running) -> Iterator["openai.OpenAI"]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", timeout=WAIT, max_retries=0) as found:
        yield found


def test_openai_embeddings(client: "openai.OpenAI", models: Models) -> None:
    """Without a format the client asks for base64 and decodes it."""
    expected = models.embedder.encode(["a red apple", "b"])
    answer = client.embeddings.create(model="small", input=["a red apple", "b"])
    assert np.abs(np.array([row.embedding for row in answer.data]) - expected).max() < CLOSE
    assert answer.usage.total_tokens > 0
    plain = client.embeddings.create(model="small", input="a red apple", encoding_format="float", user="u")
    assert np.abs(np.array(plain.data[0].embedding) - expected[0]).max() < CLOSE


def test_openai_options(client: "openai.OpenAI", models: Models) -> None:
    short = client.embeddings.create(model="small", input=["a"], dimensions=16)
    assert np.abs(np.array(short.data[0].embedding) - models.embedder.encode("a", truncate_dim=16)).max() < CLOSE
    stored = client.embeddings.create(model="small", input=["a"], extra_body={"output_dtype": "int8"})
    assert stored.data[0].embedding == models.embedder.encode("a", precision="int8").tolist()
    mixed = client.embeddings.create(model="small", input=[], extra_body={"input": [{"image": picture(), "text": "a"}]})
    expected = models.embedder.encode({"image": png(), "text": "a"})
    assert np.abs(np.array(mixed.data[0].embedding) - expected).max() < CLOSE


def test_openai_async(live: Running, models: Models) -> None:
    async def ask() -> list[float]:
        async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="none", timeout=WAIT) as client:
            answer = await client.embeddings.create(model="small", input="a")
            return answer.data[0].embedding

    assert np.abs(np.array(asyncio.run(ask())) - models.embedder.encode("a")).max() < CLOSE


def test_openai_models(client: "openai.OpenAI") -> None:
    assert [model.id for model in client.models.list()] == ["small-embedding", "small-reranker"]
    assert client.models.retrieve("small").id == "small-embedding"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_openai_errors_are_told(client: "openai.OpenAI") -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="small", input=[[1, 2]])
    assert (caught.value.param, caught.value.code) == ("input[0]", "invalid_request")
    assert "token ids" in caught.value.message
    with pytest.raises(openai.NotFoundError, match="small-embedding"):
        client.embeddings.create(model="text-embedding-3-small", input="a")


@pytest.fixture
def connection() -> Iterator[httpx.Client]:
    """What Cohere's clients ask through; they do not close one of their own."""
    with httpx.Client(timeout=WAIT, trust_env=False) as found:
        yield found


def test_cohere_v2(live: Running, models: Models, connection: httpx.Client) -> None:
    client = cohere.ClientV2(api_key="none", base_url=live.url, httpx_client=connection)
    answer = client.embed(
        model="small", texts=["a", "b"], input_type="search_query", embedding_types=["float", "int8", "binary"]
    )
    expected = models.embedder.encode_query(["a", "b"])
    assert np.abs(np.array(answer.embeddings.float_) - expected).max() < CLOSE
    assert np.array(answer.embeddings.binary).shape == (2, models.embedder.dim // 8)
    assert answer.meta.billed_units.input_tokens > 0
    image = client.embed(model="small", images=[picture()], input_type="image", embedding_types=["float"])
    assert np.abs(np.array(image.embeddings.float_[0]) - models.embedder.encode({"image": png()})).max() < CLOSE
    content = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": picture()}}]
    mixed = client.embed(model="small", inputs=[{"content": content}], input_type="search_document")
    assert len(mixed.embeddings.float_[0]) == models.embedder.dim


def test_cohere_rerank(live: Running, models: Models, connection: httpx.Client) -> None:
    documents = ["a red apple", "a dog", "a house"]
    expected = models.reranker.predict([("apple", one) for one in documents])
    second = cohere.ClientV2(api_key="none", base_url=live.url, httpx_client=connection)
    first = cohere.Client(api_key="none", base_url=live.url, httpx_client=connection)
    answers = [
        second.rerank(model="small", query="apple", documents=documents, top_n=3, max_tokens_per_doc=100),
        first.rerank(model="small", query="apple", documents=documents, return_documents=True, max_chunks_per_doc=3),
    ]
    for answer in answers:
        found = {row.index: row.relevance_score for row in answer.results}
        assert np.abs(np.array([found[row] for row in range(3)]) - expected).max() < CLOSE
    assert all(row.document.text == documents[row.index] for row in answers[1].results)


def test_cohere_errors_are_told(live: Running, connection: httpx.Client) -> None:
    client = cohere.ClientV2(api_key="none", base_url=live.url, httpx_client=connection)
    with pytest.raises(cohere.errors.BadRequestError, match="images"):
        client.embed(model="small", images=["/etc/passwd"], input_type="image", embedding_types=["float"])
    with pytest.raises(cohere.errors.NotFoundError):
        client.rerank(model="rerank-v3.5", query="a", documents=["b"])
