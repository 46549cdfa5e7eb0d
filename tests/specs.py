"""What data sets hold, written shortly: one space, with the field names of ganpipe's own sets."""

from __future__ import annotations

from ganpipe.core.spec import DataSpec, Field


def images(
    shape: tuple[int, int, int], classes: tuple[str, ...] = (), attributes: tuple[str, ...] = (), name: str = "toy"
) -> DataSpec:
    """Return a data set of images (channels, height, width), with labels or attributes where there are names."""
    fields = {"image": Field(kind="image", shape=shape)}
    if classes:
        fields["label"] = Field(kind="label", shape=(), names=classes)
    if attributes:
        fields["attributes"] = Field(kind="attributes", shape=(len(attributes),), names=attributes)
    return DataSpec(name=name, fields=fields)


def vectors(length: int, name: str = "toy") -> DataSpec:
    """Return a data set of vectors."""
    return DataSpec(name=name, fields={"vector": Field(kind="vector", shape=(length,))})


def pictures(a: tuple[int, int, int], b: tuple[int, int, int], paired: bool = True, name: str = "toy") -> DataSpec:
    """Return a data set of two fields of images, a and b: pairs in one space, or each in a space of its own."""
    shapes = {"a": a, "b": b}
    spaces = {} if paired else {"a": {"space": "a"}, "b": {"space": "b"}}
    fields = {key: Field(kind="image", shape=shape, **spaces.get(key, {})) for key, shape in shapes.items()}
    return DataSpec(name=name, fields=fields)
