"""docs/settings.md, made from the settings themselves."""

from pydantic_core import PydanticUndefined

from riskrelay.settings import Settings


def render_markdown() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Made by `make docs`; do not edit.",
        "",
        "From the environment, or from a TOML file that `RISKRELAY_CONFIG` names (there in lower case, without the",
        "prefix). The environment wins. All have defaults.",
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if default in (None, PydanticUndefined, []) else f"`{str(default).lower()}`"
        lines.append(f"| `RISKRELAY_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join([*lines, ""])
