"""Templates are programs of strangers: what they may do, what they may not, and what is said when they fail."""

from __future__ import annotations

import os
from typing import Any

import pytest

from cpe_manager.adapters.templates.renderer import JinjaTemplates, TemplateLimits
from cpe_manager.domain.errors import InputError

SET = {
    "device": {"name": "r1", "model": None, "site": "s1"},
    "vars": {"vlan": 7, "dns": ["9.9.9.9", "9.9.9.10"], "on": True},
    "row": {"pin": "1234"},
}


async def rendered(template: str, *, limits: TemplateLimits | None = None, **more: Any) -> Any:
    return (await JinjaTemplates(limits).render(template, [SET | more]))[0]


async def test_the_three_groups_of_variables_are_there() -> None:
    found = await rendered(
        "{{ device.name }} {{ vars.vlan + 1 }}\n{% for s in vars.dns %}\ndns {{ s }}\n{% endfor %}\n"
    )
    assert (found.text, found.error) == ("r1 8\ndns 9.9.9.9\ndns 9.9.9.10\n", None)
    assert (await rendered("{{ row.pin }}")).text == "1234"
    assert (await rendered('{"dns": {{ vars.dns | tojson }}}')).text == '{"dns": ["9.9.9.9", "9.9.9.10"]}'


@pytest.mark.parametrize(
    ("template", "line", "words"),
    [
        ("a\nb {{ device.vlan }}", 2, "device.vlan is not set"),
        ("{{ vlan }}", 1, "vlan is not set"),
        ("a\n\n{{ row.pon }}", 3, "row.pon is not set"),
        ("{{ device.model }}", 1, "not set"),
        ("{{ vars.on }}", 1, "true and false are no text"),
        ("{{ vars.dns }}", 1, "no text"),
        ("{{ vars }}", 1, "no text"),
        ("{{ 1 // 0 }}", 1, "ZeroDivisionError"),
        ("{% if device.nothing %}x{% endif %}", 1, "device.nothing is not set"),
        ("{% macro m() %}\n{{ row.no }}\n{% endmacro %}\n{{ m() }}", 2, "row.no is not set"),
    ],
)
async def test_an_error_tells_the_line_and_the_variable(template: str, line: int, words: str) -> None:
    found = await rendered(template)
    assert found.text is None
    assert words in found.error
    assert found.line == line


@pytest.mark.parametrize(
    ("template", "line"),
    [("a\n{{ device.name", 2), ("{% if x %}", 1), ("a\n{% nonsense %}", 2), ("{{ x | no_such_filter }}", 1)],
)
async def test_what_is_no_template_is_refused_with_its_line(template: str, line: int) -> None:
    with pytest.raises(InputError) as refused:
        await rendered(template)
    assert refused.value.line == line


@pytest.mark.parametrize(
    "template",
    [
        "{% include '/etc/passwd' %}",
        "{% import '/etc/passwd' as x %}",
        "{% extends '/etc/passwd' %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ device.__class__ }}",
        "{{ device.name.__class__ }}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ vars.dns.append('x') }}",
        "{{ device.update({'name': 'r2'}) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'x' * 999999999 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ range(10 ** 9) | list | length }}",
        "{{ lipsum() }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ vars.dns | random }}",
    ],
)
async def test_what_leads_out_or_blows_up_is_refused(template: str) -> None:
    try:
        found = await rendered(template)
    except InputError:
        return
    assert found.text is None
    assert found.error


async def test_too_much_output_and_too_long_a_run_end_one_rendering_alone() -> None:
    limits = TemplateLimits(characters=1000, seconds=0.3)
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    template = "{% if vars.bad == 1 %}" + loop + "{% elif vars.bad == 2 %}{% for i in range(9999) %}xxxxxx{% endfor %}"
    template += "{% endif %}{{ device.name }}"
    sets = [SET | {"vars": {"bad": number}} for number in (0, 1, 2, 0)]
    found = await JinjaTemplates(limits).render(template, sets)
    assert [one.text for one in found] == ["r1", None, None, "r1"]
    assert "takes too long" in str(found[1].error)
    assert "more than 1000 characters" in str(found[2].error)


async def test_a_child_that_uses_up_its_time_is_ended() -> None:
    limits = TemplateLimits(seconds=60, cpu_seconds=1, wall_seconds=10)
    with pytest.raises(InputError, match="takes too long"):
        await rendered("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", limits=limits)
    with pytest.raises(InputError, match="takes too long"):
        await rendered(
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            limits=TemplateLimits(seconds=60, cpu_seconds=60, wall_seconds=0.5),
        )


async def test_values_are_never_rendered_again() -> None:
    found = await rendered("{{ row.note }}", row={"note": "{{ device.name }}"})
    assert found.text == "{{ device.name }}"


async def test_the_child_sees_nothing_of_the_daemons_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sandbox fails to keep in finds an empty process."""
    monkeypatch.setenv("CPE_MANAGER_TOKEN", "token-secret-1")
    found = await rendered("{{ cycler.__init__.__globals__ }}{{ self._TemplateReference__context }}")
    assert "token-secret-1" not in str(found)
    assert os.environ["CPE_MANAGER_TOKEN"] == "token-secret-1"


async def test_a_thousand_devices_are_one_request() -> None:
    sets = [SET | {"device": {"name": f"r{number}"}} for number in range(1000)]
    found = await JinjaTemplates().render("hostname {{ device.name }}\n" * 20, sets)
    assert [one.text for one in found][999] == "hostname r999\n" * 19 + "hostname r999"
