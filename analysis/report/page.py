"""One HTML file with everything in it: data, style, script and Plotly; it asks nothing of the network."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from analysis.report.content import Content

VIEWER = ("network", "webgl", "plain", "picture", "viewer")
SCRIPTS = ("data.js", "chart.js", "tables.js", "training.js", *(f"viewer/{name}.js" for name in VIEWER), "view.js",
           "page.js")  # fmt: skip


def render(content: Content, live: bool = False) -> str:
    """The page of a store's content. ``live`` makes it listen to the dashboard it came from."""
    import jinja2

    # Everything that is not ours is escaped: by Jinja in the page, by textContent in the script.
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_file("page.html.j2"))
    return template.render(
        content=content,
        data=content.to_json(),
        css=_file("page.css") + _file("viewer/viewer.css"),
        script="\n".join(_file(name) for name in SCRIPTS),
        viewer=_file("viewer/viewer.html.j2"),
        plotly=_plotly(),
        live=live,
    )


def _file(name: str) -> str:
    return (files("analysis.report") / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """Plotly's own minified bundle, as its Python package ships it."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")
