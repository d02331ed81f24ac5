"""Templates: Jinja2's language, BeemFlow's blank syntax beside it, evaluated here and not by Jinja2.

Jinja2 parses; its syntax tree is walked by `statements` and `expressions`. No Python code is made of a template, no
attribute of a Python object is ever looked up, and nothing is called but what `filters` and `tests` list: what Jinja2's
own sandbox has to forbid does not exist. Each step, and what it makes, is counted (`budget`).
"""
