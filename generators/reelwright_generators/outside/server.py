"""Calls to a server that films: what may pass is tried again, every failure is one message."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, cast

from reelwright_core import web
from reelwright_core.errors import GeneratorError
from reelwright_core.settings import Outside
from reelwright_generators.outside.watch import Watch

KEY_SETTING = "REELWRIGHT_GENERATOR__OUTSIDE__API_KEY"

BYTES_AT_MOST = 1024**3
"""A longer answer is not read to its end."""

_TRIES = 4
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_NOTHING_DONE = {429, 503}
"""Answers that say that nothing was begun, so that asking again starts no second job."""
_WAIT_AT_MOST = 60.0
_WORDS_AT_MOST = 400
_SECONDS = 60.0
"""How long a server may be silent within one answer."""
_REFUSALS = ("moderation", "content_policy", "content_filter", "sentinel", "safety")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fault:
    problem: GeneratorError
    again: bool
    """Whether another try may help, and do no harm."""
    wait: float | None = None
    """Seconds that the server asks to wait first."""


class Server:
    """One server; knows its key and never tells it."""

    def __init__(self, outside: Outside, *, url: str, what: str, poll: float):
        """Raises `SettingsError` for an address or key that cannot work."""
        self.url = url.strip().rstrip("/")
        self.what = what
        self.address = web.address(
            self.url, setting="generator.outside.url", example="http://localhost:8188"
        )
        """Without any query, for messages and digests."""
        self.key = web.key_of(outside.api_key, setting=KEY_SETTING)
        self._poll = poll

    @contextlib.contextmanager
    def http(self, watch: Watch | None, **more: Any) -> Generator[Any]:
        """An httpx2 client whose answers are bounded, and heard for a stop while they come."""
        import httpx2

        def bound(response: httpx2.Response) -> None:
            response.stream = _bounded(response.stream, watch)

        if self.key:
            more["headers"] = {"Authorization": f"Bearer {self.key}"}
        with httpx2.Client(
            base_url=self.url,
            event_hooks={"response": [bound]},
            timeout=_SECONDS if watch else _SECONDS / 6,
            verify=web.certificates(),
            follow_redirects=True,
            **more,
        ) as client:
            yield client

    def ask(
        self,
        send: Callable[[], Any],
        watch: Watch,
        *,
        begins: bool = False,
        accept: frozenset[int] = frozenset(),
    ) -> Any:
        """The response to `send`; `GeneratorError` that says what is wrong with any other.

        What may pass is asked again, but nothing that `begins` a job which may have begun.
        Answers with a status in `accept` are the caller's to judge.
        """
        answer = self._try(send, watch, begins=begins, accept=accept)
        for tried in range(1, _TRIES):
            if not isinstance(answer, _Fault) or not answer.again:
                break
            pause = self._poll * 2**tried if answer.wait is None else answer.wait
            watch.sleep(min(pause, _WAIT_AT_MOST))
            answer = self._try(send, watch, begins=begins, accept=accept)
        if isinstance(answer, _Fault):
            raise answer.problem
        return answer

    def _try(
        self, send: Callable[[], Any], watch: Watch, *, begins: bool, accept: frozenset[int]
    ) -> Any:
        """The response, or a `_Fault`."""
        import httpx2

        watch.beat()
        try:
            response = send()
        except Exception as error:
            if watch.stop is not None:
                raise watch.stop from None
            response = getattr(error, "response", None)  # openai's errors for a status have one
            if not isinstance(response, httpx2.Response):
                never_sent = any(isinstance(cause, httpx2.ConnectError) for cause in _causes(error))
                return _Fault(problem=self._broken(error), again=never_sent or not begins)
        status = response.status_code
        if response.is_success or status in accept:
            return response
        problem = self.refused(response)
        passing = status in (_NOTHING_DONE if begins else _PASSING)
        return _Fault(
            problem=problem,
            again=passing and "quota" not in str(problem),
            wait=web.wait_asked(response.headers),
        )

    def refused(self, response: Any) -> GeneratorError:
        """What a response with a status of failure means for the user."""
        status = int(response.status_code)
        code, words = _told(response.text)
        cure = {
            401: f" the key (401): set {KEY_SETTING} to a valid one",
            403: " this for the key (403)",
            404: " the address or model (404): check `generator.outside.url` and "
            "`generator.outside.model`",
            413: " files of this size (413)",
            429: " more jobs for now (429)",
        }.get(status, f" the request ({status})" if status < 500 else "")
        start = "does not accept" if cure else f"failed with {status}"
        return self.problem(f"{start}{cure}", code=code, words=words)

    def problem(self, what: str, *, code: str = "", words: str = "") -> GeneratorError:
        """One message of what the server did, and what it says of it."""
        said = self.hidden(" ".join(words.split()))[:_WORDS_AT_MOST]
        if any(sign in code.lower() for sign in _REFUSALS):
            what = "refuses the prompt or its pictures; reword the shot"
        told = f": {said}" if said else ""
        named = f" ({self.hidden(code)[:60]})" if code else ""
        return GeneratorError(f"{self.what} at {self.address} {what}{named}{told}")

    def hidden(self, text: str) -> str:
        """`text` without the key."""
        return web.hidden(text, self.key)

    def _broken(self, error: BaseException) -> GeneratorError:
        import httpx2

        causes = list(_causes(error))
        if any(isinstance(cause, _TooLong) for cause in causes):
            return self.problem(f"answers with more than {BYTES_AT_MOST >> 20} MB; not read on")
        if any(isinstance(cause, httpx2.ConnectError) for cause in causes):
            return self.problem("does not answer: is it running, and `generator.outside.url` right")
        if any(isinstance(cause, httpx2.TimeoutException) for cause in causes):
            return self.problem(f"was silent for {_SECONDS:g} s")
        if any(isinstance(cause, httpx2.HTTPError) for cause in causes):
            return self.problem("broke the connection before its answer was whole")
        return self.problem("could not be asked", words=f"{type(error).__name__}: {error}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _told(text: str) -> tuple[str, str]:
    """(code, message) of an error in OpenAI's, FastAPI's or ComfyUI's form; else all the words."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return "", text
    if not isinstance(data, dict):
        return "", text
    found = cast(dict[str, Any], data)
    error: Any = found.get("error", found.get("detail", found))
    if not isinstance(error, dict):
        return "", error if isinstance(error, str) else text
    error = cast(dict[str, Any], error)
    return str(error.get("code") or ""), str(error.get("message") or text)


class _TooLong(Exception):
    pass


def _bounded(stream: Any, watch: Watch | None) -> Any:
    """`stream`, ended by an error once it has brought too much, or is to stop."""
    import httpx2

    class Bounded(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            count = 0
            for part in stream:
                count += len(part)
                if count > BYTES_AT_MOST:
                    raise _TooLong
                if watch is not None:
                    watch.beat()
                yield part

        def close(self) -> None:
            stream.close()

    return Bounded()
