"""What is done to the slices before they are reconstructed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from napari_mri_cae.comparison.wording import chain_text
from napari_mri_cae.corruptions import Corruption, GaussianNoise, RicianNoise


@dataclass(frozen=True)
class Condition:
    """A chain of corruptions, of one, or of none: the clean slice.

    Attributes
    ----------
    corruptions : tuple of Corruption
        Applied in this order.
    """

    corruptions: tuple[Corruption, ...] = ()

    @classmethod
    def of(cls, given: "Condition | Corruption | Sequence[Corruption]") -> Self:
        """Return a condition of a corruption, of a chain of them, or as it is."""
        if isinstance(given, Condition):
            return cls(given.corruptions)
        return cls((given,) if isinstance(given, Corruption) else tuple(given))

    @property
    def label(self) -> str:
        """What people read, such as "Gaussian noise (sigma 0.03)", or "none"."""
        return chain_text(self.corruptions)

    @property
    def kind(self) -> str:
        """The kind of its corruption, "chain" of several, "none" of none."""
        if not self.corruptions:
            return "none"
        return self.corruptions[0].kind if len(self.corruptions) == 1 else "chain"

    @property
    def strength(self) -> float:
        """The first parameter of a single corruption, such as the sigma of a noise; NaN otherwise."""
        if len(self.corruptions) != 1:
            return math.nan
        value = next((value for _, value in self.corruptions[0]), None)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if is_number else math.nan  # type: ignore[arg-type]

    @property
    def noise_sigma(self) -> float:
        """Standard deviation of all noise in the chain, on the volume's scale; 0 where there is none.

        Of Rician noise, that of either channel.
        """
        noises = [one.sigma for one in self.corruptions if isinstance(one, (GaussianNoise, RicianNoise))]
        return math.hypot(*noises) if noises else 0.0

    def to_list(self) -> list[dict[str, Any]]:
        """Return the chain as plain values."""
        return [corruption.to_dict() for corruption in self.corruptions]
