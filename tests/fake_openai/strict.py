"""What the real server refuses with 400, so that a test fails where production would."""

import re
from typing import Any

Body = dict[str, Any]

# fmt: off
REQUEST_FIELDS = frozenset([
    "messages", "model", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p", "n",
    "stop", "seed", "max_tokens", "max_completion_tokens", "response_format", "reasoning_effort", "verbosity",
    "prompt_cache_key", "safety_identifier", "service_tier", "store", "metadata", "logprobs", "top_logprobs", "presence_penalty",
    "frequency_penalty", "logit_bias", "user", "modalities", "audio", "prediction",
])
# fmt: on
MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "refusal", "tool_calls", "audio"},
    "tool": {"role", "content", "tool_call_id"},
}
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refused(Exception):
    """The request is not one the real server would answer."""


def check(body: Body) -> None:
    """Raises Refused with the message of the 400."""
    if unknown := body.keys() - REQUEST_FIELDS:
        raise Refused(f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")
    if not body.get("model"):
        raise Refused("you must provide a model parameter")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise Refused("[] is too short - 'messages'")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    _check_tools(body)
    for place, message in enumerate(body["messages"]):
        _check_message(f"messages[{place}]", message)
    _check_pairs(body["messages"])


def _check_tools(body: Body) -> None:
    tools = body.get("tools", ())
    if "tools" in body and not tools:
        raise Refused("[] is too short - 'tools'")
    if body.get("tool_choice") is not None and not tools:
        raise Refused("'tool_choice' is only allowed when 'tools' are specified.")
    for place, tool in enumerate(tools):
        name = tool.get("function", {}).get("name", "")
        if not TOOL_NAME.fullmatch(name):
            raise Refused(f"Invalid 'tools[{place}].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.")


def _check_message(where: str, message: Body) -> None:
    role = message.get("role", "")
    if role not in MESSAGE_FIELDS:
        raise Refused(f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'tool'. ({where}.role)")
    if unknown := message.keys() - MESSAGE_FIELDS[role]:
        raise Refused(f"Additional properties are not allowed ({', '.join(sorted(unknown))}) - '{where}'")
    if "tool_calls" in message:
        _check_calls(f"{where}.tool_calls", message["tool_calls"])
    if not _says_something(message) and not message.get("tool_calls") and role != "tool":
        raise Refused(f"Invalid '{where}.content': expected a string or parts that say something, but got nothing.")
    for part in message["content"] if isinstance(message.get("content"), list) else ():
        _check_part(where, role, part)
    if role == "tool" and not isinstance(message.get("content"), str | list):
        raise Refused(f"Invalid type for '{where}.content': expected a string or an array of objects.")


def _check_part(where: str, role: str, part: Body) -> None:
    kind = part.get("type", "")
    if kind != "text" and (kind not in ("image_url", "file", "input_audio") or role != "user"):
        raise Refused(
            f"Invalid value: '{kind}'. Supported values are: 'text', and for users 'image_url', 'input_audio' and 'file'. ({where})"
        )
    source = {"image_url": part.get("image_url", {}).get("url"), "file": part.get("file", {}).get("file_data")}.get(kind, "data:")
    if not str(source).startswith(("data:", "https:", "http:") if kind == "image_url" else "data:") or str(source).endswith(","):
        raise Refused(f"Invalid {kind} in {where}: expected a base64-encoded data URL with bytes, or a URL.")


def _says_something(message: Body) -> bool:
    content = message.get("content")
    if isinstance(content, list):
        return any(part.get("type") != "text" or part.get("text") for part in content)
    return bool(content) or bool(message.get("refusal"))


def _check_calls(where: str, calls: Any) -> None:
    if not isinstance(calls, list):
        raise Refused(f"Invalid type for '{where}': expected an array of objects, but got null instead.")
    if not calls:
        raise Refused(f"Invalid '{where}': empty array. Expected an array with minimum length 1.")
    for place, call in enumerate(calls):
        function = call.get("function", {})
        if not call.get("id") or call.get("type") != "function":
            raise Refused(f"Missing required parameter: '{where}[{place}].id' or '.type'.")
        if not TOOL_NAME.fullmatch(function.get("name", "")) or not isinstance(function.get("arguments"), str):
            raise Refused(f"Invalid '{where}[{place}].function'.")


def _check_pairs(messages: list[Body]) -> None:
    """Each tool call has one result right after it, and each result its call."""
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                raise Refused(
                    f"Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'. (messages[{place}])"
                )
            waiting.remove(message["tool_call_id"])
            continue
        _check_answered(waiting)
        waiting = {call["id"] for call in message.get("tool_calls") or ()}
        if len(waiting) < len(message.get("tool_calls") or ()):
            raise Refused(f"Duplicate tool call ids in messages[{place}].")
    _check_answered(waiting)


def _check_answered(waiting: set[str]) -> None:
    if waiting:
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
            f" The following tool_call_ids did not have response messages: {', '.join(sorted(waiting))}"
        )
