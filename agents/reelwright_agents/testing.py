"""A scripted OpenAI-compatible endpoint: a real local server that says what a test tells it to.

with ScriptedEndpoint([busy(retry_after=0), answer({"title": "Beach"})]) as server:
    ...  # calls to `server.base_url` get these replies in order
    server.requests[0].text
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self, cast

_CHUNK = b" " * (1 << 20)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the server was asked."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: dict[str, Any]

    @property
    def step(self) -> str:
        """How JSON was asked for: `json_schema`, `json_object`, `tool` or `plain`."""
        if self.body.get("tools"):
            return "tool"
        form = cast(dict[str, Any], self.body.get("response_format", {}))
        return str(form.get("type", "plain"))

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the answer, wherever a request of its kind carries it."""
        form = cast(dict[str, Any], self.body.get("response_format", {}))
        if self.step == "tool":
            return self.body["tools"][0]["function"]["parameters"]
        if self.step == "json_schema":
            return form["json_schema"]["schema"]
        if "schema" in form:
            return form["schema"]
        text = self.text.split("JSON schema:\n", 1)[1]
        return json.JSONDecoder().raw_decode(text)[0]

    @property
    def text(self) -> str:
        """All the words of all messages."""
        found: list[str] = []
        for message in cast(list[dict[str, Any]], self.body.get("messages", [])):
            content: Any = message.get("content")
            if isinstance(content, str):
                found.append(content)
            else:
                found += [part["text"] for part in content if part["type"] == "text"]
        return "\n".join(found)

    @property
    def images(self) -> list[str]:
        """The data URLs of all pictures."""
        found: list[str] = []
        for message in cast(list[dict[str, Any]], self.body.get("messages", [])):
            content: Any = message.get("content")
            if not isinstance(content, str):
                found += [p["image_url"]["url"] for p in content if p["type"] == "image_url"]
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Scripted:
    """One scripted reply: what to send and how."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    before: float = 0.0
    """Seconds to wait before anything is sent."""
    drip: float = 0.0
    """Seconds between single bytes of the body; 0 sends it at once."""
    manner: Literal["whole", "close", "huge"] = "whole"
    size: int = 0
    """Bytes of a huge body."""


def said(
    text: str | None, *, finish: str = "stop", refusal: str | None = None, before: float = 0.0,
    drip: float = 0.0, logprobs: object = None,
) -> Scripted:  # fmt: skip
    """A chat completion with exactly this text; it counts 100 prompt and 20 completion tokens."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return _completion(message, finish=finish, before=before, drip=drip, logprobs=logprobs)


def _completion(
    message: Mapping[str, Any], *, finish: str, before: float = 0.0, drip: float = 0.0,
    logprobs: object = None,
) -> Scripted:  # fmt: skip
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    completion = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [choice],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    return Scripted(body=json.dumps(completion).encode(), before=before, drip=drip)


def answer(data: object, *, before: float = 0.0, drip: float = 0.0) -> Scripted:
    """A good reply: `data` as JSON; `before` makes it slow, `drip` sends byte by byte."""
    return said(json.dumps(data), before=before, drip=drip)


def surely(data: object, chances: Sequence[float | None]) -> Scripted:
    """`data` as JSON with the logprobs of its tokens, words and single signs.

    Where a field `answer` says yes or no, yes has the next of `chances` and no the rest; None has
    neither of them among the likeliest.
    """
    text, left = json.dumps(data), iter(chances)
    content: list[dict[str, Any]] = []
    for match in re.finditer(r"\w+|\W", text):
        token = match[0]
        top = {token: 0.0}
        if text[: match.start()].endswith('"answer": "'):
            chance = next(left)
            sure = {} if chance is None else {"yes": chance, "no": 1 - chance}
            top = {word: math.log(p) for word, p in sure.items() if p} or {"perhaps": 0.0}
        listed = [_logprob(word, p) for word, p in top.items()]
        content.append({**_logprob(token, top.get(token, -9999.0)), "top_logprobs": listed})
    return said(text, logprobs={"content": content})


