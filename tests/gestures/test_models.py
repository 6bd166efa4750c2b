"""MediaPipe's models as they are run, against what their files say."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from gestures import open_photo
from gestures.hands.bundle import load_bundle
from gestures.hands.models import Model
from gestures.hands.networks import PALM_INPUT, Network
from gestures.hands.pyramid import LANDMARK_INPUT, Pyramid, Region, landmark_region
from gestures.hands.search import SearchFinder

SAMPLES = Path(__file__).parents[2] / "samples"


def weights(model: bytes) -> dict[int, int]:
    """How many numbers of each kind a model's constants hold."""
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    (graph,) = tree.subgraphs
    counts: dict[int, int] = {}
    for tensor in graph.tensors:
        if tree.buffers[tensor.buffer].data is not None:
            counts[tensor.type] = counts.get(tensor.type, 0) + int(np.prod(tensor.shape))
    return counts


def quantized(data: bytes) -> bytes:
    model = Model(data)
    model.quantize()
    return model.packed()


@pytest.mark.parametrize("name", ["palm_detector", "landmark_network"])
def test_most_weights_are_whole_numbers_of_eight_bits(name: str) -> None:
    model = getattr(load_bundle(None), name)
    counts = weights(quantized(model))
    assert schema.TensorType.INT8 not in weights(model)
    assert counts[schema.TensorType.INT8] > 0.8 * sum(counts.values())
    assert sum(counts.values()) == sum(weights(model).values())  # nothing is stored twice


@pytest.mark.parametrize("name", ["peace.jpg", "like.jpg", "ok.jpg", "four.jpg", "zero.jpg", "at_rest.jpg"])
def test_quantized_landmarks_are_the_same(name: str, search: SearchFinder) -> None:
    """Their mean distance is below a hundredth of the picture's side; presence and embedding stay, too."""
    photo = open_photo((SAMPLES / name).read_bytes())
    picture = Pyramid(photo.pixels).square(landmark_region(search.find(photo)[0].landmarks))
    model = Model(load_bundle(None).landmark_network)
    embedding = model.tell_embedding()
    as_filed, as_run = Network(model.packed()), Network(quantized(model.packed()))
    as_filed.run(picture)
    as_run.run(picture)
    points = [network.output("Identity").reshape(21, 3)[:, :2] / LANDMARK_INPUT for network in (as_filed, as_run)]
    assert 0 < np.linalg.norm(points[0] - points[1], axis=1).mean() < 0.01
    assert abs(as_filed.output("Identity_1")[0] - as_run.output("Identity_1")[0]) < 0.05
    assert np.corrcoef(as_filed.output(embedding), as_run.output(embedding))[0, 1] > 0.98


def test_the_quantized_palm_detector_is_as_sure() -> None:
    model = load_bundle(None).palm_detector
    as_filed, as_run = Network(model), Network(quantized(model))
    for name in ("peace.jpg", "like.jpg", "group.jpg", "at_rest.jpg"):
        pixels = open_photo((SAMPLES / name).read_bytes()).pixels
        side = max(pixels.shape)
        picture = Pyramid(pixels).crop(Region(side / 2, side / 2, side, 0).to_photo(), PALM_INPUT)
        as_filed.run(picture)
        as_run.run(picture)
        logits = [network.output("Identity_1")[:, 0].max() for network in (as_filed, as_run)]
        assert abs(logits[0] - logits[1]) < 1
