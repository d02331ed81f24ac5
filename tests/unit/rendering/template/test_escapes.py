"""Every known way out of a Jinja2 sandbox, tried here: each is refused, none is rendered harmless.

They are those of Jinja2's own advisories (CVE-2016-10745, CVE-2019-10906, CVE-2024-56201, CVE-2024-56326,
CVE-2025-27516) and of collections of template injections.
"""

from __future__ import annotations

import pytest

from tests.unit.rendering.template.rendering import CANARY, refusal

WAYS_OUT = {
    "the class of a text": "{{ ''.__class__ }}",
    "the class by brackets": "{{ ''['__class__'] }}",
    "the class by pieces": "{{ ''['__cla' ~ 'ss__'] }}",
    "the class by an escaped text": r"{{ ''['\x5f\x5fclass\x5f\x5f'] }}",
    "the class by a filter": "{{ '' | attr('__class__') }}",
    "the class by a filter without brackets": "{{ '' | attr '__class__' }}",
    "the class by map": "{{ [''] | map(attribute='__class__') | list }}",
    "the class by a filter of map": "{{ [''] | map('attr', '__class__') | list }}",
    "the class by sort": "{{ ['', ''] | sort(attribute='__class__') }}",
    "the class by groupby": "{{ [''] | groupby('__class__') }}",
    "the class by selectattr": "{{ [''] | map(attribute='__class__.__mro__') | first }}",
    "all subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "a base by brackets": "{{ []['__class__']['__base__']['__subclasses__']() }}",
    "a secret's own class": "{{ secrets.token.__class__ }}",
    "a secret's own class by brackets": "{{ secrets.token['__class__'] }}",
    "the holder of secrets": "{{ secrets.answers }}",
    "the holder of secrets by a private name": "{{ secrets.__init__.__globals__ }}",
    "a slot of a secret": "{{ secrets.token.__slots__ }}",
    "a method of a text": "{{ secrets.token.upper() }}",
    "format": "{{ '{0.__class__}'.format(secrets.token) }}",
    "format_map": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "format kept in a name": "{% set f = '{0.__class__}'.format %}{{ f(1) }}",
    "format by a filter": "{{ '{0.__class__}' | attr('format') }}",
    "a width from an argument": "{{ '%*d' % (1000000000, 1) }}",
    "the globals of a macro": "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "the attributes of a macro": "{% macro m() %}{% endmacro %}{{ m.call }}",
    "the globals of the loop": "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "the loop's own class": "{% for x in [1] %}{{ loop['__class__'] }}{% endfor %}",
    "the globals of a function": "{{ range.__globals__ }}",
    "a function as a value": "{{ range }}",
    "cycler": "{{ cycler.__init__.__globals__.os }}",
    "joiner": "{{ joiner.__init__.__globals__.os }}",
    "lipsum": "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "lipsum by brackets": "{{ lipsum['__globals__'] }}",
    "namespace": "{{ namespace.__init__.__globals__.os }}",
    "a namespace's class": "{{ namespace(a=1).__class__ }}",
    "a namespace's parts by brackets": "{{ namespace(a=1)['_Namespace__attrs'] }}",
    "the template itself": "{{ self }}",
    "the template's context": "{{ self._TemplateReference__context }}",
    "the context": "{{ context }}",
    "the environment": "{{ environment }}",
    "flask's configuration": "{{ config }}",
    "flask's request": "{{ request.application.__globals__ }}",
    "builtins": "{{ __builtins__ }}",
    "an import": "{{ __import__('os') }}",
    "get_flashed_messages": "{{ get_flashed_messages.__globals__ }}",
    "a generator's frame": "{{ ([] | map('upper')).gi_frame }}",
    "a coroutine's frame": "{{ secrets.token.cr_frame }}",
    "a traceback's frame": "{{ secrets.token.tb_frame }}",
    "a function's code": "{{ secrets.token.func_code }}",
    "include": "{% include '/etc/passwd' %}",
    "include of a computed name": "{% include secrets.token %}",
    "include that ignores what is missing": "{% include 'x' ignore missing %}",
    "import": "{% import 'x' as y %}",
    "from": "{% from 'x' import y %}",
    "extends": "{% extends 'x' %}",
    "an include that is never reached": "{% if false %}{% include 'x' %}{% endif %}",
    "a call that is never reached": "{% if false %}{{ secrets.token.upper() }}{% endif %}",
    "an attribute that is never reached": "{% if false %}{{ ''.__class__ }}{% endif %}",
    "an attribute behind a default": "{{ ''.__class__ | default 'x' }}",
    "do": "{% do [].append(1) %}",
    "a list that is changed": "{{ [].append(1) }}",
    "a map that is changed": "{{ {}.update({'a': 1}) }}",
    "a name for a method": "{% set f = [].append %}{{ f(1) }}",
    "an unpacked argument": "{{ range(*[1, 2]) }}",
    "unpacked arguments by name": "{{ dict(**{'a': 1}) }}",
    "an unpacked argument of a filter": "{{ 'a' | replace(*['a', 'b']) }}",
    "autoescape": "{% autoescape true %}{{ 1 }}{% endautoescape %}",
    "a call of a text": "{{ ''() }}",
    "a call of what a call gives": "{{ range(1)() }}",
    "a call of a filter": "{{ ('a' | upper)() }}",
    "a function that is shadowed": "{% set range = 'a' %}{{ range(1) }}",
    "a secret that is called": "{{ secrets() }}",
    "xmlattr": "{{ {'a': 1} | xmlattr }}",
    "random": "{{ [1, 2] | random }}",
    "pprint": "{{ secrets | pprint }}",
    "filesizeformat": "{{ 1000 | filesizeformat }}",
    "urlize": "{{ 'http://a' | urlize }}",
    "striptags": "{{ '<a>' | striptags }}",
    "the class by brackets, with a default": "{{ ''['__class__'] | default 'x' }}",
    "the class by pieces, with a default": "{{ ''['__cla' ~ 'ss__'] | default('x', true) }}",
    "the class by brackets, with a fallback": "{{ secrets.token['__class__'] | fallback 'x' }}",
    "the class by brackets, asked for": "{{ ''['__class__'] is defined }}",
    "the class by brackets, asked for the other way": "{{ [1]['__mro__'] is undefined }}",
    "the class by map, with a default": "{{ [''] | map(attribute='__class__', default='x') | list }}",
    "the class by groupby, with a default": "{{ [''] | groupby('__class__', default='x') }}",
    "the class by selectattr, which asks": "{{ [''] | selectattr('__class__') | list }}",
    "the class by rejectattr, which asks": "{{ [''] | rejectattr('__class__', 'defined') | list }}",
    "the class by sum": "{{ [''] | sum(attribute='__class__') }}",
    "the class by min": "{{ ['', ''] | min(attribute='__class__') }}",
    "the class by max": "{{ ['', ''] | max(attribute='__class__') }}",
    "the class by unique": "{{ ['', ''] | unique(attribute='__class__') | list }}",
    "the class by join": "{{ [''] | join(',', attribute='__class__') }}",
    "a namespace's class by brackets, with a default": "{{ namespace(a=1)['__class__'] | default 'x' }}",
    "a namespace's class, set": "{% set n = namespace() %}{% set n.__class__ = 1 %}",
    "a namespace's part, set where nobody comes by": "{% if false %}{% set n = 1 %}{% set n._a = 1 %}{% endif %}",
    "a map's class, with a default": "{{ {'a': 1}['__class__'] | default 'x' }}",
    "the loop's class, with a default": "{% for x in [1] %}{{ loop['__class__'] | default 'x' }}{% endfor %}",
    "a macro's globals, with a default": "{% macro m() %}{% endmacro %}{{ m['__globals__'] | default 'x' }}",
    "a macro's name": "{% macro m() %}{% endmacro %}{{ m.name }}",
    "a macro's other arguments": "{% macro m() %}{{ varargs }}{% endmacro %}{{ m(1) }}",
    "a macro's other named arguments": "{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(a=1) }}",
    "a macro's caller": "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "the block above": "{% block a %}{{ super() }}{% endblock %}",
    "the block itself": "{% block a %}{% endblock %}{{ self.a() }}",
    "a loop that calls itself": "{% for x in [[1]] recursive %}{{ loop(x) }}{% endfor %}",
    "a loop's method": "{% for x in [1] %}{{ loop.changed(x) }}{% endfor %}",
    "break": "{% for x in [1] %}{% break %}{% endfor %}",
    "continue": "{% for x in [1] %}{% continue %}{% endfor %}",
    "debug": "{% debug %}",
    "trans": "{% trans %}a{% endtrans %}",
    "gettext": "{{ gettext('a') }}",
    "gettext by its short name": "{{ _('a') }}",
    "flask's url_for": "{{ url_for.__globals__ }}",
    "flask's g": "{{ g.pop.__globals__ }}",
    "flask's session": "{{ session }}",
    "dict's own": "{{ dict.mro() }}",
    "dict's own as a value": "{{ dict }}",
    "namespace as a value": "{{ namespace }}",
    "a joiner that is made": "{{ joiner(',') }}",
    "a cycler that is made": "{{ cycler(1, 2) }}",
    "a lipsum that is made": "{{ lipsum(5) }}",
    "a template's module": "{{ self.__init__.__globals__ }}",
    "a filter with a dot": "{{ 'a' | escape.__class__ }}",
    "format in braces by a filter": "{{ '{0.__class__}' | format(secrets.token) }}",
    "format in braces by an operator": "{{ '{0.__class__}' % secrets.token }}",
    "format of an attribute": "{{ '%(a.__class__)s' % {'a': 1} }}",
    "a conversion that is none": "{{ '%r' % secrets.token }}",
    "a text's template": "{{ '$a' | template }}",
    "an import of a computed name": "{% import secrets.token as x %}",
    "extends of a computed name": "{% extends secrets.token %}",
    "include of one of several": "{% include ['/etc/passwd', 'x'] %}",
    "a filter named like a method of ours": "{{ 'a' | __init__ }}",
    "a test named like a method of ours": "{{ 'a' is __init__ }}",
}


@pytest.mark.parametrize("text", WAYS_OUT.values(), ids=WAYS_OUT.keys())
def test_no_way_out(text: str) -> None:
    assert refusal(text)


class Thing:
    """What a program may hand in by mistake."""

    value = CANARY
    _private = CANARY

    def __str__(self) -> str:
        return CANARY

    def method(self) -> str:
        return CANARY


@pytest.mark.parametrize(
    "text",
    [
        "{{ thing }}",
        "{{ thing.value }}",
        "{{ thing['value'] }}",
        "{{ thing._private }}",
        "{{ thing.method() }}",
        "{{ thing() }}",
        "{{ thing ~ 'x' }}",
        "{{ thing | string }}",
        "{{ thing | json }}",
        "{{ [thing] }}",
        "{{ '%s' % thing }}",
        "{{ [thing] | map(attribute='value') | join }}",
    ],
)
def test_an_object_from_outside_is_no_way_in(text: str) -> None:
    assert refusal(text, thing=Thing())


def test_a_function_from_outside_is_not_called() -> None:
    assert "cannot be called" in refusal("{{ f() }}", f=lambda: CANARY)
