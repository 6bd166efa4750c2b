"""The benchmark runs for real, on its smallest scene."""

import io
import json
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from app.bench import SCENES, scene
from app.cli import cli


def test_scenes_are_as_large_as_they_say() -> None:
    megapixels, hands, height = SCENES[1]
    picture = Image.open(io.BytesIO(scene(megapixels, hands, height)))
    assert abs(picture.width * picture.height / 1e6 - megapixels) < 0.01


def test_times_both_finders(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    result = CliRunner().invoke(cli, ["bench", "--rounds", "1", "--most", "0.5", "--json", str(out)])
    assert result.exit_code == 0, result.output
    (timing,) = json.loads(out.read_text())
    assert timing["hands"] == timing["search_found"] == timing["mediapipe_found"] == 1
    assert timing["ratio"] > 0
    assert str(timing["ratio"]) in result.output
