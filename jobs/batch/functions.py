"""A user's function as a job: its options are read from its signature."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.errors import UsageError
from jobs.functions import read_script, resolve
from jobs.model import BatchJob, Option

KINDS = (int, float, str, bool)


def as_job(name: str, text: str) -> BatchJob:
    """A batch job made of nothing but a function.

    Its first two parameters are the source and the target; the others become options.
    """
    function = resolve(text)
    words = inspect.getdoc(function) or f"Run {text} over many items."
    return BatchJob(
        name=name,
        summary=words.partition("\n\n")[0].replace("\n", " "),
        function=text,
        input_help="What to work on: paths, globs, URLs or a STAC catalog.",
        options=tuple(option for p in further(text, function) if (option := _option(text, p)) is not None),
        script=read_script(text),
    )


def further(text: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters after source and target."""
    try:
        parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    except (ValueError, NameError, TypeError) as error:
        raise UsageError(
            f"The parameters of {text} cannot be read: {error}", "Mend its signature: def NAME(source, target, *, …)."
        ) from error
    first, rest = parameters[:2], parameters[2:]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len(first) < 2 or any(p.kind not in positional for p in first):
        raise UsageError(f"{text} does not take a source and a target.", "It must begin so: f(source, target, …).")
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p for p in rest if p.kind in named]


def _option(text: str, parameter: inspect.Parameter) -> Option | None:
    """A parameter as an option of the command line; None for one that no text can give, which keeps its default."""
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    kind, choices = _kind(parameter)
    if kind not in KINDS and not required:
        return None
    if kind not in KINDS:
        raise UsageError(
            f"{text}: parameter {parameter.name} is a {kind}, which no option can give.",
            "Options are int, float, str or bool.",
        )
    words = "Required by the function." if required else f"Default: {default}."
    return Option(parameter.name.replace("_", "-"), words, kind, default, choices, required=required)


def _kind(parameter: inspect.Parameter) -> tuple[Any, tuple[str, ...]]:
    """What type of value a parameter takes: by its annotation, else by its default."""
    annotation, default = parameter.annotation, parameter.default
    if annotation is inspect.Parameter.empty:
        known = default is not inspect.Parameter.empty and default is not None
        return (type(default) if known else str), ()
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in inner if a is not type(None)]
        return _kind(parameter.replace(annotation=rest[0])) if len(rest) == 1 else (annotation, ())
    if origin is typing.Literal and all(isinstance(a, str) for a in inner):
        return str, tuple(inner)
    return (str if annotation is Path else annotation), ()


def convert(value: Any, option: Option) -> Any:  # noqa: ANN401 - a table's value, of whatever type its reader gives
    """A value of a table as its option takes it.

    Raises
    ------
    ValueError
        If it is no such value.
    """
    if option.type is bool and isinstance(value, str):
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if value.lower() not in words:
            raise ValueError(f"{value!r} is neither true nor false")
        return words[value.lower()]
    return option.type(value)
