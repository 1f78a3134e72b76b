"""What the server counts, in Prometheus' format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServerMetrics:
    """Count requests, windows, batches and tokens of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "sensor2llm_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "sensor2llm_request_seconds", "Seconds until a request was answered whole", ["route"],
            registry=registry,
        )  # fmt: skip
        self.running = Gauge(
            "sensor2llm_requests_running", "Requests that wait or run", registry=registry
        )
        self.batches = Histogram(
            "sensor2llm_batch_windows", "Windows heard together", ["model"], registry=registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        )  # fmt: skip
        self.tokens = Counter(
            "sensor2llm_generated_tokens", "Tokens of answers", ["model"], registry=registry
        )

    def text(self) -> bytes:
        """Write everything as Prometheus reads it."""
        return generate_latest(self.registry)
