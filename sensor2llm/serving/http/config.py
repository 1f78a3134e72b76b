"""What a server allows, and where it listens."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from sensor2llm.errors import ConfigError

_MB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Say where a server listens, what it takes, and how long it keeps files.

    Raises:
        ConfigError: a limit that is not positive.
    """

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    api_key_file: Path | None = None
    """File with an API key a line; without one, no key is asked for."""
    files: Path | None = None
    """Folder in which uploaded files are kept; without one, in memory."""
    files_hours: float = 1.0
    """Hours after which an uploaded file is deleted."""
    files_mb: float = 256.0
    """Megabytes of all uploaded files together."""
    body_mb: float = 16.0
    """Megabytes of one request."""
    body_s: float = 120.0
    """Seconds that the head of a request may take to arrive, and then its body."""
    queue: int = 128
    """Requests that may wait or run at a time."""
    windows: int = 4096
    """Windows of one request."""
    new_tokens: int = 256
    """Tokens of one answer."""
    batch_size: int = 64
    """Windows at a time."""
    finish_s: float = 60.0
    """Seconds that running requests have once the server is told to end."""

    def __post_init__(self) -> None:
        limits = ("files_hours", "files_mb", "body_mb", "body_s", "queue", "windows",
                  "new_tokens", "batch_size", "finish_s")  # fmt: skip
        for name in limits:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must be from 0 to 65535, got {self.port}")

    @property
    def body_bytes(self) -> int:
        """Give the bytes that one request may have."""
        return int(self.body_mb * _MB)

    @property
    def files_bytes(self) -> int:
        """Give the bytes that all uploaded files may have."""
        return int(self.files_mb * _MB)

    @property
    def is_local(self) -> bool:
        """Say whether only this machine reaches the server."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def read_keys(self) -> tuple[str, ...]:
        """Read the API keys; none where no file is named.

        Raises:
            ConfigError: there is no such file, or it holds no key, or one that cannot be sent in a
                header.
        """
        if self.api_key_file is None:
            return ()
        if not self.api_key_file.is_file():
            raise ConfigError(f"{self.api_key_file} is no file; write one with an API key a line")
        lines = self.api_key_file.read_text(encoding="utf-8", errors="replace").splitlines()
        keys = tuple(key for line in lines if (key := line.strip()) and not key.startswith("#"))
        if not keys:
            raise ConfigError(f"{self.api_key_file} holds no key; write one a line")
        for number, key in enumerate(keys, 1):
            if not (key.isascii() and key.isprintable() and " " not in key):
                raise ConfigError(
                    f"{self.api_key_file}: key {number} has blanks or letters that no header "
                    "takes; write letters, digits and -._~"
                )
        return keys
