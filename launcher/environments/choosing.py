"""The method of making an environment: the one that is wished, or the first that can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

from launcher.environments import method_for
from launcher.environments.base import Facts, Method, Supply, Tell, Wish
from launcher.environments.packed import Packed
from launcher.errors import ConfigurationError, SpringlineError, UsageError
from launcher.scripts.shell import RemotePath

LOAD = (
    "load such a Python in the `prologue` of the section (e.g. module load Python/3.11), or name its path with --python"
)


def choose(facts: Facts, wish: Wish) -> Method:
    """The method; `auto` is venv, or conda where that can help. Raises what is missing."""
    if wish.method != "auto":
        return _checked(wish.method, facts, wish)
    try:
        return _checked("venv", facts, wish)
    except (ConfigurationError, UsageError) as refusal:
        if not (facts.internet if wish.online is None else wish.online):  # then conda has no channels
            raise
        try:
            return Instead(_checked("conda", facts, wish), refusal)
        except (ConfigurationError, UsageError):
            raise refusal from None


class Instead:
    """A method in place of one that cannot; whatever comes of it, the user hears why it was taken."""

    def __init__(self, method: Method, refusal: SpringlineError) -> None:
        self.name = method.name
        self._method, self._refusal = method, refusal

    def check(self, facts: Facts, wish: Wish) -> None:
        """What the method itself needs."""
        self._method.check(facts, wish)

    def supplies(self, facts: Facts, wish: Wish, tell: Tell) -> Sequence[Supply]:
        """What the method sends. When that cannot be had, both reasons are told."""
        tell(f"{self._refusal.message}; {self.name} makes one")
        try:
            return self._method.supplies(facts, wish, tell)
        except ConfigurationError as error:
            message = f"{self._refusal.message}; {self.name} makes none either: {error.message}"
            raise ConfigurationError(message, LOAD) from error

    def build_script(self, facts: Facts, wish: Wish, new: RemotePath, supplies: RemotePath) -> str:
        """The method's own script, which says at the end why it was run, when it fails."""
        why = f"echo {quote(f'{self.name} was tried because {self._refusal.message}')} >&2"
        return f"trap {quote(f'[ $? = 0 ] || {why}')} EXIT\n" + self._method.build_script(facts, wish, new, supplies)

    def section(self, wish: Wish, prefix: RemotePath, new: RemotePath) -> Mapping[str, str | None]:
        """The method's own keys."""
        return self._method.section(wish, prefix, new)


def _checked(name: str, facts: Facts, wish: Wish) -> Method:
    method = Packed(method_for(name)) if wish.pack else method_for(name)
    method.check(facts, wish)
    return method
