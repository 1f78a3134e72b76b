"""The tools as a server of the Model Context Protocol.

    make_server(SensorToolbox(["uci-har-bundled"])).run("stdio")

What a person can mend comes back as the tool's error, in one line.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from sensor2llm.errors import UserError, one_line
from sensor2llm.serving.tools.toolbox import SensorToolbox

INSTRUCTIONS = (
    "Sensor recordings (motion, heart, …) in local files and live streams, labelled and explained "
    "by a frozen language model that hears them through an adapter. Start with list_adapters and "
    "look_at_file. "
    "Every label has a probability; say it, and say the limits, when you pass an answer on."
)
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True,
                        open_world_hint=False)  # fmt: skip
Words = ParamSpec("Words")
Given = TypeVar("Given")


def make_server(toolbox: SensorToolbox) -> MCPServer:
    """Offer a toolbox to assistants."""
    server = MCPServer("sensor2llm", instructions=INSTRUCTIONS)
    tools = (toolbox.list_adapters, toolbox.look_at_file, toolbox.classify_file,
             toolbox.classify_stream, toolbox.ask_about_window)  # fmt: skip
    for tool in tools:
        add = server.tool(annotations=READS, structured_output=True)
        add(_with_tool_errors(tool))
    return server


def _with_tool_errors(tool: Callable[Words, Given]) -> Callable[Words, Given]:
    """Let errors of ours be the tool's: others are bugs, which the server logs."""

    @functools.wraps(tool)
    def run(*words: Words.args, **options: Words.kwargs) -> Given:
        try:
            return tool(*words, **options)
        except (UserError, OSError) as error:
            raise ToolError(one_line(error)) from error

    return run
