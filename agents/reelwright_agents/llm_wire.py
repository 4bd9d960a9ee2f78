"""One try at an OpenAI-compatible endpoint: bounded in time and bytes, and silent about the key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from reelwright_agents.llm_chances import Token, tokens
from reelwright_core import web
from reelwright_core.errors import SettingsError
from reelwright_core.settings import Endpoint

OPENAI = "https://api.openai.com/v1"
BYTES_AT_MOST = 8 * 1024 * 1024
"""A longer answer is not read to its end."""

_RETRIED = {408, 409, 425, 429}
_WORDS_AT_MOST = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a model said."""

    text: str
    finish: str
    refusal: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens: tuple[Token, ...] = field(default=(), repr=False)
    """With their probabilities, where they were asked for and the server tells them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a try brought no reply."""

    why: str
    status: int | None = None
    words: str = ""
    """What the server said of it."""
    again: bool = False
    """Whether another try may help."""
    wait: float | None = None
    """Seconds that the server asks to wait first."""


class Wire:
    """The way to one endpoint; knows the key and never tells it."""

    def __init__(self, endpoint: Endpoint):
        """Raises `SettingsError` for an address or key that cannot work."""
        self._base_url = (endpoint.base_url or OPENAI).strip()
        self.address = web.address(
            self._base_url, setting="endpoint.base_url", example="http://localhost:8000/v1"
        )
        """The base URL without any name or password in it, for messages."""
        self.is_openai = urlsplit(self._base_url).hostname == "api.openai.com"
        self._timeout = endpoint.timeout
        self._key = web.key_of(endpoint.api_key, setting="OPENAI_API_KEY")
        if self.is_openai and not self._key:
            raise SettingsError(
                "the `openai` brain needs a key: set OPENAI_API_KEY, or set `endpoint.base_url` "
                "(OPENAI_BASE_URL) to a server that needs none"
            )

    def load(self) -> None:
        """Imports the client now, so that no deadline pays for it."""
        import openai  # noqa: F401  # pyright: ignore[reportUnusedImport]

    def post(self, body: Mapping[str, Any], *, within: float) -> Reply | Failure:
        """Sends one chat completion and waits at most `within` seconds for all of the answer."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._post(body, within))
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(self._post(body, within))).result()

    async def _post(self, body: Mapping[str, Any], within: float) -> Reply | Failure:
        try:
            async with asyncio.timeout(within):
                return self._read(await self._send(body, within))
        except TimeoutError:
            return Failure(
                why=f"no whole answer from {self.address} in time; `endpoint.timeout` gives a try "
                f"{self._timeout:g} s",
                again=True,
            )

    async def _send(self, body: Mapping[str, Any], within: float) -> bytes | Failure:
        import httpx2
        import openai

        async def cap(response: httpx2.Response) -> None:
            response.stream = _capped(response.stream)

        http = openai.DefaultAsyncHttpxClient(
            event_hooks={"response": [cap]}, timeout=within, verify=web.certificates()
        )
        async with openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._key or "none",
            max_retries=0,
            timeout=within,
            http_client=http,
            default_headers={"Accept-Encoding": "identity"},
        ) as client:
            create: Any = client.chat.completions.with_raw_response.create
            try:
                raw = await create(**body)
            except openai.APIStatusError as error:
                return self._refused(error.response)
            except openai.APITimeoutError:
                raise TimeoutError from None
            except (openai.APIConnectionError, httpx2.TransportError, _TooLong) as error:
                return self._broken(error)
            return bytes(raw.content)

    def _read(self, got: bytes | Failure) -> Reply | Failure:
        if isinstance(got, Failure):
            return got
        text = self._hidden(got.decode("utf-8", "replace"))
        completion = _completion(text)
        if completion is None:
            return Failure(
                why=f"{self.address} answers with something that is no chat completion; "
                "check `endpoint.base_url`, which usually ends in /v1",
                words=text[:_WORDS_AT_MOST],
                again=True,
            )
        if not completion.choices:
            return Failure(why=f"{self.address} answers without any choice", again=True)
        choice, usage = completion.choices[0], completion.usage or _Usage()
        return Reply(
            text=choice.message.said(),
            finish=choice.finish_reason or "stop",
            refusal=choice.message.refusal,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            tokens=tokens(choice.logprobs),
        )

    def _refused(self, response: Any) -> Failure:
        status = int(response.status_code)
        words = self._hidden(str(response.text))
        short = " ".join(_told(words).split())[:_WORDS_AT_MOST]
        reasons = {
            401: "does not accept the key (401): set OPENAI_API_KEY to a valid one",
            403: "does not allow this (403)",
            404: "knows no such model or address (404): check the model's name and "
            "`endpoint.base_url`",
            429: "takes no more calls for now (429)",
        }
        reason = reasons.get(status, f"answers {status}")
        spent = "insufficient_quota" in words
        return Failure(
            why=f"{self.address} {reason}; it says: {short or 'nothing'}",
            status=status,
            words=words,
            again=(status in _RETRIED or status >= 500) and not spent,
            wait=web.wait_asked(response.headers),
        )

    def _broken(self, error: BaseException) -> Failure:
        import httpx2

        causes = [error, error.__cause__, error.__context__]
        if any(isinstance(cause, _TooLong) for cause in causes):
            return Failure(
                why=f"{self.address} answers with more than {BYTES_AT_MOST >> 20} MB; not read on"
            )
        if any(isinstance(cause, httpx2.ConnectError) for cause in causes):
            detail = self._hidden(str(error.__cause__ or error))[:_WORDS_AT_MOST]
            return Failure(
                why=f"no answer from {self.address}: is the server running? ({detail})", again=True
            )
        return Failure(
            why=f"the connection to {self.address} broke before the answer was whole", again=True
        )

    def _hidden(self, text: str) -> str:
        return web.hidden(text, self._key)


class _Told(BaseModel):
    message: str


class _Problem(BaseModel):
    error: _Told


def _told(words: str) -> str:
    """The message in an error of OpenAI's form, or else all the words."""
    try:
        return _Problem.model_validate_json(words).error.message
    except ValidationError:
        return words


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Function(BaseModel):
    arguments: str | dict[str, Any] | None = None
    """Text by OpenAI's rule; some local servers send the object itself."""


class _ToolCall(BaseModel):
    function: _Function = _Function()


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None

    def said(self) -> str:
        """The arguments of the first function called, or else the words."""
        for call in self.tool_calls or []:
            arguments = call.function.arguments
            if arguments:
                return arguments if isinstance(arguments, str) else json.dumps(arguments)
        return self.content or ""


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: Any = None
    """Of any form: an answer is no worse for token probabilities that cannot be read."""


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None


def _completion(text: str) -> _Completion | None:
    try:
        return _Completion.model_validate_json(text)
    except ValidationError:
        pass
    try:
        # A server may cut a sign of two halves in the middle; only this reader takes that.
        whole = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
        return _Completion.model_validate_json(whole)
    except (ValueError, RecursionError):
        return None


class _TooLong(Exception):
    pass


def _capped(stream: Any) -> Any:
    """`stream`, ended by an error once it has brought more than `BYTES_AT_MOST`."""
    import httpx2

    class Capped(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            count = 0
            async for part in stream:
                count += len(part)
                if count > BYTES_AT_MOST:
                    raise _TooLong
                yield part

        async def aclose(self) -> None:
            await stream.aclose()

    return Capped()
