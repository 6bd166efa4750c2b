from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import PREFIX, Settings, settings_table
from app.terminal.words import setting_problem


class TestSettings:
    def test_defaults_are_private_and_bounded(self, monkeypatch):
        for variable, _, _ in settings_table():
            monkeypatch.delenv(variable, raising=False)
        settings = Settings()
        assert settings.host == "127.0.0.1"
        assert settings.cors_origins == ()
        assert 1 <= settings.workers <= 2
        assert settings.limits.bytes == 25 * 2**20
        assert settings.limits.pixels == 50_000_000

    @pytest.mark.parametrize(
        ("variable", "value", "field", "expected"),
        [
            ("PORT", "9000", "port", 9000),
            ("WORKERS", "3", "workers", 3),
            ("MAX_BYTES", "1000", "max_bytes", 1000),
            ("CORS_ORIGINS", "https://a.example, https://b.example", "cors_origins", ("https://a.example", "https://b.example")),
            ("CORS_ORIGINS", "https://A.example:443/,http://b:8080", "cors_origins", ("https://a.example", "http://b:8080")),
            ("HOSTS", "Jari.dinas.example., jari", "hosts", ("jari.dinas.example", "jari")),
            ("SPOOL", "OFF", "spool", None),
            ("FINDER", "mediapipe", "finder", "mediapipe"),
            ("TRACES_ENDPOINT", "http://collector:4318/v1/traces", "traces_endpoint", "http://collector:4318/v1/traces"),
            ("TRACES_ENDPOINT", "HTTPS://u:p@[::1]?x=1", "traces_endpoint", "HTTPS://u:p@[::1]?x=1"),
            ("ROOT_PATH", "jari/", "root_path", "/jari"),
            ("ROOT_PATH", "/", "root_path", ""),
            ("CONTEST", "", "contest", "default"),  # an empty variable is one that is not set
        ],
    )
    def test_reads_the_environment(self, monkeypatch, variable, value, field, expected):
        monkeypatch.setenv(PREFIX + variable, value)
        assert getattr(Settings(), field) == expected

    def test_the_spool_is_where_the_system_keeps_state(self, monkeypatch):
        monkeypatch.delenv("JARI_SPOOL")
        monkeypatch.delenv("STATE_DIRECTORY", raising=False)
        monkeypatch.setenv("XDG_STATE_HOME", "/data/humas/state")
        assert Settings().spool == Path("/data/humas/state/jari")
        monkeypatch.setenv("HOME", "/data/humas")
        monkeypatch.setenv("XDG_STATE_HOME", "state")  # relative ones are passed over, as the XDG specification has it
        assert Settings().spool == Path("/data/humas/.local/state/jari")
        monkeypatch.setenv("HOME", "humas")
        assert Settings().spool is None
        monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/jari:/var/lib/other")  # as systemd writes several
        assert Settings().spool == Path("/var/lib/jari")

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("PORT", "http"),
            ("WORKERS", "0"),
            ("CHECK_TIMEOUT_S", "0"),
            ("FINDER", "magic"),
            ("MAX_PIXELS", "200000000"),
            ("MAX_SIDE", "65501"),
            ("MAX_WAIT_S", "inf"),
            ("CORS_ORIGINS", "https://intranet.example/jari"),
            ("CORS_ORIGINS", "intranet.example"),
            ("CORS_ORIGINS", "*"),
            ("HOSTS", "https://jari.dinas.example"),
            ("HOSTS", "jari.dinas.example:8080"),
            ("SPOOL", "none"),
            pytest.param("PORT", "9" * 5000, id="PORT-9…"),
            ("METRICS", "perhaps"),
            ("API_KEYS", "jari_key"),
            ("API_KEYS", "intranet:abc"),
            ("API_KEYS", f"Intranet:{'a' * 64}"),
            ("API_KEYS", f"a:{'a' * 64},a:{'b' * 64}"),
            ("TRACES_ENDPOINT", "collector:4318/v1/traces"),
            ("TRACES_ENDPOINT", "grpc://collector:4317"),
            ("TRACES_ENDPOINT", "http:///v1/traces"),
            ("TRACES_ENDPOINT", "http://:4318/v1/traces"),
            ("TRACES_ENDPOINT", "http://collector:otlp/v1/traces"),
        ],
    )
    def test_refuses_nonsense_in_both_languages(self, monkeypatch, variable, value):
        monkeypatch.setenv(PREFIX + variable, value)
        with pytest.raises(ValidationError) as refused:
            Settings()
        (error,) = refused.value.errors()
        said = setting_problem(error["type"], error["msg"], error.get("ctx", {}))
        assert said.id != said.en

    def test_every_setting_is_described(self):
        rows = settings_table()
        assert len(rows) == len(Settings.model_fields)
        assert all(description.endswith(".") for _, _, description in rows)
