"""Run the server until it is told to end; what runs by then is finished."""

import logging
import signal
import socket
from collections.abc import Mapping

import uvicorn

from sensor2llm.errors import ConfigError
from sensor2llm.serving.http.application import create_app
from sensor2llm.serving.http.config import ServerConfig
from sensor2llm.serving.limited_http import limited_http
from sensor2llm.serving.notes import is_for_the_log
from sensor2llm.serving.served_models import ServedModel

logger = logging.getLogger(__name__)


def run_server(models: Mapping[str, ServedModel], config: ServerConfig) -> None:
    """Serve adapters until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: the address cannot be had, or the keys cannot be read.
    """
    app = create_app(models, config, warm_up=True)
    for handler in logging.getLogger().handlers:
        handler.addFilter(is_for_the_log)
    # What is wrong about a form is said to whoever sent it.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    with _listen(config) as listener:
        for line in announcement(models, config, listener.getsockname()[1]):
            logger.info("%s", line)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=limited_http(config.body_s),
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=round(config.finish_s),
            )
        )
        # uvicorn sends itself the signal again once all is done, which would end us by it.
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            server.run(sockets=[listener])
        finally:
            signal.signal(signal.SIGTERM, before)
    logger.info("the server has ended; all that ran was answered")


def _listen(config: ServerConfig) -> socket.socket:
    """Take the address before anything is said about it."""
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        listener = socket.create_server((config.host, config.port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"cannot listen on {config.host} port {config.port} ({why}); choose another --host or "
            "--port"
        ) from None
    # asyncio sends an answer's body without waiting for the receipt of its head, which takes the
    # other side 40 ms, where a socket says that it is of TCP; those of `create_server` do not.
    return socket.socket(family, listener.type, socket.IPPROTO_TCP, fileno=listener.detach())


def announcement(models: Mapping[str, ServedModel], config: ServerConfig, port: int) -> list[str]:
    """Say where the server is, who may use it, and where uploaded files stay."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    address = f"http://{host}:{port}"
    lines = [f"serving {', '.join(models)} at {address} (open it in a browser; Ctrl-C ends it)"]
    if config.api_key_file is None:
        whoever = "whoever is on this machine" if config.is_local else "WHOEVER REACHES IT"
        lines.append(f"warning: no API key is asked for (--api-key-file): {whoever} may use it")
    if config.files is not None:
        lines.append(f"uploaded files are kept in {config.files} for {config.files_hours:g} hours")
    return lines
