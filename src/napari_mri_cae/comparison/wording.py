"""What a comparison is called in print."""

from collections.abc import Iterable

from napari_mri_cae.corruptions import Corruption


def corruption_text(corruption: Corruption) -> str:
    """Return a corruption with its parameters, such as "Gaussian noise (sigma 0.03, clip)"."""
    words = []
    for name, value in corruption:
        readable = name.replace("_", " ")
        if value is True:
            words.append(readable)
        elif value is not None and value is not False:
            words.append(f"{readable} {value:g}")
    return f"{corruption.label} ({', '.join(words)})"


def chain_text(corruptions: Iterable[Corruption]) -> str:
    """Return corruptions in the order they are applied, or "none"."""
    return ", ".join(map(corruption_text, corruptions)) or "none"
