import pytest
from pydantic import BaseModel

from napari_mri_cae.training import config
from napari_mri_cae.training.config import PatchSampling, validated

MODELS = [
    config.DataFolder,
    config.Split,
    config.AllSlices,
    config.BrainSlices,
    config.MiddleSlices,
    config.SliceRange,
    config.ContentSlices,
    config.MeanSlices,
    config.PatchSampling,
    config.SliceSampling,
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_can_be_shown_in_a_form(model: type[BaseModel]):
    for name, field in model.model_fields.items():
        if name not in ("rule", "kind"):
            assert field.title, name
            assert field.description, name
            assert not field.description.endswith("."), name


def test_ranges_come_in_order():
    for field in ("zoom", "gamma", "offset", "gain"):
        with pytest.raises(ValueError, match="the lower end of a range comes first"):
            validated(PatchSampling, {field: [0.5, 0.1]})