def _logprob(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def no_logprobs() -> Scripted:
    """400 to any `logprobs`."""
    return problem(400, "Unsupported parameter: 'logprobs' is not supported with this model.")


def called(data: object, *, function: str = "answer") -> Scripted:
    """`data` as the arguments of a function that the model calls, and not a word besides."""
    call = {
        "id": "call-1",
        "type": "function",
        "function": {"name": function, "arguments": json.dumps(data)},
    }
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
    return _completion(message, finish="tool_calls")


def fenced(data: object) -> Scripted:
    """`data` as JSON in a Markdown fence with prose around it."""
    return said(f"Sure! Here it is:\n\n```json\n{json.dumps(data, indent=1)}\n```\nEnjoy.")


def fitting(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Data that fits a strict schema, for tests that care little what is said.

    A key has its value in `known`; else the first choice, one of each list, `a thing`, 1 or 0.5.
    """
    definitions = cast(Mapping[str, Any], schema.get("$defs", {}))

    def fill(node: Mapping[str, Any], name: str) -> Any:
        if name in known:
            return known[name]
        if "$ref" in node:
            return fill(definitions[node["$ref"].rsplit("/", 1)[1]], name)
        if "anyOf" in node:
            return fill(node["anyOf"][0], name)
        if "enum" in node or "const" in node:
            return node["enum"][0] if "enum" in node else node["const"]
        if node.get("type") == "object":
            return {key: fill(part, key) for key, part in node["properties"].items()}
        if node.get("type") == "array":
            return [fill(node["items"], "")]
        plain = {"string": "a thing", "integer": 1, "number": 0.5, "boolean": False}
        return plain.get(str(node.get("type")))

    return fill(schema, "")


def truncated(data: object) -> Scripted:
    """The first half of `data` as JSON, cut off by the token limit."""
    text = json.dumps(data)
    return said(text[: len(text) // 2], finish="length")


def refusal(words: str = "I cannot help with that.") -> Scripted:
    """A model that declines."""
    return said(None, refusal=words)


def problem(status: int, words: str, *, headers: Mapping[str, str] | None = None) -> Scripted:
    """An error in OpenAI's form."""
    body = json.dumps({"error": {"message": words, "type": "scripted", "code": None}})
    return Scripted(status=status, body=body.encode(), headers=headers or {})


def busy(*, retry_after: float | str | None = None) -> Scripted:
    """429, with a Retry-After header if `retry_after` (seconds or an HTTP date) is given."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return problem(429, "Rate limit reached", headers=headers)


def broken(status: int = 500, *, retry_after: float | str | None = None) -> Scripted:
    """An error of the server."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return problem(status, "The server had an error", headers=headers)


def denied() -> Scripted:
    """401."""
    return problem(401, "Incorrect API key provided")


def no_format() -> Scripted:
    """400 to any `response_format`, as small local servers answer."""
    return problem(400, "response_format not supported")


def closed() -> Scripted:
    """A connection that is closed without a word."""
    return Scripted(manner="close")


def huge(size: int = 300 * 1024 * 1024) -> Scripted:
    """A body of `size` bytes."""
    return Scripted(manner="huge", size=size)


Play = Callable[[Request], Scripted]


class ScriptedEndpoint:
    """A server on 127.0.0.1 that plays `script`: replies in order, or a function of the request.

    After the last reply it answers 400, or that reply again if `repeat`. All requests are kept.
    """

    def __init__(self, script: Sequence[Scripted] | Play, *, repeat: bool = False):
        self.requests: list[Request] = []
        self._script = script
        self._repeat = repeat
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self._answer))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))

    @property
    def base_url(self) -> str:
        """What to set `endpoint.base_url` to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        """Starts to serve."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the server and every reply under way."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = cast(dict[str, Any], json.loads(handler.rfile.read(length) or b"{}"))
        request = Request(path=handler.path, headers=headers, body=body)
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        _send(handler, self._pick(request, number), self._over)

    def _pick(self, request: Request, number: int) -> Scripted:
        if not request.path.endswith("/chat/completions"):
            return problem(404, f"no such path: {request.path}")
        if callable(self._script):
            return self._script(request)
        if number < len(self._script):
            return self._script[number]
        if self._repeat and self._script:
            return self._script[-1]
        return problem(400, f"the script has only {len(self._script)} replies")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is part of the play."""


def _handler(play: Callable[[BaseHTTPRequestHandler], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with contextlib.suppress(OSError):
                play(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _send(handler: BaseHTTPRequestHandler, reply: Scripted, over: threading.Event) -> None:
    if over.wait(reply.before) or reply.manner == "close":
        return
    length = reply.size if reply.manner == "huge" else len(reply.body)
    handler.send_response(reply.status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(length))
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if reply.manner == "huge":
        for _ in range(reply.size // len(_CHUNK)):
            handler.wfile.write(_CHUNK)
    elif reply.drip:
        for byte in reply.body:
            handler.wfile.write(bytes([byte]))
            if over.wait(reply.drip):
                return
    else:
        handler.wfile.write(reply.body)
