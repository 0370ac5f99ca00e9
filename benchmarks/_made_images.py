"""Facades and drawings made by a script, ten of each: sharp lines, lattices, lettering that no training set here holds.

Each is drawn four times as large and reduced, as a camera or a renderer sees it; the same numbers give the same images.
They stand in for sets of city facades and drawings, which have licences of their own: ``quality_heldout.py --set DIR``
takes those where there are any.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from workers.data.image_set import ImageSet

SIDE, FINE, COUNT = 384, 4, 10
"""Pixels of a side, how many times as large each is drawn, and how many of a kind."""
WORDS = ("a tale of sharp lines", "NO ENTRY", "what was that?", "once more, with edges", "1234567890", "CRASH!")
SKY = (190, 210, 235)
Pixels = NDArray[np.uint8]


def facades() -> ImageSet:
    """Walls of windows in perspective, with frames, railings, courses of bricks and uneven light."""
    return _set("made-facades", _facade)


def drawings() -> ImageSet:
    """Pages of ink on white: panels, strokes, hatching, dots, solid black and lettering."""
    return _set("made-drawings", _drawing)


def _set(name: str, draw: Callable[[Generator], Pixels]) -> ImageSet:
    names = tuple(f"{name}-{number}.png" for number in range(COUNT))
    return ImageSet(name, names, tuple(draw(np.random.default_rng(number)) for number in range(COUNT)))


def _facade(random: Generator) -> Pixels:
    side = SIDE * FINE
    wall = tuple(int(v) for v in random.integers(110, 220, 3))
    page = Image.new("RGB", (side, side), wall)
    pen = ImageDraw.Draw(page)
    course = int(random.integers(14, 30))
    for row, y in enumerate(range(0, side, course)):
        pen.line((0, y, side, y), _shade(wall, 0.8), 2)
        for x in range((row % 2) * course, side, 2 * course):
            pen.line((x, y, x, y + course), _shade(wall, 0.85), 2)
    columns, rows = random.integers(5, 13, 2)
    wide, high = side / columns, side / rows
    for row in range(rows):
        pen.rectangle((0, row * high, side, row * high + high * 0.05), _shade(wall, 1.15))
        for column in range(columns):
            _window(pen, random, column * wide, row * high, wide, high)
    way = (Image.Transform.PERSPECTIVE, _tilt(random), Image.Resampling.BICUBIC)
    return _seen(page.transform(page.size, *way, fillcolor=SKY), random)


def _window(pen: ImageDraw.ImageDraw, random: Generator, left: float, top: float, wide: float, high: float) -> None:
    """A pane with frame and glazing bars, and at some a railing."""
    x, y, right, bottom = left + 0.2 * wide, top + 0.2 * high, left + 0.8 * wide, top + 0.85 * high
    glass = int(random.integers(20, 150))
    pen.rectangle((x, y, right, bottom), (glass, glass + 5, glass + 15), outline=(235, 235, 230), width=8)
    bars = int(random.integers(1, 4))
    for bar in range(1, bars + 1):
        middle = x + (right - x) * bar / (bars + 1)
        pen.line((middle, y, middle, bottom), (235, 235, 230), 6)
    pen.line((x, y + (bottom - y) / 3, right, y + (bottom - y) / 3), (235, 235, 230), 6)
    if random.random() < 0.4:
        for bar in np.arange(x - 10, right + 10, 14):
            pen.line((bar, bottom - 0.3 * high, bar, bottom), (25, 25, 25), 4)
        pen.line((x - 10, bottom - 0.3 * high, right + 10, bottom - 0.3 * high), (25, 25, 25), 6)


def _tilt(random: Generator) -> tuple[float, ...]:
    """The eight numbers of a perspective: shear and vanishing that keep most of the wall in view."""
    a, b, c, d = random.uniform(-0.15, 0.15, 4)
    side = SIDE * FINE
    return 1 + a, b, -b * side / 2, c, 1 + d, -c * side / 2, a / side / 2, d / side / 2


def _seen(page: Image.Image, random: Generator) -> Pixels:
    """Reduced, in light that falls off, with a camera's noise."""
    small = np.asarray(page.reduce(FINE), np.float64)
    across, down = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    light = 1 + random.uniform(-0.25, 0.25) * across + random.uniform(-0.25, 0.25) * down
    noise = random.normal(0, 1.5, small.shape)
    return np.clip(np.rint(small * light[..., None] + noise), 0, 255).astype(np.uint8)


