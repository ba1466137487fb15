"""Logging in through paramiko: keys, then what the server asks, then a password, in whatever order it wants several.

Each secret is asked for when it is needed and kept in memory only, for the connection's next time; a one-time code
is not kept at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from launcher.errors import AuthenticationError
from launcher.transports import paramiko_keys as keys
from launcher.transports.base import Asker
from launcher.transports.paramiko_link import Link
from launcher.transports.paramiko_userauth import Outcome, UserAuth

TRIES = 3  # as ssh
TERMINAL = "run this in a terminal, where you can answer"
PASSWORD_PROMPT = re.compile(
    r"(?!.*\b(?:new|one-?time|otp|token|2fa)\b)(?:\S+ )?password(?: for \S+)?\s*:?\s*", re.IGNORECASE
)


@dataclass
class Memory:
    """What a person has told this process, for the next connection. It never leaves it."""

    keys: dict[Path, paramiko.PKey] = field(default_factory=dict)
    passwords: dict[tuple[str, int], str] = field(default_factory=dict)  # by account and port


@dataclass(frozen=True)
class Keyring:
    """What a login may use without a question."""

    files: tuple[Path, ...] = ()
    others: bool = False  # any other key of the agent too
    memory: Memory = field(default_factory=Memory)


class _Unanswered(Exception):
    """A question stayed without an answer: nobody is there, or does not want to."""


class Questions:
    """One round of questions that the server asks in its own words (keyboard-interactive)."""

    def __init__(self, account: str, ask: Asker, password: str) -> None:
        self._account = account
        self._ask = ask
        self._known = password
        self._heading = ""
        self.asked = 0
        self.password = ""  # among the answers

    def answers(self, said: str, prompts: list[tuple[str, bool]]) -> list[str]:
        """An answer to each prompt. A password that is known already is not asked for again; a code always is."""
        self._heading += f"{said}\n" if said else ""
        return [self._answer(prompt, echo) for prompt, echo in prompts]

    def _answer(self, prompt: str, echo: bool) -> str:
        self.asked += 1
        is_password = not echo and not self.password and bool(PASSWORD_PROMPT.fullmatch(prompt.strip()))
        if is_password and self._known:
            self.password = self._known
            return self.password
        # Who asks stands first, as with ssh: a server could imitate any prompt.
        shown, self._heading = f"{self._heading}({self._account}) {prompt}", ""
        answer = self._ask.visible(shown) if echo and self._ask.visible else self._ask.secret(shown)
        if answer is None:
            raise _Unanswered(f"{self._account} asks for '{prompt.strip(': ')}'")
        if is_password:
            self.password = answer
        return answer


class Login:
    """One user at one host: what SSHClient takes as its `auth_strategy`."""

    def __init__(self, account: str, port: int, keyring: Keyring, ask: Asker, *, advice: str) -> None:
        self._account = account  # user@host
        self._place = account, port
        self._user, _, self._host = account.rpartition("@")
        self._keyring = keyring
        self._memory = keyring.memory
        self._ask = ask
        self._advice = advice
        self._identities: list[keys.Identity] = []
        self._tries = TRIES
        self._failure: tuple[str, str] | None = None  # the first that explains a refusal, and what to do

    def authenticate(self, transport: Link) -> None:
        """Log in, step by step. Raises AuthenticationError, or what the network raises."""
        with keys.held_by_agent() as held:
            self._identities = keys.find(self._keyring.files, held, others=self._keyring.others)
            self._log_in(transport)
        transport.watch()

    def _log_in(self, transport: Link) -> None:
        names = ", ".join(dict.fromkeys(one.name for one in self._identities)) or "any key of the agent or ~/.ssh/id_*"
        auth = UserAuth(transport, self._user)
        try:
            outcome = auth.begin()
            while not outcome.accepted:
                outcome = self._step(auth, transport, outcome.methods, names)
        except EOFError as error:
            if "too many" not in str(error).lower():
                raise
            raise AuthenticationError(
                f"{self._host} hung up after too many attempts to log in as '{self._user}' with {names}",
                "set `keypath` to the one key that is registered there, so that no other is tried",
            ) from error

    def _step(self, auth: UserAuth, link: Link, methods: tuple[str, ...], names: str) -> Outcome:
        """Take one step that the server accepts, by the first of its methods that works."""
        ways: list[tuple[str, Callable[[], Outcome]]] = [
            ("publickey", lambda: self._with_keys(auth, link)),
            ("keyboard-interactive", lambda: self._with_answers(auth)),
            ("password", lambda: self._with_password(auth)),
        ]
        for method, way in ways:
            if method in methods:
                outcome = way()
                if outcome.accepted or outcome.partial:
                    self._tries = TRIES
                    return outcome
        what, instead = self._failure or (
            f"{self._host} does not accept user '{self._user}' with {names}",
            self._advice,
        )
        raise AuthenticationError(what, instead)

    def _explain(self, what: str, instead: str) -> Outcome:
        """Remember the first reason; what could still open the door is tried nevertheless."""
        self._failure = self._failure or (what, instead)
        return Outcome()

    # --- Keys ---

    def _with_keys(self, auth: UserAuth, link: Link) -> Outcome:
        """Offer each key, and unlock one only when the server would take it."""
        said = link.server_extensions.get("server-sig-algs", b"")
        accepted = said.decode().split(",") if said else []
        for identity in list(self._identities):
            if identity.public and auth.would_accept(identity.algorithm(accepted), identity.public).question is None:
                continue
            self._identities.remove(identity)  # after a partial success, another one is wanted
            key = identity.agent or self._unlocked(identity)
            if key is None:
                continue
            public = identity.public or key.asbytes()
            algorithm = keys.Identity(identity.name, public).algorithm(accepted)
            try:
                signed = auth.publickey(algorithm, public, keys.signer(key, algorithm))
            except paramiko.SSHException:  # from the agent: its owner said no
                self._explain(f"the agent did not release {identity.name}", "confirm its use, or run: ssh-add")
                continue
            if signed.accepted or signed.partial:
                return signed
        return Outcome()

    def _unlocked(self, identity: keys.Identity) -> paramiko.PKey | None:
        """The private key of a file, with its passphrase if it has one."""
        file = identity.file
        assert file is not None
        passphrase = ""
        for attempt in range(TRIES + 1):
            if file in self._memory.keys:
                return self._memory.keys[file]
            try:
                self._memory.keys[file] = keys.load(file, identity.public, passphrase)
                continue
            except paramiko.PasswordRequiredException:
                pass
            except keys.UNREADABLE as error:
                if not passphrase:
                    self._explain(
                        f"the key {file} cannot be read: {error}", "check the file; `ssh-keygen -y -f` reads it"
                    )
                    return None
            if attempt < TRIES:
                passphrase = self._ask.secret(f"Passphrase for {file}: ") or ""
            if not passphrase:
                self._explain(
                    f"the key {file} has a passphrase, and nobody answered for it",
                    f"load it into your agent first: ssh-add {file}; or run this in a terminal",
                )
                return None
        self._explain(f"this is not the passphrase of {file}", f"try again, or load it into your agent: ssh-add {file}")
        return None

    # --- What a person answers ---

    def _with_answers(self, auth: UserAuth) -> Outcome:
        """Keyboard-interactive: the server's questions."""
        while self._tries:
            questions = Questions(self._account, self._ask, self._memory.passwords.get(self._place, ""))
            try:
                outcome = auth.interactive(questions.answers)
            except _Unanswered as error:
                return self._explain(f"{error}, and nobody answered", TERMINAL)
            if outcome.accepted or outcome.partial:
                if questions.password:
                    self._memory.passwords[self._place] = questions.password
                return outcome
            if not questions.asked:
                break
            self._forget()
            self._explain(f"{self._host} did not accept these answers for '{self._user}'", "try again")
        return Outcome()

    def _with_password(self, auth: UserAuth) -> Outcome:
        """The account's password."""
        while self._tries:
            password = self._memory.passwords.get(self._place) or self._ask.secret(f"Password for {self._account}: ")
            if not password:
                return self._explain(f"{self._account} asks for a password, and nobody answered", TERMINAL)
            outcome = auth.password(password)
            if outcome.question is not None:
                return self._explain(f"the password of {self._account} has expired", f"change it: ssh {self._account}")
            if outcome.accepted or outcome.partial:
                self._memory.passwords[self._place] = password
                return outcome
            self._forget()
            self._explain(f"{self._host} did not accept this password for '{self._user}'", "try again")
        return Outcome()

    def _forget(self) -> None:
        self._tries -= 1
        self._memory.passwords.pop(self._place, None)
