"""All filters that templates may use: Jinja2's, as far as they are of use here, and ours. Importing it offers them."""

from beemflow_secrets.rendering.template.filters import certificates, coding, lists, numbers, text

__all__ = ["certificates", "coding", "lists", "numbers", "text"]
