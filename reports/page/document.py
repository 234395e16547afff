"""One HTML file that opens from file://: templates, hashes of what may run, safe data.

Values reach a template through autoescape, data through `script_json`, and every placeholder is
filled in one pass, so that nothing which a Run says can become markup, script or template.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reports.page import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

HERE: Final = Path(__file__).resolve().parent.parent
TEMPLATES: Final = HERE / "templates"
UPLOT: Final = HERE / "_vendor" / "uplot"
_JSON_ESCAPES: Final = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def script_json(document: object) -> str:
    """Return JSON that is safe in a script element; raises `ValueError` for NaN and infinity."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_JSON_ESCAPES)


def source_hash(text: str) -> str:
    """Return the Content-Security-Policy source of an inline script or style."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def policy(scripts: list[str], styles: list[str]) -> str:
    """Return the policy: nothing is loaded, nothing is sent, only these scripts and styles run."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(source_hash, scripts))}",
            f"style-src {' '.join(map(source_hash, styles))}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _trusted(*files: Path) -> str:
    """Return our own source text; a browser hashes it with line feeds only."""
    text = "\n".join(file.read_text(encoding="utf-8").strip() for file in files)
    return text.replace("\r\n", "\n")


def page(
    template: str,
    values: Mapping[str, Any],
    data: object,
    columns: str,
    *,
    sheets: tuple[str, ...] = (),
) -> str:
    """Render a template of ours into a whole document.

    `data` is the JSON that the charts read, `columns` the text of a `Payload`, `sheets` the style
    sheets of a kind of report, beside the one that all share.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_filters())
    own_sheets = [TEMPLATES / each for each in sheets]
    style = _trusted(UPLOT / "uPlot.min.css", TEMPLATES / "report.css", *own_sheets)
    theme = _trusted(TEMPLATES / "theme.js")
    script = _trusted(UPLOT / "uPlot.iife.min.js", TEMPLATES / "report.js")

    def own(text: str) -> Markup:
        return Markup(text)  # noqa: S704  files of this package, and JSON that `script_json` escaped

    return environment.get_template(template).render(
        **values,
        policy=policy([theme, script], [style]),
        style=own(style),
        theme=own(theme),
        script=own(script),
        data=own(script_json(data)),
        columns=columns,
    )


def _filters() -> dict[str, Any]:
    names = ("ms", "ms_plain", "count", "clock", "clock_mark", "clock_fine", "percent", "scalar")
    return {name: getattr(numbers, name) for name in (*names, "byte_size", "sentence", "setting")}
