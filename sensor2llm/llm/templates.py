"""Prompt templates: YAML files, rendered strictly in jinja's immutable sandbox.

    template = PromptTemplate.load("activity")
    messages = template.messages("encoded", soft=SOFT * 8, signal=SIGNAL * 8)
    text = llm.render(messages)

A file holds `name`, `version`, `task`, `description`, `variables` (name: what it means) and
`forms`: each form has `user`, and may have `system` and `answer`. An encoded form says where the
learned vectors go: `{{ soft }}`, and `{{ signal }}` or a place for each modality,
`{{ signals.spirogram }}`. A user part may be a list: ways to say the same, the first of which
asks when something is measured; training draws from all of them.
"""

import functools
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Template, UndefinedError

from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import TemplateError, listed, one_line
from sensor2llm.llm.prompt_sandbox import compile_template, render

PACKAGE = Path(__file__).resolve().parent.parent
FOLDERS = (PACKAGE.parent / "prompts", PACKAGE / "_data" / "prompts")
FIELDS = {"name", "version", "task", "description", "variables", "forms"}
PARTS = ("system", "user", "answer")
PLACEHOLDERS = ("soft", "signal")
KINDS: dict[str, type] = {"name": str, "version": int, "task": str, "description": str,
                          "variables": Mapping, "forms": Mapping}  # fmt: skip
WORDS = {str: "text", int: "a whole number", Mapping: "a mapping"}
# What callers may always give, whether a template uses it or not.
VARIABLES = {
    "soft": "the soft prompt's placeholders",
    "signal": "the signal tokens' placeholders",
    "signals": "the placeholders of each modality's signal tokens, by name",
    "values": "numbers of the window as text, by name: values.age",
    "scale": "each channel's mean and spread as text, in its unit",
    "labels": "the labels to choose from, a list",
    "label": "the true label, in an answer",
    "numbers": "the window's values as text",
    "unit": "the unit of the numbers",
    "rate_hz": "samples a second",
    "window_s": "seconds a window",
    "modalities": "names of the sensors, a list",
    "missing": "names of the sensors that are not there, a list",
    "placement": "where the device is worn, a word",
    "examples": "solved windows, a list of {numbers, label}",
    "question": "what the person asks",
    "windows": "how many windows are asked about: 1 or 2",
}


