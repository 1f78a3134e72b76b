"""Serve adapters over HTTP: a page, OpenAI's chat with sensor parts, labels, files, embeddings.

sensor2llm serve uci-har-bundled
sensor2llm serve ADAPTER runs/har --host 0.0.0.0 --port 8080 --api-key-file keys.txt
"""

import sys
from pathlib import Path

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import ConfigError, run_verb

OPTIONS = ("host", "port", "api-key-file", "files", "files-hours", "files-mb", "body-mb", "queue",
           "windows", "new-tokens", "batch-size", "abstain", "llm", "llm-accept")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("serve", __doc__, OPTIONS)).add_argument
    add("adapter", nargs="+", help="folder, released name or hub name; several are served together")
    add("--host", default="127.0.0.1", help="address to listen on; else this machine only")
    add("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")
    add("--api_key_file", type=Path | None, help="file with an API key a line; else none is asked")
    add("--files", type=Path | None, help="folder for uploaded files; else they stay in memory")
    add("--files_hours", type=float, default=1.0, help="hours until an uploaded file is deleted")
    add("--files_mb", type=float, default=256.0, help="megabytes of all uploaded files")
    add("--body_mb", type=float, default=16.0, help="megabytes of one request")
    add("--queue", type=int, default=128, help="requests that may wait or run at a time")
    add("--windows", type=int, default=4096, help="windows of one request")
    add("--new_tokens", type=int, default=256, help="longest answer, in tokens")
    add("--batch_size", type=int, default=64, help="windows at a time")
    risk = "say unknown where more labels would be wrong than this share, or data are unlike"
    add("--abstain", type=float | None, nargs="?", const=0.05, metavar="RISK", help=risk)
    add("--llm", type=str | None, help="where the adapters' LLM lies, if elsewhere")
    add("--llm_accept", action="store_true", help="take another LLM that labels alike")
    return parser


def _main(argv: list[str] | None) -> None:
    options = parse(make_parser(), argv)
    try:
        from sensor2llm.serving.http.running import run_server
    except ImportError as error:
        raise ConfigError(f"serve needs {error.name}: pip install 'sensor2llm[serve]'") from error
    from sensor2llm.serving.http.config import ServerConfig
    from sensor2llm.serving.served_models import load_models

    fields = (name for name in ServerConfig.__dataclass_fields__ if hasattr(options, name))
    config = ServerConfig(**{name: getattr(options, name) for name in fields})
    how = {"llm_accept": options.llm_accept, "abstain": options.abstain}
    run_server(load_models(options.adapter, options.llm, **how), config)


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
