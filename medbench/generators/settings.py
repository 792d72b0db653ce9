"""The settings of a generator's presets: what they are, changing them one by one, and presets as TOML files.

A setting is a number, text or list in a preset's description, named by its path, such as ``stage2.steps``. A preset's
``follows``, which says in words where it comes from, is none.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from medbench.errors import SpecError
from medbench.spec import Spec

_TOLD: Final = "follows"
_NONE: Final = "none"  # TOML has no word for it
_NAMES: Final = {int: "integer", float: "number", bool: "true or false", str: "text"}
_PLURALS: Final = {int: "integers", float: "numbers", bool: "true or false each", str: "texts"}


@dataclass(frozen=True)
class Setting:
    """One setting of a preset.

    Args:
        key: its path, such as ``stage2.steps``.
        type: in words.
        value: JSON-like.
    """

    key: str
    type: str
    value: Any


@dataclass(frozen=True)
class PresetFile:
    """A preset in a TOML file of a user's: a generator, one of its presets, and the settings that differ from it."""

    model: str
    preset: str
    changes: Mapping[str, Any]


def settings_of(config: Spec) -> list[Setting]:
    """Return the settings of a preset, in the order of its description.

    Example:
        >>> from medbench.spec import Window
        >>> settings_of(Window())[0]
        Setting(key='low', type='number', value=-1000.0)
    """
    return [setting for setting in _settings(config, "") if setting.key != _TOLD]


def _settings(config: Spec, above: str) -> Iterator[Setting]:
    values = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Spec):
            yield from _settings(value, f"{above}{name}.")
        else:
            yield Setting(f"{above}{name}", _in_words(field.annotation), values[name])


def _in_words(annotation: Any) -> str:
    """Return a type as a person would say it: ``integer, or none``."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _in_words(inner[0])
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin in (typing.Union, types.UnionType):
        others = [_in_words(one) for one in inner if one is not type(None)]
        return " or ".join(others) + (f", or {_NONE}" if type(None) in inner else "")
    if origin is tuple:
        of = _PLURALS.get(inner[0], "lists of texts")
        return f"list of {of}" if inner[-1] is Ellipsis else f"{len(inner)} {of}"
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return "a table"
    return _NAMES.get(annotation, str(annotation))


def changed(config: Spec, changes: Mapping[str, Any], *, model: str) -> Spec:
    """Return a preset with some of its settings changed.

    Args:
        config: the preset.
        changes: values by the settings' keys; ``none`` stands for None, also in place of a whole part.
        model: the generator's name, for the message.

    Raises:
        SpecError: a key that there is not, or a value of another type; the message says what there is.
    """
    merged = config.model_dump(mode="json")
    known = [setting.key for setting in settings_of(config)]
    absent = [setting.key for setting in settings_of(config) if setting.value is None]
    parts = {key.rpartition(".")[0] for key in known}
    for key, value in changes.items():
        is_part = key in parts and value == _NONE
        if key not in known and not is_part and not any(key.startswith(f"{one}.") for one in absent):
            raise SpecError(f"{model} has no setting '{key}': {_near(key, known)}{_listing(model)}")
        *sections, name = key.split(".")
        place = merged
        for section in sections:
            if place[section] is None:  # a part that this preset does without
                place[section] = {}
            place = place[section]
        place[name] = None if value == _NONE else value
    try:
        return type(config).model_validate_json(json.dumps(merged), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
        why = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise SpecError(f"{model} takes no {key}={first['input']!r} ({why}): {_listing(model)}") from error


def differences(config: Spec, base: Spec) -> dict[str, Any]:
    """Return the settings in which a preset differs from another, by key."""
    before = {setting.key: setting.value for setting in settings_of(base)}
    return {one.key: one.value for one in settings_of(config) if before.get(one.key, ...) != one.value}


def read_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return what texts such as ``stage2.steps=10000`` set; a value is written as in TOML, a text without quotes.

    Raises:
        SpecError: a text without ``=``.

    Example:
        >>> read_assignments(["stage2.rate=3e-4", "stage1.crop=32,32,16", "stage2.precision=32-true"])
        {'stage2.rate': 0.0003, 'stage1.crop': [32, 32, 16], 'stage2.precision': '32-true'}
    """
    found = {}
    for text in texts:
        key, separator, value = (part.strip() for part in text.partition("="))
        if not (separator and key and value):
            raise SpecError(f"--set {text}: give KEY=VALUE, like --set stage2.steps=10000")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    for written in (text, f"[{text}]"):
        try:
            return tomllib.loads(f"value = {written}")["value"]
        except tomllib.TOMLDecodeError:
            continue
    return text


def read_preset_file(path: Path) -> PresetFile:
    """Return the preset that a TOML file holds.

    Raises:
        SpecError: no such file, no TOML, or no ``model`` and ``preset`` in it.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"the preset {path} cannot be read ({error}): give a TOML file or a preset's name") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"the preset {path} is no TOML ({error}): mend that line") from error
    model, preset = document.pop("model", None), document.pop("preset", None)
    if not isinstance(model, str) or not isinstance(preset, str):
        start = "'medbench list presets --model NAME --toml' prints one to start from"
        raise SpecError(f"{path} names no 'model' and 'preset' that its settings belong to: {start}")
    return PresetFile(model, preset, dict(_flat(document, "")))


def _flat(table: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def preset_file(model: str, preset: str, config: Spec) -> str:
    """Return a preset as the text of a TOML file, with the type of every setting, for users to copy and change."""
    lines = [
        f"# Follows {config_told}." if (config_told := getattr(config, _TOLD, "")) else "# A preset of medbench.",
        "# What is left out stays as in the preset named here, whose weights are sampled where none are trained.",
        f"model = {json.dumps(model)}",
        f"preset = {json.dumps(preset)}",
    ]
    tables: dict[str, list[str]] = {"": []}  # what has no heading comes first
    for setting in settings_of(config):
        table, _, name = setting.key.rpartition(".")
        tables.setdefault(table, []).append(f"{name} = {written(setting.value)}  # {setting.type}")
    for table, rows in tables.items():
        lines += [*(["", f"[{table}]"] if table else []), *rows]
    return "\n".join(lines) + "\n"


def written(value: Any) -> str:
    """Return a value as it is written in a TOML file and after ``--set KEY=``."""
    return json.dumps(_NONE if value is None else value)  # of what settings hold, JSON and TOML write all alike


def _near(key: str, known: Sequence[str]) -> str:
    same = [one for one in known if one.rpartition(".")[2] == key.rpartition(".")[2]]
    near = list(dict.fromkeys([*same, *difflib.get_close_matches(key, known, n=3, cutoff=0.6)]))[:4]
    return f"did you mean {' or '.join(near)}? " if near else ""


def _listing(model: str) -> str:
    return f"'medbench list presets --model {model}' shows all settings"
