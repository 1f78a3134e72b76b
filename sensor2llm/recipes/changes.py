"""What a recipe sets otherwise than the defaults: 5 to 15 lines instead of 150.

A recipe file that holds these and nothing else is read as the same recipe.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from sensor2llm.recipes.config import Recipe, TaskMix, to_plain_value


def changes_of(recipe: Recipe) -> dict[str, Any]:
    """Give the fields that differ from the defaults, as plain values, nested as in a recipe."""
    return _changes(recipe, Recipe())


def _changes(settings: Any, defaults: Any) -> dict[str, Any]:
    pairs = {
        field.name: (getattr(settings, field.name), getattr(defaults, field.name))
        for field in fields(settings)
    }
    return {name: _change(*pair) for name, pair in pairs.items() if pair[0] != pair[1]}


def _change(value: Any, default: Any) -> Any:
    if is_dataclass(value):
        return _changes(value, default)
    if isinstance(value, Mapping):  # tasks: they take the place of the default ones as a whole
        return {name: _task(mix) for name, mix in value.items()}
    return to_plain_value(value)


def _task(mix: TaskMix) -> dict[str, Any]:
    return _changes(mix, TaskMix()) or {"weight": mix.weight}  # an empty mapping is no task's
