from app.main import create_app
from app.schemas import Contests, Poses
from app.settings import Settings
from gestures import contests, lists, pose_table


class TestContests:
    def test_lists_all(self, client):
        body = client.get("/v1/contests").json()
        Contests.model_validate(body)
        assert [one["key"] for one in body["contests"]] == list(contests())
        assert [one["key"] for one in body["lists"]] == list(lists())
        assert body["default"] == "default"

    def test_tells_what_poses_mean_in_a_contest(self, client):
        (pilpres,) = [one for one in client.get("/v1/contests").json()["contests"] if one["key"] == "pilpres-2024"]
        assert {"pose": "palm", "number": 1, "strength": "common"} in pilpres["poses"]

    def test_a_contest_file_of_the_operators_has_a_name_but_shows_no_path(self, root, tmp_path):
        from starlette.testclient import TestClient

        file = tmp_path / "pilkada-kota.toml"
        own = '[[own_lists]]\nkey = "dinas-kami"\nname = { id = "a", en = "b" }\nsource = { id = "a", en = "b" }\navoid = ["peace"]\n'
        file.write_text((root / "gestures/contests/default.toml").read_text() + own)
        client = TestClient(create_app(Settings(workers=1, contest=str(file))))  # not entered: no worker is started
        answer = client.get("/v1/contests")
        assert answer.json()["default"] == "pilkada-kota"
        assert "pilkada-kota" in [one["key"] for one in answer.json()["contests"]]
        assert [one["key"] for one in answer.json()["lists"]] == [*lists(), "dinas-kami"]
        assert str(tmp_path) not in answer.text


class TestPoses:
    def test_lists_all(self, client):
        body = client.get("/v1/poses").json()
        Poses.model_validate(body)
        assert [one["key"] for one in body["poses"]] == list(pose_table())
        assert [one["key"] for one in body["poses"] if one["note"]] == ["middle_finger"]


class TestLimits:
    def test_are_those_of_the_settings(self, client):
        assert client.get("/v1/limits").json() == {
            "bytes": 26_214_400,
            "pixels": 50_000_000,
            "side": 20_000,
            "least_side": 32,
            "batches": None,
        }
