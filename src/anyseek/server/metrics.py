"""Numbers for Prometheus: requests, tokens, batches, what waits. No name of a key, and nothing of any content."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SIZES = tuple(float(2**power) for power in range(15))


class _Queue(Protocol):
    """What waits."""

    @property
    def tokens(self) -> int: ...

    def __len__(self) -> int: ...


class _Engine(Protocol):
    """Whether it can answer."""

    @property
    def is_well(self) -> bool: ...


class Metrics(Collector):
    """The numbers of one server, in a registry of its own."""

    def __init__(self) -> None:
        """All at zero."""
        self.registry = registry = CollectorRegistry()
        self._watched: tuple[_Queue, _Engine] | None = None
        self.requests = Counter("anyseek_requests", "Requests answered.", ["endpoint", "status"], registry=registry)
        self.seconds = Histogram(
            "anyseek_request_seconds",
            "From the headers to the answer.",
            ["endpoint"],
            buckets=SECONDS,
            registry=registry,
        )
        self.items = Counter("anyseek_items", "Inputs and documents answered.", ["endpoint"], registry=registry)
        self.tokens = Counter("anyseek_tokens", "Tokens of prompts answered.", ["endpoint"], registry=registry)
        self.computed = Counter(
            "anyseek_computed_tokens", "Tokens and merged patches computed.", ["model"], registry=registry
        )
        self.busy = Counter("anyseek_busy_seconds", "Time that the model computed.", ["model"], registry=registry)
        self.rows = Histogram("anyseek_batch_rows", "Rows of a batch.", ["model"], buckets=SIZES, registry=registry)
        self.inside = Gauge("anyseek_requests_inside", "Requests being worked on.", registry=registry)
        registry.register(self)

    def watch(self, queue: _Queue, engine: _Engine) -> None:
        """Tell what waits in `queue`, and whether `engine` is well, whenever the numbers are read."""
        self._watched = (queue, engine)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What is true now."""
        if self._watched is not None:
            queue, engine = self._watched
            yield GaugeMetricFamily("anyseek_queue_tokens", "Tokens and merged patches that wait.", queue.tokens)
            yield GaugeMetricFamily("anyseek_queue_portions", "Portions of requests that wait.", len(queue))
            yield GaugeMetricFamily("anyseek_up", "1 while the engine is well.", int(engine.is_well))

    def request(self, endpoint: str, status: int, seconds: float, *, items: int, tokens: int) -> None:
        """Count an answer."""
        self.requests.labels(endpoint, str(status)).inc()
        self.seconds.labels(endpoint).observe(seconds)
        if status < 400:
            self.items.labels(endpoint).inc(items)
            self.tokens.labels(endpoint).inc(tokens)

    def batch(self, model: str, rows: int, cost: int, seconds: float) -> None:
        """Count a batch."""
        self.computed.labels(model).inc(cost)
        self.busy.labels(model).inc(seconds)
        self.rows.labels(model).observe(rows)

    def text(self) -> bytes:
        """All numbers, as Prometheus reads them."""
        return generate_latest(self.registry)
