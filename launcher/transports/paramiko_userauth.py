"""The client's side of SSH's logging in (RFC 4252, 4256): one request, one outcome, in the thread that asks.

paramiko's own handler calls back from its reading thread, gives a person 30 s to answer, cannot ask whether a key
would do before its passphrase is known, and loses a partial success in an exception.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import paramiko
from paramiko.common import (
    MSG_SERVICE_ACCEPT,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_SUCCESS,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_INFO_RESPONSE,
    cMSG_USERAUTH_REQUEST,
)

from launcher.transports.paramiko_link import Link

# A key is judged at once; a password may go to a directory server, a code to somebody's phone.
SOON, PATIENTLY = 15.0, 120.0
MOST_PROMPTS = 100
METHOD_SPECIFIC = MSG_USERAUTH_INFO_REQUEST  # 60: also "this key would do" and "change your password"


@dataclass(frozen=True)
class Outcome:
    """What the server said: in, or what may be tried next; `partial` if this step was right and another is needed."""

    accepted: bool = False
    partial: bool = False
    methods: tuple[str, ...] = ()
    question: paramiko.Message | None = None  # the method's own message, before it is decided


Answers = Callable[[str, list[tuple[str, bool]]], list[str]]  # instructions, [(prompt, echo)] → the answers


class UserAuth:
    """What a Link asks for as its `auth_handler`, and the requests of a user."""

    def __init__(self, link: Link, user: str) -> None:
        raw: Any = link
        self._link = raw
        self._user = user
        self._said: queue.Queue[tuple[int, paramiko.Message] | None] = queue.Queue()
        self._in = False
        kinds = (MSG_SERVICE_ACCEPT, MSG_USERAUTH_SUCCESS, MSG_USERAUTH_FAILURE, METHOD_SPECIFIC)
        self._handler_table: dict[int, Callable[[paramiko.Message], None]] = {
            **{kind: partial(self._hear, kind) for kind in kinds},
            MSG_USERAUTH_BANNER: lambda message: None,
        }
        self._link.auth_handler = self

    def begin(self) -> Outcome:
        """Ask which methods there are; in rare cases, none is needed."""
        request = paramiko.Message()
        request.add_byte(cMSG_SERVICE_REQUEST)
        request.add_string("ssh-userauth")
        self._link._send_message(request)
        self._hear_back(SOON)
        return self._request("none", SOON)

    def would_accept(self, algorithm: str, public: bytes) -> Outcome:
        """Whether a signature of this key would do: then `question` is set."""
        return self._request("publickey", SOON, False, algorithm, public)

    def publickey(self, algorithm: str, public: bytes, sign: Callable[[bytes], bytes]) -> Outcome:
        """Sign in with a key."""
        signed = paramiko.Message()
        signed.add_string(self._link.session_id)
        self._write(signed, "publickey", True, algorithm, public)
        return self._request("publickey", SOON, True, algorithm, public, sign(signed.asbytes()))

    def password(self, password: str) -> Outcome:
        """Sign in with a password. A `question` means that it has to be changed first."""
        return self._request("password", PATIENTLY, False, password)

    def interactive(self, answers: Answers) -> Outcome:
        """Answer whatever the server asks, as often as it asks."""
        outcome = self._request("keyboard-interactive", PATIENTLY, "", "")
        while outcome.question is not None:
            question = outcome.question
            title, instructions, _language = _text(question), _text(question), _text(question)
            prompts = [(_text(question), question.get_boolean()) for _ in range(min(question.get_int(), MOST_PROMPTS))]
            given = answers("\n".join(text for text in (title, instructions) if text.strip()), prompts)
            response = paramiko.Message()
            response.add_byte(cMSG_USERAUTH_INFO_RESPONSE)
            response.add_int(len(given))
            for text in given:
                response.add_string(text)
            self._link._send_message(response)
            outcome = self._outcome(PATIENTLY)
        return outcome

    def _write(self, message: paramiko.Message, method: str, *fields: str | bytes | bool) -> None:
        message.add_byte(cMSG_USERAUTH_REQUEST)
        for text in (self._user, "ssh-connection", method):
            message.add_string(text)
        for value in fields:
            if isinstance(value, bool):
                message.add_boolean(value)
            else:
                message.add_string(value)

    def _request(self, method: str, patience: float, *fields: str | bytes | bool) -> Outcome:
        message = paramiko.Message()
        self._write(message, method, *fields)
        self._link._send_message(message)
        return self._outcome(patience)

    def _outcome(self, patience: float) -> Outcome:
        kind, message = self._hear_back(patience)
        if kind == MSG_USERAUTH_SUCCESS:
            return Outcome(accepted=True)
        if kind == METHOD_SPECIFIC:
            return Outcome(question=message)
        return Outcome(methods=tuple(message.get_list()), partial=message.get_boolean())

    def _hear_back(self, patience: float) -> tuple[int, paramiko.Message]:
        give_up = time.monotonic() + patience
        while True:
            try:
                said = self._said.get(timeout=1)
            except queue.Empty:
                said = None
            if said is not None:
                return said
            if not self._link.is_active():
                raise EOFError(self._link.farewell or "the host hung up during the login")
            if time.monotonic() > give_up:
                raise TimeoutError

    # --- What the link calls, from its reading thread ---

    def _hear(self, kind: int, message: paramiko.Message) -> None:
        if kind == MSG_USERAUTH_SUCCESS:
            self._in = True
            self._link._auth_trigger()
        self._said.put((kind, message))

    def abort(self) -> None:
        """The link is gone."""
        self._said.put(None)

    def is_authenticated(self) -> bool:
        """True once the server let the user in."""
        return self._in

    def get_username(self) -> str:
        """Whom the server knows."""
        return self._user


def _text(message: paramiko.Message) -> str:
    """A string of the server's. It may hold anything, so nothing that a terminal would obey comes through."""
    text = message.get_string().decode(errors="replace")
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")
