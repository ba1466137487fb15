"""The old command's questions, word for word and in their order: whoever knows the answers by heart can type them."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from launcher.errors import Interrupted, UsageError
from launcher.platforms import loading
from launcher.platforms.keys import KEYS

YES, NO = ("y", "yes"), ("n", "no")


@dataclass(frozen=True)
class Answers:
    """What a person has told of a platform."""

    uid: str
    platform: str  # the cluster's own name, e.g. spider
    host: str
    user: str
    keypath: str
    key_pass: bool  # whether the key has a passphrase

    @property
    def keys(self) -> dict[str, str]:
        """The keys of its section, as the old command wrote them."""
        names = ("platform", "host", "user", "keypath")
        return {**{name: getattr(self, name) for name in names}, "key_pass": str(self.key_pass)}


def platform(check_uid: Callable[[str], None] = lambda _: None) -> Answers:
    """Ask for everything about a platform; `check_uid` raises ValueError for a UID that cannot be."""

    def check(text: str) -> None:
        _check_name(text)
        check_uid(text)

    uid = _verified("Please enter the unique ID (UID):", check)
    return Answers(
        uid=uid,
        platform=_verified("Please enter platform name:", partial(_check_platform, uid)),
        host=_verified(
            "Please enter host (alias), e.g. USER@spider.surf.nl, where spider.surf.nl is the host alias:",
            partial(_check_key, "host"),
        ),
        user=_verified("Please enter username for platform: ", partial(_check_key, "user")),
        keypath=_verified(
            "Please enter absolute (local) path to SSH key granting access to platform:", partial(_check_key, "keypath")
        ),
        key_pass=_verified("Does the key require a passphrase. Please answer yes/no.").lower() in YES,
    )


def passphrase() -> str:
    """Ask for the key's passphrase, twice, until both are the same."""
    prompt = "Please supply passphrase for ssh key:\n"
    while True:
        first = _answered(getpass.getpass, prompt)
        _say("please re-enter for verification")
        if _answered(getpass.getpass, prompt) == first:
            _say("Thank you. Inputs match. Continuing...")
            return first
        _say("inputs do not match!")


def agreed(question: str) -> bool:
    """Ask for a yes, which is also what Enter means."""
    answer = _ask(f"{question} (Y/n): ").strip().lower()
    if answer not in ("", *YES, *NO):
        raise UsageError(f"'{answer}' is neither Y nor n", "run it again and answer with one of them")
    return answer not in NO


def need_a_terminal(instead: str) -> None:
    """Raise UsageError where there is nobody to ask."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("this asks questions, and there is no terminal to ask them in", instead)


def is_this_computer(uid: str) -> bool:
    """Whether springline ships a platform of that name which needs no host."""
    shipped = _shipped()
    return uid in shipped.names and shipped.get(uid).transport == "local"


def _verified(prompt: str, check: Callable[[str], None] = lambda _: None) -> str:
    """Ask until the answer is confirmed, and can be one."""
    while True:
        text = _ask(f"{prompt}\n").strip()
        if _ask(f'Got "{text}" - is this correct? [Y]/n]').strip().lower() not in ("", *YES):
            continue
        try:
            check(text)
        except ValueError as error:
            _say(f"this cannot be: {error}")
        else:
            return text


def _check_name(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", text):
        raise ValueError(f"'{text}' is no name of letters, digits and . _ + -")
    if text.upper() == "DEFAULT":  # the old reader's word for what counts in all sections
        raise ValueError(f"'{text}' is the name of no single platform")
    if is_this_computer(text):
        raise ValueError(f"'{text}' is springline's name of this computer")


def _check_platform(uid: str, text: str) -> None:
    """A section of a shipped platform's name lies over that platform, and over no other."""
    if uid in _shipped().names and text.lower() != uid:
        raise ValueError(
            f"springline ships the platform '{uid}', over which [{uid}] will lie: answer {uid}, "
            "or leave with Ctrl-C and take another UID"
        )


def _shipped() -> loading.Platforms:
    return loading.Platforms([loading.shipped_file()])


def _check_key(key: str, text: str) -> None:
    if text:  # else it is left out
        KEYS[key].read(text)


def _ask(prompt: str) -> str:
    """Questions go to stderr: stdout is for results."""
    print(prompt, end="", file=sys.stderr, flush=True)
    return _answered(input, "")


def _answered(ask: Callable[[str], str], prompt: str) -> str:
    try:
        return ask(prompt)
    except (EOFError, KeyboardInterrupt):
        _say("")
        raise Interrupted("interrupted at a question; nothing was changed") from None


def _say(text: str) -> None:
    print(text, file=sys.stderr)
