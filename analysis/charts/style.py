"""One look for all charts: a colour and marker per family, readable in print, in grey and by colour-blind readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Look:
    """How a family is drawn: colour, matplotlib marker, Plotly symbol, relative marker size."""

    colour: str
    marker: str
    symbol: str
    size: float = 1.0


# Okabe and Ito's palette (2008) for the paper's families, Tol's muted one for those beyond; the marker
# tells them apart where the colour cannot.
LOOKS = {
    "Bicubic": Look("#000000", "*", "star", 1.7),
    "eSR-MAX": Look("#E69F00", "^", "triangle-up", 1.1),
    "eSR-TM": Look("#009E73", "s", "square", 0.9),
    "eSR-TR": Look("#CC79A7", "D", "diamond", 0.85),
    "eSR-CNN": Look("#56B4E9", "P", "cross", 1.15),
    "ESPCN": Look("#0072B2", "o", "circle"),
    "FSRCNN": Look("#D55E00", "v", "triangle-down", 1.1),
    "Linear": Look("#999933", "<", "triangle-left", 1.1),
    "ABPN": Look("#882255", "X", "x", 1.1),
    "ESPCN-BR": Look("#332288", "h", "hexagon", 1.1),
    "ECBSR": Look("#117733", "p", "pentagon", 1.15),
}
SPARE = (
    Look("#AA4499", ">", "triangle-right", 1.1),
    Look("#661100", "8", "octagon", 1.05),
    Look("#6699CC", "d", "diamond-tall", 1.1),
    Look("#888888", "H", "hexagon2", 1.1),
)
INK, GREY, LIGHT = "#1a1a1a", "#6b6b6b", "#d9d9d9"

RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    # TrueType in PDF and outlines in SVG: the file looks the same where the font is missing.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "edge-sweep",
    # A name with a dollar sign is a name, no formula.
    "text.parse_math": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def applied() -> Iterator[None]:
    """The style's settings while a figure is made or saved; nothing global is left changed."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def look(family: str) -> Look:
    """The look of a family; one that is not ours gets a spare that depends on its name only.

    >>> look("ESPCN").colour
    '#0072B2'
    """
    return LOOKS.get(family) or SPARE[sum(family.encode()) % len(SPARE)]


def in_order(families: Iterable[str]) -> list[str]:
    """Distinct families in the order legends list them: as in LOOKS, then by name."""
    known = list(LOOKS)
    return sorted(set(families), key=lambda f: (known.index(f) if f in LOOKS else len(known), f))


def short(config: str) -> str:
    """An id without its scale, for a panel that shows one scale.

    >>> short("ESPCN_s2_D22_S32")
    'ESPCN D22 S32'
    """
    family, _, *values = config.split("_")
    return " ".join([family, *values])
