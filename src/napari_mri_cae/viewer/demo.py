"""The demonstration's window, in a process of its own.

`python -m napari_mri_cae.viewer.demo SETTINGS STATE` is what `mri-cae demo` runs. SETTINGS is JSON:
"volume" (a file, or null for the sample), "frame", "model" (or null) and "screenshot" (a file to write the
window's picture to, or null to leave the window to the user). What happens is told in the file STATE, as
JSON: {"ready": true} once the window is open, {"report": ...} after a screenshot, {"error": ...}.
"""

import json
import sys
from pathlib import Path
from typing import Any

from napari_mri_cae.errors import InputError

_FILLS_WITHIN_S = 500.0
_WINDOW = (1500, 950)


def main(settings: dict[str, Any], state: Path) -> int:
    """Open the window, and stay until the user closes it or the screenshot is written.

    Parameters
    ----------
    settings : dict
        "volume", "frame", "model" and "screenshot", as the module says.
    state : pathlib.Path
        The file that tells how far it is.

    Returns
    -------
    int
        0, or 1 after an error, which the file tells.
    """
    try:
        report = _show(settings, state)
    except InputError as error:
        _tell(state, {"error": str(error)})
        return 1
    _tell(state, {"ready": True} if report is None else {"report": report})
    return 0


def _show(settings: dict[str, Any], state: Path) -> dict[str, Any] | None:
    import napari

    from napari_mri_cae.comparison.report import comparison_report
    from napari_mri_cae.models import load_model
    from napari_mri_cae.sample import sample_volume
    from napari_mri_cae.viewer.compare import open_comparison
    from napari_mri_cae.volume import Volume

    volume = sample_volume() if settings["volume"] is None else Volume.load(settings["volume"])
    frame = volume.frame(settings["frame"])
    # Before there is a window, so that what is wrong with it is told on the command line.
    load_model(settings["model"])
    viewer = napari.Viewer()
    dock = open_comparison(viewer, frame, model=settings["model"])
    _tell(state, {"ready": True})
    if settings["screenshot"] is None:
        napari.run()
        return None
    viewer.window.resize(*_WINDOW)
    filled = dock.wait_until_done(_FILLS_WITHIN_S)
    comparison = dock.session.comparison
    if not filled or comparison is None:
        raise RuntimeError(f"the comparison was not filled within {_FILLS_WITHIN_S:.0f} s")
    viewer.screenshot(settings["screenshot"], canvas_only=False)
    report = comparison_report(comparison)
    viewer.close()
    return report


def _tell(state: Path, what: dict[str, Any]) -> None:
    """Replace the file at once, so that whoever reads it never sees half of it."""
    beside = state.with_suffix(".part")
    beside.write_text(json.dumps(what), encoding="utf-8")
    beside.replace(state)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), Path(sys.argv[2])))
