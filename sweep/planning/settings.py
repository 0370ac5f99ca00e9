"""What a stored sweep remembers so that it can go on elsewhere: its images, pack size, speed protocol, user code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from search_space.user_code import UserCode
from sweep.planning.packs import DEFAULT_PACK_SIZE
from workers.training.recipe import Recipe

SHORT_TRAINING_STEPS = 10_000
"""Below this many training steps a sweep is a trial run, and its speed is measured with the quick protocol."""


@dataclass(frozen=True)
class DataSettings:
    """The image sets of a sweep by name, and the folder they were read from."""

    root: str | None = None
    """None: the embedded photographs, or a folder given on the command line."""
    train: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    """Digest of the content of each test set by its name; databases of older versions lack some."""


@dataclass(frozen=True)
class SweepSettings:
    """The settings stored with a sweep, as JSON in the column ``sweep.settings``; they hold no secrets."""

    data: DataSettings = DataSettings()
    pack_size: int = DEFAULT_PACK_SIZE
    speed_protocol: str | None = None
    """Name of the protocol of the speed phase; None in databases of older versions."""
    user_code: tuple[UserCode, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    """What another version stored there; kept as it is."""

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SweepSettings:
        """From the stored JSON; what an older version did not store takes its default.

        >>> SweepSettings.from_dict({"data": {"train": ["T91"]}, "colour": "red"}).others
        {'colour': 'red'}
        """
        data = stored.get("data") or {}
        return cls(
            DataSettings(
                data.get("root"), tuple(data.get("train", ())), tuple(data.get("tests", ())), data.get("digests", {})
            ),
            int(stored.get("pack_size", DEFAULT_PACK_SIZE)),
            stored.get("speed_protocol"),
            tuple(UserCode(**fields) for fields in stored.get("user_code", ())),
            {name: value for name, value in stored.items() if name not in _FIELDS},
        )

    def to_dict(self) -> dict[str, Any]:
        """The inverse of ``from_dict``.

        >>> sorted(SweepSettings().to_dict())
        ['data', 'pack_size', 'user_code']
        """
        data = self.data
        out: dict[str, Any] = {
            "data": {
                "root": data.root,
                "train": list(data.train),
                "tests": list(data.tests),
                "digests": dict(data.digests),
            },
            "pack_size": self.pack_size,
            "user_code": [asdict(code) for code in self.user_code],
        }
        return {**self.others, **out} | ({"speed_protocol": self.speed_protocol} if self.speed_protocol else {})

    def with_tests(self, digests: Mapping[str, str]) -> SweepSettings:
        """With more test sets, digest by name, beside those it has.

        >>> SweepSettings(DataSettings(tests=("A",))).with_tests({"B": "f"}).data.tests
        ('A', 'B')
        """
        names = tuple(dict.fromkeys((*self.data.tests, *digests)))
        return replace(self, data=replace(self.data, tests=names, digests={**self.data.digests, **digests}))


_FIELDS = ("data", "pack_size", "speed_protocol", "user_code")


def usual_speed_protocol(recipe: Recipe) -> str:
    """The name of the speed protocol of a sweep that names none: the paper's, or the quick one for a short training.

    >>> from workers.training.recipe import recipe_for
    >>> usual_speed_protocol(recipe_for("paper")), usual_speed_protocol(recipe_for("demo"))
    ('fullhd14', 'qhd5')
    """
    return "qhd5" if recipe.longest < SHORT_TRAINING_STEPS else "fullhd14"