def _shade(colour: tuple[int, ...], by: float) -> tuple[int, ...]:
    return tuple(min(255, int(value * by)) for value in colour)


def _drawing(random: Generator) -> Pixels:
    side = SIDE * FINE
    page = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(page)
    edges = (0, int(side * random.uniform(0.35, 0.65)), side)
    for top, bottom in ((edges[0], edges[1]), (edges[1], edges[2])):
        cut = int(side * random.uniform(0.3, 0.7))
        for left, right in ((0, cut), (cut, side)):
            box = (left + 24, top + 24, right - 24, bottom - 24)
            panel = Image.new("L", (box[2] - box[0], box[3] - box[1]), 255)
            PANELS[int(random.integers(len(PANELS)))](panel, random)
            _strokes(panel, random)
            page.paste(panel, box[:2])
            pen.rectangle(box, outline=0, width=10)
    return np.repeat(np.asarray(page.reduce(FINE))[..., None], 3, axis=2)


def _strokes(panel: Image.Image, random: Generator) -> None:
    """Ink lines of changing direction, thick and thin, and a word."""
    pen = ImageDraw.Draw(panel)
    steps = np.linspace(0, 1, 80)[:, None]
    for _ in range(int(random.integers(8, 20))):
        a, b, c, d = random.uniform(0, 1, (4, 1, 2)) * panel.size
        path = (1 - steps) ** 3 * a + 3 * (1 - steps) ** 2 * steps * b + 3 * (1 - steps) * steps**2 * c + steps**3 * d
        pen.line([tuple(point) for point in path], 0, int(random.integers(3, 16)), joint="curve")
    font = ImageFont.load_default(float(random.integers(44, 110)))
    spot = tuple(random.uniform(0.05, 0.6, 2) * panel.size)
    word = WORDS[int(random.integers(len(WORDS)))]
    pen.rectangle(pen.textbbox(spot, word, font), fill=255)
    pen.text(spot, word, 0, font)


def _dots(panel: Image.Image, random: Generator) -> None:
    """A screen of dots that grow to one side."""
    pen = ImageDraw.Draw(panel)
    step = int(random.integers(16, 28))
    for y in range(0, panel.height, step):
        for x in range((y // step % 2) * step // 2, panel.width, step):
            radius = step * (0.1 + 0.4 * x / panel.width)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), 0)


def _rays(panel: Image.Image, random: Generator) -> None:
    """Lines of speed out of one point."""
    pen = ImageDraw.Draw(panel)
    middle = random.uniform(0.3, 0.7, 2) * panel.size
    for angle in np.sort(random.uniform(0, 2 * np.pi, 140)):
        way = np.array((np.cos(angle), np.sin(angle)))
        near, far = middle + way * random.uniform(120, 300), middle + way * 2000
        pen.line((*near, *far), 0, int(random.integers(2, 9)))


def _hatching(panel: Image.Image, random: Generator) -> None:
    """Two layers of parallel lines."""
    pen = ImageDraw.Draw(panel)
    for slope in random.uniform(-1.5, 1.5, 2):
        step = int(random.integers(18, 40))
        for x in range(-2 * panel.height, panel.width + 2 * panel.height, step):
            pen.line((x, 0, x + slope * panel.height, panel.height), 0, 4)


def _night(panel: Image.Image, random: Generator) -> None:
    """Solid black with white shapes."""
    pen = ImageDraw.Draw(panel)
    pen.rectangle((0, 0, *panel.size), 0)
    for _ in range(40):
        x, y = random.uniform(0, 1, 2) * panel.size
        radius = random.uniform(4, 70)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255 if radius < 30 else None, 255, 5)


PANELS = (_dots, _rays, _hatching, _night)
