"""What data holds: fields by name, what a system is told when one is missing, spaces."""

from __future__ import annotations

import subprocess
import sys

import pytest
from specs import images, vectors

from ganpipe.core.spec import DataSpec, Field
from ganpipe.errors import ConfigError

DOMAINS = DataSpec(
    name="horses",
    fields={
        "source": Field(kind="image", shape=(3, 4, 5), space="b"),
        "breed": Field(kind="label", shape=(), names=("arab", "shire"), space="b"),
        "target": Field(kind="image", shape=(3, 4, 5), space="a"),
        "notes": Field(kind="tokens", shape=(9,), space="b"),
    },
)


def test_a_system_is_told_when_the_data_is_of_the_wrong_kind() -> None:
    image, vector = images((1, 28, 28), name="digits"), vectors(4, name="pattern")
    assert image.image_shape("image", "dcgan") == (1, 28, 28)
    assert vector.field("vector", "vector", "pattern_gan").shape == (4,)
    with pytest.raises(
        ConfigError,
        match=r"^system.name = 'dcgan' needs images in a field 'image', but data.name = 'pattern' has vector "
        r"\(vectors of 4\)$",
    ):
        vector.image_shape("image", "dcgan")
    with pytest.raises(ConfigError, match=r"'pattern_gan' needs vectors .* 'digits' has image \(images of 1 x 28 x 28"):
        image.field("vector", "vector", "pattern_gan")


def test_a_field_of_the_right_name_and_another_kind_is_refused_with_all_that_is_there() -> None:
    with pytest.raises(ConfigError, match=r"needs vectors in a field 'source'.* source \(.* breed \(labels of 2 "):
        DOMAINS.field("source", "vector", "toy")


def test_names_belong_to_fields() -> None:
    assert DOMAINS.names("breed") == ("arab", "shire")
    assert DOMAINS.names("source") == DOMAINS.names("nothing") == ()


def test_spaces_are_in_alphabetical_order_and_fields_have_neighbours_in_theirs_alone() -> None:
    assert DOMAINS.spaces == ("a", "b")
    assert images((1, 2, 2), classes=("x",)).spaces == ("items",)
    assert DOMAINS.beside("source", "label") == "breed"
    assert DOMAINS.beside("target", "label") is None
    assert DOMAINS.beside("target", "image") == "target"


def test_images_alone_are_stored_with_their_channels_last() -> None:
    shapes = {name: field.stored_shape for name, field in DOMAINS.fields.items()}
    assert shapes == {"source": (4, 5, 3), "breed": (), "target": (4, 5, 3), "notes": (9,)}


def test_it_survives_the_way_through_json() -> None:
    assert DataSpec.model_validate_json(DOMAINS.model_dump_json()) == DOMAINS


def test_specs_and_inputs_need_no_torch() -> None:
    program = "import sys, ganpipe.core.spec, ganpipe.core.inputs; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"
