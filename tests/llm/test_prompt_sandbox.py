"""Templates that others wrote: nothing is run, and no few letters stand for gigabytes."""

import resource
import time

import pytest

from sensor2llm.errors import TemplateError
from sensor2llm.llm.templates import PromptTemplate

VARIABLES = {"labels": ["walking", "sitting"], "numbers": "1.5, 2.5", "values": {"age": 1250.5}}


def template(text):
    variables = dict.fromkeys(VARIABLES, "made up")
    return PromptTemplate(name="p", version=1, task="classification", description="d",
                          variables=variables, forms={"zero_shot": {"user": text}})  # fmt: skip


def rendered(text):
    return template(text).messages("zero_shot", **VARIABLES)[-1]["content"]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("{{ labels | join(', ') }}", "walking, sitting"),
        ("{% for l in labels %}{{ loop.index }} of {{ loop.length }}: {{ l }};{% endfor %}",
         "1 of 2: walking;2 of 2: sitting;"),
        ("{{ 'a' ~ 1 ~ labels[0] }}", "a1walking"),
        ("{{ '%.1f' | format(values.age) }} {{ '%d' % 123456 }} {{ '{:.1f}'.format(1013.25) }}",
         "1250.5 123456 1013.2"),
        ("{{ values.get('mass', 5000) }} {{ none | default(7000, true) }}", "5000 7000"),
        ("{{ values.age | round(1) }} {{ 1250.55 * 2 + 1 }} {{ 2 ** 10 }} {{ 17 % 5 }}",
         "1250.5 2502.1 1024 2"),
        ("{{ '-' * 5 }} {{ 3 * 'ab' }} {{ 'a' + 'b' }}", "----- ababab ab"),
        ("{{ 'x' | center(9) }}|", "x    |"),
        ("{{ range(3) | list }} {% set n = namespace(x=1) %}{{ n.x }}", "[0, 1, 2] 1"),
        ("{{ labels | map('upper') | join('/') }} {{ numbers.split(', ')[1] }}",
         "WALKING/SITTING 2.5"),
        ("{{ labels | tojson(indent=1) | length }}", "26"),
    ],
)  # fmt: skip
def test_what_a_prompt_needs_is_there(text, content):
    assert rendered(text) == content


BOMBS = [
    "{{ 'x' * 3000000000 }}", "{{ 3000000000 * 'x' }}", "{{ [1] * 999999999 }}",
    "{{ 9 ** 9 ** 9 }}", "{{ 10 ** 1000 * 10 ** 1000 }}", "{{ 'x'.center(4000000000) }}",
    "{{ 'x' | center(4000000000) }}", "{{ ['x'] | map('center', 999999999) | list }}",
    "{{ 'x'.ljust(999999999) }}", "{{ '1'.zfill(999999999) }}",
    "{{ '\t'.expandtabs(999999999) }}", "{{ '%4000000000d' % 1 }}", "{{ '%*d' % (99999999, 1) }}",
    "{{ '%(a)5000000000d' % {'a': 1} }}", "{{ '%5000000000d' | format(1) }}",
    "{{ '{:5000000000}'.format(1) }}", "{{ '{:{}}'.format(1, 5000000000) }}",
    "{{ '{:{}{}{}}'.format(1, 999, 999, 999) }}", "{{ 'a' | indent(999999999) }}",
    "{{ labels | tojson(indent=999999999) }}", "{{ 1.5 | round(999999999, 'ceil') }}",
    "{{ 'a' | batch(999999999) | list }}", "{{ 'a' | slice(999999999) | list }}",
    "{{ ('x' * 900) | replace('x', 'y' * 900) | replace('y', 'z' * 900) }}",
    "{{ range(99999) | join('x' * 900) }}", "{{ range(999999999) | list }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(9999) %}{{ range(9999) | list | length }}{% endfor %}",
    "{% for i in range(99999) %}{{ 'x' * 900 }}{% endfor %}",
    "{% for i in range(99999) %}" + "x" * 150_000 + "{% endfor %}",
    "{% set a = 'xx' %}" + "{% set a = a ~ a %}" * 40,
    "{% set n = namespace(x='xx') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x='xx') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x=9) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x=1) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}"
    "{{ n.x }}",
    "{% set n = namespace(x=1) %}{% for i in range(60) %}{% set n.x = {1: n.x, 2: n.x} %}"
    "{% endfor %}{{ n.x | string }}",
    "{% set n = namespace(x=1) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}"
    "{{ n.x ~ '' }}",
]  # fmt: skip


@pytest.mark.parametrize("text", BOMBS)
def test_a_bomb_is_one_line_at_once(text):
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(TemplateError, match=r"zero_shot, user (cannot be|is no)") as e:
        rendered(text)
    assert len(str(e.value).splitlines()) == 1
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{% include '/etc/passwd' %}", "a prompt has no include"),
        ("{% import 'os' as o %}", "a prompt has no import"),
        ("{% from 'os' import system %}", "a prompt has no from import"),
        ("{% extends 'x' %}", "a prompt has no extends"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "a prompt has no macro"),
        ("{% set a %}x{% endset %}", "a prompt has no assign block"),
        ("{% filter upper %}x{% endfilter %}", "a prompt has no filter block"),
        ("{% block a %}{% endblock %}", "a prompt has no block"),
        ("{% for a in labels recursive %}{{ loop(labels) }}{% endfor %}", "no recursive loop"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "recursion"),
        ("{{ " + "not " * 5000 + "1 }}", "recursion"),
        ("{% for x in [1] %}" * 60 + "{% endfor %}" * 60, "too many statically nested blocks"),
        ("{{ " + "9" * 5000 + " }}", "4300 digits"),
        ("x" * 200_001, "longer than 200000 characters"),
        ("{{ 'x' | no_such_filter }}", "No filter named"),
    ],
)
def test_what_a_prompt_may_not_be_is_refused_on_loading(text, why):
    with pytest.raises(TemplateError, match=f"form zero_shot, user is no jinja template: .*{why}"):
        template(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 5 is divisibleby(0) }}", "modulo by zero"),
        ("{{ 'a' | truncate(-5, true, '') }}", "expected length >= 0, got -5"),
        ("{{ [1, 'a'] | sort }}", "not supported between"),
        ("{{ labels.append(3) }}", "unsafe"),
        ("{{ labels.__class__ }}", "unsafe"),
        ("{{ cycler.__init__.__globals__.os.popen('touch PWNED').read() }}", "unsafe"),
        ("{{ '{0.__class__}'.format(labels) }}", "unsafe"),
        ("{{ ('{0.__class__}' | attr('format'))(labels) }}", "unsafe"),
    ],
)
def test_what_goes_wrong_in_rendering_is_one_line(text, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TemplateError, match=f"user cannot be rendered: .*{why}"):
        rendered(text)
    assert not list(tmp_path.iterdir())


def test_a_rendering_has_a_budget_of_its_own():
    own = template("{{ range(50000) | join(' ') }}")
    for _ in range(30):
        assert own.messages("zero_shot", **VARIABLES)[-1]["content"].endswith("49999")
