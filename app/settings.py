"""The service's settings, from environment variables with the prefix JARI_."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.keys import Key, parse_keys
from app.workers import CheckerPool, CheckerSetup
from gestures import FinderName, Limits, Thresholds
from gestures.photo import MOST_PIXELS

PREFIX = "JARI_"

# The longest side that libjpeg writes: of every photo that is taken, a copy can be given.
MOST_SIDE = 65_500


def _workers() -> int:
    return min(os.cpu_count() or 1, 2)


def _spool() -> Path | None:
    # systemd names the folder that a unit's StateDirectory= makes.
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():  # which the XDG specification passes over
        try:
            state = Path.home() / ".local" / "state"
        except RuntimeError:  # a user without a home
            return None
    return state / "jari" if state.is_absolute() else None


def _listed(value: object, each: Callable[[str], str]) -> object:
    """Take a text apart at its commas."""
    return tuple(each(part.strip()) for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _origin(written: str) -> str:
    """An origin as browsers send it: small letters, no slash at its end, no port that its scheme has anyway."""
    origin = written.lower().rstrip("/")
    for scheme, port in (("http", 80), ("https", 443)):
        if origin.startswith(f"{scheme}://"):
            origin = origin.removesuffix(f":{port}")
    return origin


class Settings(BaseSettings):
    """All that can be set. The README's table is made from the descriptions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, allow_inf_nan=False)

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on.")
    allow_open: bool = Field(
        default=False,
        description="Listen on other addresses than this machine's own without keys too; whoever reaches it may use it.",
    )
    api_keys: Annotated[tuple[Key, ...], NoDecode] = Field(
        default=(), description="Entries of keys as `jari key new` prints them, separated by commas. Default: no key is asked for."
    )
    api_keys_file: Path | None = Field(default=None, description="File of such entries, one a line; SIGHUP reads it again.")
    rate_limit: int = Field(
        default=120, ge=0, description="Requests a minute that a key may make, where its entry has no limit of its own; 0 is no limit."
    )
    root_path: str = Field(
        default="", description="Path below which a reverse proxy serves the application, and which it takes off, such as `/jari`."
    )
    workers: int = Field(default_factory=_workers, ge=1, description="Processes that check photos. Default: the cores, at most 2.")
    queue_size: int = Field(default=16, ge=0, description="Photos that may wait for a worker; one more is answered with 503.")
    queue_bytes: int = Field(
        default=256 * 2**20, ge=1, description="Bytes of uploads held at once, read, waiting or checked; more is answered with 503."
    )
    max_wait_s: float = Field(
        default=30, gt=0, description="Seconds that a photo may wait for a worker; one that would wait longer is answered with 503 at once."
    )
    upload_timeout_s: float = Field(
        default=20,
        gt=0,
        description="Seconds that an upload may take, beside one for each 16 KiB (a batch: an hour at most); also for a request's head.",
    )
    check_timeout_s: float = Field(default=20, gt=0, description="Seconds that one photo may take before its check is stopped.")
    worker_memory: int = Field(
        default=1536, ge=0, description="MiB that a worker may allocate; a photo that needs more is refused. 0: no limit. Linux only."
    )
    max_bytes: int = Field(default=Limits().bytes, ge=1, le=2**40, description="Most bytes of a photo.")
    max_pixels: int = Field(
        default=Limits().pixels, ge=1, le=MOST_PIXELS, description="Most pixels of a photo, looked at before it is decoded."
    )
    max_side: int = Field(default=Limits().side, ge=1, le=MOST_SIDE, description="Most pixels along one side of a photo.")
    spool: Annotated[Path | None, NoDecode] = Field(
        default_factory=_spool,
        description="Folder in which batches are kept until they are checked, and their results for a while; `off`: no batches. "
        "Default: `jari` in the user's state folder, or the unit's StateDirectory.",
    )
    batch_files: int = Field(default=2000, ge=1, description="Most photos of a batch.")
    batch_bytes: int = Field(default=2 * 2**30, ge=1, description="Most bytes of a batch, as sent and unpacked.")
    batch_queue: int = Field(
        default=8, ge=1, description="Batches that may be unfinished, at most half of them of one key; one more is answered with 503."
    )
    batch_keep_s: float = Field(default=24 * 3600, gt=0, description="Seconds that a batch's results are kept after it is done.")
    contest: str = Field(default="default", description="Contest used where a request names none: a known name, or a contest file's path.")
    finder: FinderName = Field(default="search", description="Hand finder: `search` sees small hands, `mediapipe` only near ones.")
    model: Path | None = Field(default=None, description="Another copy of `hand_landmarker.task`. Default: the one that is installed.")
    review_threshold: float = Field(
        default=Thresholds().review,
        ge=0,
        le=1,
        description="Score from which a hand surely poses, and its photo is one to review: lower flags more, higher leaves more unclear.",
    )
    unclear_threshold: float = Field(
        default=Thresholds().unclear,
        ge=0,
        le=1,
        description="Score from which a hand seems to pose, and is unclear: lower finds more, higher is quieter.",
    )
    hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Names, separated by commas, by which a service without keys is reached, such as a proxy's. "
        "Default: only addresses, names without a dot, and `JARI_HOST`.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins, separated by commas, whose pages may call the service. Default: none."
    )
    privacy_contact: str = Field(default="", description="Who answers for this installation and how to reach them, for `/privacy`.")
    metrics: bool = Field(default=True, description="Offer figures for Prometheus at `/metrics`; where there are keys, to their holders.")
    traces_endpoint: str = Field(
        default="",
        description="Address that OpenTelemetry traces go to; needs the extra `otel`. Default: none, and nothing is sent.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level that is logged.")

    @field_validator("hosts", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return _listed(value, lambda name: name.rstrip(".").lower())

    @field_validator("hosts")
    @classmethod
    def _bare(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not re.fullmatch(r"[a-z0-9_.-]+", one) for one in value):
            raise PydanticCustomError("host", "must be like jari.dinas.example, without scheme, port or path")
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _listed(value, _origin)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/]+", one) for one in value):
            raise PydanticCustomError("origin", "must be like https://intranet.example, without a path")
        return value

    @field_validator("traces_endpoint")
    @classmethod
    def _reachable(cls, value: str) -> str:
        if value and not re.fullmatch(r"(?i)https?://([^\s/@]+@)?(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?([/?]\S*)?", value):
            raise PydanticCustomError("endpoint", "must be like http://127.0.0.1:4318/v1/traces, and begin with http:// or https://")
        return value

    @field_validator("root_path")
    @classmethod
    def _rooted(cls, value: str) -> str:
        return f"/{value.strip('/')}" if value.strip("/") else ""

    @field_validator("spool", mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        return None if isinstance(value, str) and value.lower() == "off" else value

    @field_validator("spool")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value and not value.is_absolute():  # as likely a word for "off" as a folder
            raise PydanticCustomError("absolute-path", "must be `off` or a path that begins with /")
        return value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _parse_keys(cls, value: object) -> object:
        return parse_keys(value) if isinstance(value, str) else value

    @property
    def limits(self) -> Limits:
        """What a photo may be at most."""
        return Limits(bytes=self.max_bytes, pixels=self.max_pixels, side=self.max_side)

    @property
    def setup(self) -> CheckerSetup:
        """What workers build their Checkers from, and what a photo may take."""
        thresholds = Thresholds(review=self.review_threshold, unclear=self.unclear_threshold)
        return CheckerSetup(self.finder, self.model, self.limits, thresholds, self.check_timeout_s, self.worker_memory)

    def pool(self, *, queue_size: int, max_wait_s: float | None = None) -> CheckerPool:
        """Workers, as many as are set."""
        return CheckerPool(self.setup, workers=self.workers, queue_size=queue_size, max_wait_s=max_wait_s)


def settings_table() -> list[tuple[str, str, str]]:
    """Return variable, default and description of every setting, as the README shows them."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory or field.default in (None, "", ()) else str(field.default)
        default = default.lower() if isinstance(field.default, bool) else default
        rows.append((PREFIX + name.upper(), default, field.description or ""))
    return rows
