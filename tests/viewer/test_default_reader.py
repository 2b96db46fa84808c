"""napari opens NIfTI with the plugin by default, if the user says so, and is asked only once."""

from collections.abc import Iterator

import pytest
from napari.settings import get_plugin_settings, get_settings

from napari_mri_cae.viewer import default_reader
from napari_mri_cae.viewer.default_reader import DefaultReaderOffer
from napari_mri_cae.viewer.preferences import ComparePreferences, compare_preferences


@pytest.fixture(autouse=True)
def _own_settings() -> Iterator[None]:
    def reset() -> None:
        get_settings().reset()
        get_plugin_settings("napari-mri-cae").reset()

    reset()
    yield
    reset()


def test_making_it_the_default_leaves_other_choices_alone(qtbot) -> None:
    get_settings().plugins.extension2reader = {"*.tif": "napari"}
    offer = DefaultReaderOffer()
    qtbot.addWidget(offer)
    answers: list[bool] = []
    offer.answered.connect(answers.append)
    offer.show()
    assert not default_reader.is_default()
    offer.yes.click()
    assert get_settings().plugins.extension2reader == {
        "*.tif": "napari",
        "*.nii": "napari-mri-cae",
        "*.nii.gz": "napari-mri-cae",
    }
    assert default_reader.is_default()
    assert answers == [True]
    assert not offer.isVisible()


def test_no_is_remembered(qtbot) -> None:
    offer = DefaultReaderOffer()
    qtbot.addWidget(offer)
    offer.show()
    assert offer.isVisible()
    offer.no.click()
    assert not offer.isVisible()
    assert not default_reader.should_offer()
    assert not default_reader.is_default()
    again = DefaultReaderOffer()
    qtbot.addWidget(again)
    assert again.isHidden()


def test_a_reader_the_user_has_chosen_is_respected() -> None:
    assert default_reader.should_offer()
    get_settings().plugins.extension2reader = {"*.nii.gz": "another-plugin"}
    assert not default_reader.should_offer()


def test_preferences_reach_the_comparison() -> None:
    assert compare_preferences() == ComparePreferences("axial", "radiological", "auto")
    settings = get_plugin_settings("napari-mri-cae")
    settings.compare.plane = "sagittal"
    settings.compare.convention = "neurological"
    settings.compare.device = "cpu"
    assert compare_preferences() == ComparePreferences("sagittal", "neurological", "cpu")