@dataclass(frozen=True, kw_only=True)
class PromptTemplate:
    """Say how a task is put to a language model, in several forms.

    Raises:
        TemplateError: for a part that is no jinja, uses a variable that is not declared, or an
            encoded form without its placeholders.

    Example:
        >>> template = PromptTemplate.load("activity")
        >>> template.messages("encoded", soft="<|soft|>", signal="<|signal|>")[-1]["role"]
        'user'
    """

    name: str
    """What the template is called."""
    version: int
    """Counts up with each change of wording."""
    task: str
    """classification, captioning or question_answering."""
    description: str
    """What is asked, in one sentence."""
    variables: Mapping[str, str]
    """The variables that a form may use, each with its meaning."""
    forms: Mapping[str, Mapping[str, Any]]
    """Form name -> part (system, user, answer) -> jinja text; `user` may be a list of texts."""

    def __post_init__(self) -> None:
        """Parse every part once, so that a broken template fails on loading."""
        for form, parts in self.forms.items():
            self._check_form(form, parts)

    @classmethod
    def load(cls, name_or_path: str | Path) -> "PromptTemplate":
        """Read a template by its name, or from a YAML file.

        Raises:
            TemplateError: where there is none, or it is not a template.
        """
        path = find(name_or_path)
        return cls.from_dict(read_yaml(path, TemplateError, f"the prompt {path}"), str(path))

    @classmethod
    def from_dict(cls, content: Any, where: str = "the stored prompt") -> "PromptTemplate":
        """Build a template from what `to_dict` gave.

        Raises:
            TemplateError: for missing or unknown fields.
        """
        if not isinstance(content, Mapping):
            raise TemplateError(f"{where} is no prompt template: expected {', '.join(PARTS)} forms")
        missing, unknown = FIELDS - set(content), set(content) - FIELDS
        if missing or unknown:
            raise TemplateError(
                f"{where} has fields {listed(map(str, content))}; expected exactly {sorted(FIELDS)}"
            )
        if not isinstance(content["forms"], Mapping) or not content["forms"]:
            raise TemplateError(f"{where} has no forms; expected at least one with a user part")
        for field, kind in KINDS.items():
            value = content[field]
            if isinstance(value, bool) or not isinstance(value, kind):
                raise TemplateError(f"{where}: {field} must be {WORDS[kind]}, got {value!r}")
        for name in [*content["forms"], *content["variables"]]:
            if not isinstance(name, str):
                raise TemplateError(f"{where}: {name!r} is no name; put quotes around it")
        return cls(**content)

    def to_dict(self) -> dict[str, Any]:
        """Give the template as plain data, for an adapter to keep."""
        forms = {form: dict(parts) for form, parts in self.forms.items()}
        return {
            "name": self.name,
            "version": self.version,
            "task": self.task,
            "description": self.description,
            "variables": dict(self.variables),
            "forms": forms,
        }

    def paraphrases(self, form: str) -> int:
        """Say how many ways there are to ask in this form."""
        return len(_ways(self._form(form)["user"]))

    def uses(self, form: str) -> set[str]:
        """Give the variables that a form's messages expect, in any of its ways to ask."""
        parts = self._form(form)
        texts = [*_ways(parts["user"]), parts.get("system", "")]
        return set().union(*(used(text) for text in texts))

    @property
    def takes_placement(self) -> bool:
        """Say whether a prompt for encoded windows may name where the device is worn."""
        return "encoded" in self.forms and "placement" in self.uses("encoded")

    def messages(self, form: str, *, paraphrase: int = 0, **variables: Any) -> list[dict[str, str]]:
        """Render a form into chat messages: the system's where there is one, and the user's.

        Args:
            form: which form.
            paraphrase: which of its ways to ask, from 0.
            **variables: what its text expects.

        Raises:
            TemplateError: for an unknown form or way to ask, an unknown variable, or one that is
                missing.
        """
        parts = dict(self._form(form))
        ways = _ways(parts["user"])
        if not 0 <= paraphrase < len(ways):
            raise TemplateError(
                f"prompt '{self.name}', form {form} has {len(ways)} ways to ask, counted from 0; "
                f"got paraphrase {paraphrase}"
            )
        parts["user"] = ways[paraphrase]
        return [
            {"role": part, "content": self._render(form, part, parts[part], variables)}
            for part in ("system", "user")
            if part in parts
        ]

    def answer(self, form: str, **variables: Any) -> str:
        """Render what the assistant is to say; a form without an answer part says the label.

        Raises:
            TemplateError: as `messages`.
        """
        text = self._form(form).get("answer", "{{ label }}")
        return self._render(form, "answer", text, variables)

    def _form(self, form: str) -> Mapping[str, str]:
        if form not in self.forms:
            names = ", ".join(self.forms)
            raise TemplateError(f"prompt '{self.name}' has no form '{form}'; choose from {names}")
        return self.forms[form]

    def _render(self, form: str, part: str, text: str, variables: Mapping[str, Any]) -> str:
        where = f"prompt '{self.name}', form {form}, {part}"
        unknown = sorted(set(variables) - set(self.variables) - set(VARIABLES))
        if unknown:
            raise TemplateError(self._unknown(unknown[0], f"prompt '{self.name}' was given it"))
        try:
            return render(_compiled(text)[0], variables).strip()
        except UndefinedError as error:
            raise TemplateError(f"{where} cannot be filled: {error}; give it a value") from error
        except Exception as error:  # a template is a program: it may divide by zero
            raise TemplateError(f"{where} cannot be rendered: {one_line(error, 160)}") from error

    def _check_form(self, form: str, parts: Mapping[str, str]) -> None:
        where = f"prompt '{self.name}', form {form}"
        if not isinstance(parts, Mapping) or "user" not in parts or set(parts) - set(PARTS):
            raise TemplateError(f"{where} needs a user part and may have system and answer parts")
        texts = [(name, parts[name]) for name in parts if name != "user"]
        for part, text in [*texts, *(("user", way) for way in _ways(parts["user"]))]:
            if not isinstance(text, str):
                raise TemplateError(
                    f"{where}, {part} must be text, got {text!r}; only user may be a list of texts"
                )
            try:
                unknown = sorted(used(text) - set(self.variables))
            except Exception as error:  # jinja evaluates what is constant
                why = one_line(error, 160)
                raise TemplateError(f"{where}, {part} is no jinja template: {why}") from error
            if unknown:
                raise TemplateError(self._unknown(unknown[0], f"{where}, {part} uses it"))
        for text in _ways(parts["user"]) if form == "encoded" else ():
            self._check_places(where, used(text))

    def _check_places(self, where: str, written: Set[str]) -> None:
        for placeholder in PLACEHOLDERS:
            if placeholder not in written and not (
                placeholder == "signal" and "signals" in written
            ):
                raise TemplateError(
                    f"{where} must say where the vectors go: {{{{ {placeholder} }}}} is missing"
                )

    def _unknown(self, variable: str, where: str) -> str:
        names = ", ".join(self.variables)
        return f"unknown variable '{variable}': {where}, but its variables are {names}"


def find(name_or_path: str | Path) -> Path:
    """Find a template file: a path, or a name among those that come with the package.

    Raises:
        TemplateError: listing the names that there are.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise TemplateError(f"there is no prompt file {path}")
    for folder in FOLDERS:
        if (folder / f"{name_or_path}.yaml").is_file():
            return folder / f"{name_or_path}.yaml"
    raise TemplateError(f"unknown prompt '{name_or_path}'; choose from {', '.join(names())}")


def names() -> list[str]:
    """List the templates that come with the package."""
    return sorted({path.stem for folder in FOLDERS for path in folder.glob("*.yaml")})


def describe_templates() -> dict[str, str]:
    """Say of each template that comes with the package what it asks."""
    return {name: PromptTemplate.load(name).description for name in names()}


def _ways(text: Any) -> list[str]:
    return list(text) if isinstance(text, list | tuple) and text else [text]


# Every window of a batch has its prompt rendered: compiling takes far longer than that.
@functools.lru_cache(maxsize=256)
def _compiled(text: str) -> tuple[Template, frozenset[str]]:
    return compile_template(text)


def used(text: str) -> frozenset[str]:
    """Give the variables that a jinja text expects from outside."""
    return _compiled(text)[1]
