"""What the HTTP interface takes and gives, with an example and a description for every field."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from gestures import Contest, Level
from gestures.contest import PoseList
from gestures.hands.finder import Side
from gestures.reading.fingers import State
from gestures.reading.poses import PoseEntry, Strength
from gestures.words import Lang

Probability = Annotated[float, Field(ge=0, le=1)]

# OpenAPI's own format of times, date-time, has a zone. A camera's clock tells none.
CameraTime = Annotated[datetime, WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"})]

MessageKey = Literal[
    "nothing-found",
    "pose-read-as-number",
    "pose-possibly-read",
    "two-hands-read-as-number",
    "two-hands-together",
    "pose-on-list",
    "lists-disagree",
    "lists-safe",
    "hands-to-review",
    "consider-another",
    "pose-note",
    "hand-unclear",
    "unclear-read-as",
    "unclear-together",
    "often-without-intent",
    "safe-poses",
    "photo-date",
    "photo-date-stage",
    "initial-advice",
]


def _leave_open(schema: dict[str, Any]) -> None:
    """Let a client that is made from the OpenAPI document take the fields that later versions add."""
    del schema["additionalProperties"]


class Schema(BaseModel):
    """Base: no field but those listed."""

    model_config = ConfigDict(extra="forbid", from_attributes=True, json_schema_extra=_leave_open)


class Words(Schema):
    """The same words in Bahasa Indonesia and in English."""

    id: str = Field(description="Bahasa Indonesia.", examples=["dua jari terbuka (V)"])
    en: str = Field(description="English.", examples=["two fingers apart (V)"])


class ReadingOut(Schema):
    """A number that a pose has been read as."""

    number: int = Field(description="The number.", examples=[2])
    strength: Strength = Field(
        description="`official`: on an agency's list with that reading; `common`: widely reported; `possible`: a plain reading by count.",
        examples=["official"],
    )


class CodeOut(Schema):
    """A number that one hand, or two hands together, can be read as."""

    number: int = Field(description="The number.", examples=[2])
    strength: Strength = Field(description="How well established the reading is.", examples=["official"])
    confidence: Probability = Field(description="How sure the pose was read.", examples=[0.97])
    hands: list[int] = Field(description="Places in `hands`, counted from 0.", examples=[[0]])
    on_ballot: bool = Field(description="Whether the contest has this number.", examples=[True])


class FingersOut(Schema):
    """How likely each finger is extended."""

    thumb: Probability = Field(description="Thumb.", examples=[0.04])
    index: Probability = Field(description="Index finger.", examples=[0.99])
    middle: Probability = Field(description="Middle finger.", examples=[0.98])
    ring: Probability = Field(description="Ring finger.", examples=[0.03])
    little: Probability = Field(description="Little finger.", examples=[0.02])


class ListStanceOut(Schema):
    """What one agency's list says of the pose."""

    list: str = Field(description="Key of the list, as in `GET /v1/contests`.", examples=["bkn-2023"])
    name: Words = Field(description="Whose list it is.", examples=[{"id": "daftar BKN (2023)", "en": "BKN's list (2023)"}])
    stance: Literal["avoid", "safe"] = Field(description="Whether the list advises against the pose or calls it safe.", examples=["avoid"])


class HandOut(Schema):
    """One hand in the photo."""

    box: tuple[int, int, int, int] = Field(
        description="x, y, width, height in pixels of the upright photo.", examples=[[812, 640, 96, 130]]
    )
    side: Side = Field(description="The subject's own hand. A mirrored selfie turns it round.", examples=["right"])
    confidence: Probability = Field(description="How sure it is that this is a hand.", examples=[0.98])
    landmarks: list[tuple[float, float, float]] = Field(
        description="21 points x, y, z in pixels of the upright photo, in MediaPipe's order.",
        min_length=21,
        max_length=21,
        examples=[[[850.1, 760.4, -3.2]] * 21],
    )
    fingers: FingersOut = Field(description="How likely each finger is extended.")
    state: State = Field(
        description="`posing`: a pose was read; `unclear`: it seems to pose, but not surely, or cannot be read: look yourself; `rest`: it "
        "poses nothing.",
        examples=["posing"],
    )
    pose: str | None = Field(
        description="Key of the pose, as in `GET /v1/poses`; of an `unclear` hand, what it seems to show; null where there is none.",
        examples=["peace"],
    )
    pose_name: Words | None = Field(description="The pose's name, or null.")
    pose_confidence: Probability = Field(
        description="`posing`: how likely `pose` is right; `rest`: that the hand poses nothing; `unclear`: that it shows `best_pose`.",
        examples=[0.97],
    )
    best_pose: str = Field(description="Key of the pose that fits best, whatever the hand's state.", examples=["peace"])
    score: Probability = Field(
        description="Probability that the hand shows `best_pose` on purpose; 0 for a pose that no number is read from, such as a fist.",
        examples=[0.97],
    )
    readings: list[ReadingOut] = Field(description="Numbers that the pose has been read as.")
    together: list[ReadingOut] = Field(
        description="Numbers on the ballot that it may be read as only together with another hand, where both surely pose."
    )
    lists: list[ListStanceOut] = Field(description="What the contest's lists say of the pose.")
    flagged: bool = Field(
        description="Whether to review this hand: its pose, or it and another hand together, may be read as a number on the ballot, or its "
        "pose stands on a list as one to avoid.",
        examples=[True],
    )
    needs_look: bool = Field(
        default_factory=bool,  # not `default`, which would stand in the document as what is meant by its lack
        description="Whether to look at this hand before the photo is posted: it is `flagged`, or would be if what is unclear poses, or it "
        "cannot be read. Missing in results from before an upgrade.",
        examples=[True],
    )
    why: Words = Field(
        description="What was seen: which fingers are extended, which folded.",
        examples=[
            {
                "id": "telunjuk dan jari tengah terbuka dan renggang, jari lain terlipat",
                "en": "index and middle finger are extended and apart, the other fingers folded",
            }
        ],
    )
    person: int | None = Field(
        description="A number, from 0 within the photo, that the two hands of probably the same person share; null where no other hand is "
        "known to be theirs. Told by the hands' places alone, and no more than a guess; nobody is recognised.",
        examples=[0],
    )


class MessageOut(Schema):
    """A sentence for the person."""

    key: Annotated[MessageKey, WithJsonSchema({"type": "string"})] = Field(
        description="Stable key of the message: one of the examples; later versions may have more.", examples=[*get_args(MessageKey)]
    )
    text: Words = Field(
        description="The sentence in both languages.",
        examples=[{"id": "Pose ini dapat ditafsirkan sebagai nomor 2.", "en": "This pose may be read as number 2."}],
    )


class CheckedPhoto(Schema):
    """Advice about one photo. It is advice, not a finding, and `clear` is no guarantee."""

    schema_: Literal[1] = Field(alias="schema", description="Version of this object.", examples=[1])
    name: str = Field(description="Of a photo of a batch, its name as it was sent; else empty.", examples=[""])
    width: int = Field(description="Pixels across, upright.", examples=[4000])
    height: int = Field(description="Pixels down, upright.", examples=[3000])
    taken_at: CameraTime | None = Field(
        description="When the photo was taken, by the camera's own clock and without a zone, if it says.", examples=["2023-11-08T09:12:00"]
    )
    level: Level = Field(
        description="`clear`: nothing of what follows; `review`: a pose may be read as a number on the ballot, or stands on a list as one "
        "to avoid; `unclear`: a hand seems to make such a pose, but not surely, or cannot be read: look yourself.",
        examples=["review"],
    )
    codes: list[CodeOut] = Field(description="Numbers that can be read in the photo.")
    hands: list[HandOut] = Field(description="Every hand that was found, largest first.")
    messages: list[MessageOut] = Field(description="What to tell the person, in order.")
    contest: str = Field(description="Key of the contest that was used.", examples=["default"])
    ballot: list[int] = Field(
        default_factory=list,
        description="The numbers on the ballot of that contest. Missing in results from before an upgrade.",
        examples=[[1, 2, 3, 4, 5]],
    )
    finder: str = Field(description="The hand finder that was used.", examples=["search"])
    elapsed_ms: int = Field(ge=0, description="Milliseconds that the check took.", examples=[412])


class BatchCounts(Schema):
    """Photos of a batch by what came of them."""

    clear: int = Field(description="None of what follows.", examples=[81])
    review: int = Field(description="A pose may be read as a number on the ballot, or stands on a list as one to avoid.", examples=[12])
    unclear: int = Field(description="A hand seems to make such a pose, but not surely, or cannot be read.", examples=[5])
    failed: int = Field(description="Could not be checked; the results say why.", examples=[2])


class BatchProblem(Schema):
    """Why a whole batch could not be checked, in the caller's language."""

    type: str = Field(description="A stable slug.", examples=["spool-full"])
    title: str = Field(description="What is wrong, in a few words.", examples=["The service is out of space"])
    detail: str = Field(description="What is wrong and what to do.", examples=["Please try again later."])


class BatchOut(Schema):
    """How far a batch is."""

    id: str = Field(
        description="Names the batch in addresses. Whoever knows it may see the batch.", examples=["zbFUMIyGbDxx8Jkk3vK2w0Zg6nVfqYc1"]
    )
    state: Literal["waiting", "running", "done", "failed"] = Field(
        description="`waiting` for other batches, `running`, `done` with results and reports, `failed` as a whole.", examples=["running"]
    )
    photos: int = Field(description="Photos in it.", examples=[240])
    done: int = Field(description="Photos that are done.", examples=[100])
    counts: BatchCounts = Field(description="Those that are done, by what came of them.")
    rate: float = Field(description="Photos a second, now.", examples=[1.9])
    remaining_s: int | None = Field(description="Seconds that the rest will take, where that can be told.", examples=[73])
    ahead: int = Field(description="Batches that are done before it.", examples=[0])
    contest: str = Field(description="Key of the contest.", examples=["default"])
    lang: Lang = Field(description="Language of the reports.", examples=["id"])
    crops: bool = Field(description="Whether the report shows hands.", examples=[True])
    created_at: datetime = Field(description="When it was sent.", examples=["2026-11-22T09:12:00Z"])
    finished_at: datetime | None = Field(description="When it was done.", examples=["2026-11-22T09:14:10Z"])
    photos_left: int = Field(description="Photos that are still kept; each is deleted as soon as it was checked.", examples=[140])
    results_kept_s: int = Field(description="Seconds that results are kept after the batch is done.", examples=[86400])
    results_deleted_at: datetime | None = Field(
        description="When results and reports are deleted; known once it is done.", examples=["2026-11-23T09:14:10Z"]
    )
    problem: BatchProblem | None = Field(description="Why it failed, or null.")


class FailedPhoto(Schema):
    """A photo of a batch that could not be checked."""

    schema_: Literal[1] = Field(alias="schema", description="Version of this object.", examples=[1])
    name: str = Field(description="The photo's name, as it was sent.", examples=["acara/IMG_0412.jpg"])
    error: BatchProblem = Field(description="Why, in the batch's language.")


class BatchResults(Schema):
    """Some of the results of a batch."""

    total: int = Field(description="Photos in the batch.", examples=[240])
    offset: int = Field(description="Photos before these.", examples=[0])
    next: int | None = Field(description="The `offset` to go on with, or null after the last.", examples=[100])
    results: list[CheckedPhoto | FailedPhoto] = Field(
        description="Checked photos, and those that could not be checked, by name.",
        examples=[[{"schema": 1, "name": "a.jpg", "error": {"type": "photo-damaged", "title": "…", "detail": "…"}}]],
    )


class StageOut(Schema):
    """A stage of the election."""

    name: Words = Field(description="Name.", examples=[{"id": "Masa kampanye", "en": "Campaign period"}])
    first: date = Field(description="First day.", examples=["2023-11-28"])
    last: date = Field(description="Last day.", examples=["2024-02-10"])


class ContestPoseOut(ReadingOut):
    """A number that a pose means in one contest."""

    pose: str = Field(description="Key of the pose.", examples=["palm"])


class ContestOut(Schema):
    """A contest: the numbers on the ballot and the lists that apply."""

    key: str = Field(description="The name to send as `contest`.", examples=["default"])
    name: Words = Field(description="Name.", examples=[{"id": "Umum (nomor 1–5)", "en": "General (numbers 1–5)"}])
    numbers: list[int] = Field(description="Numbers on the ballot.", examples=[[1, 2, 3, 4, 5]])
    lists: list[str] = Field(description="Keys of the lists that apply.", examples=[["bkn-2023"]])
    poses: list[ContestPoseOut] = Field(description="Numbers that poses mean in this contest, beyond `GET /v1/poses`.")
    stages: list[StageOut] = Field(description="Stages of the election.")


class PoseListOut(Schema):
    """What one agency advises."""

    key: str = Field(description="Key, as in a hand's `lists`.", examples=["bkn-2023"])
    name: Words = Field(description="Name.", examples=[{"id": "Imbauan BKN 2023", "en": "BKN's advice of 2023"}])
    source: Words = Field(description="Where it was reported.", examples=[{"id": "Pemberitaan pers", "en": "Press reports"}])
    year: int | None = Field(description="Year.", examples=[2023])
    avoid: list[str] = Field(description="Poses that it advises against.", examples=[["peace", "ok"]])
    safe: list[str] = Field(description="Poses that it calls safe.", examples=[["fist"]])


class Contests(Schema):
    """The contests that the service knows, and agencies' lists."""

    default: str = Field(description="Key of the contest used where a request names none.", examples=["default"])
    contests: list[ContestOut] = Field(description="Contests.")
    lists: list[PoseListOut] = Field(description="Agencies' lists.")

    @classmethod
    def of(cls, default: str, contests: dict[str, Contest], lists: dict[str, PoseList]) -> "Contests":
        """Build from the library's tables, and the contests' own lists."""
        all_lists = [*lists.values(), *(one for contest in contests.values() for one in contest.own_lists)]
        return cls.model_validate({"default": default, "contests": list(contests.values()), "lists": all_lists})


class PoseOut(Schema):
    """A pose that the service knows."""

    key: str = Field(description="Key, as in a hand's `pose`.", examples=["peace"])
    name: Words = Field(description="Name.")
    hands: Literal[1, 2] = Field(description="How many hands it takes.", examples=[1])
    extended: str | None = Field(
        description="Fingers that are extended: T thumb, I index, M middle, R ring, P little. Null where fingers alone do not tell.",
        examples=["IM"],
    )
    readings: list[ReadingOut] = Field(description="Numbers that it has been read as, whatever the contest.")
    note: Words | None = Field(
        description="What else a person should know who shows it.",
        examples=[{"id": "Pose ini juga dapat dianggap tidak sopan.", "en": "This pose may also be taken as rude."}],
    )


class Poses(Schema):
    """The table of poses."""

    poses: list[PoseOut] = Field(description="Poses.")

    @classmethod
    def of(cls, table: dict[str, PoseEntry]) -> "Poses":
        """Build from the library's table."""
        told = ("name", "hands", "extended", "readings", "note")
        return cls.model_validate({"poses": [{"key": key} | {name: getattr(row, name) for name in told} for key, row in table.items()]})


class BatchLimitsOut(Schema):
    """What a batch may be at most, and how long what came of it is kept."""

    files: int = Field(description="Most photos.", examples=[2000])
    bytes: int = Field(description="Most bytes, as sent and unpacked.", examples=[2147483648])
    kept_s: int = Field(description="Seconds that results are kept after the batch is done.", examples=[86400])


class LimitsOut(Schema):
    """What a photo may be at most and at least."""

    bytes: int = Field(description="Most bytes.", examples=[26214400])
    pixels: int = Field(description="Most pixels, width times height.", examples=[50000000])
    side: int = Field(description="Most pixels along one side.", examples=[20000])
    least_side: int = Field(description="Fewest pixels along one side.", examples=[32])
    batches: BatchLimitsOut | None = Field(default=None, description="Limits of batches, or null where they are switched off.")


class Privacy(Schema):
    """How this installation treats photos and callers."""

    photos_kept: bool = Field(default=False, description="Whether photos are kept after they were checked.", examples=[False])
    batches: bool = Field(
        description="Whether many photos can be sent at once; those wait on the server's disk to be checked.", examples=[True]
    )
    results_kept: bool = Field(
        description="Whether results are kept for a while: those of batches, never those of single photos.", examples=[True]
    )
    results_kept_s: int = Field(description="Seconds that results of batches are kept; 0 where there are none.", examples=[86400])
    faces_recognised: bool = Field(default=False, description="Whether faces are recognised.", examples=[False])
    addresses_logged: bool = Field(default=False, description="Whether addresses of callers are logged.", examples=[False])
    logged: list[str] = Field(description="What the log has of a request; nothing else.", examples=[["time", "id", "status", "ms"]])
    metrics: bool = Field(description="Whether use is counted, without data of anybody.", examples=[True])
    traces: bool = Field(description="Whether the times of steps are sent to the operator's monitoring.", examples=[False])
    keys_required: bool = Field(description="Whether a key is needed to have photos checked.", examples=[True])
    contact: str | None = Field(description="Who answers for this installation.", examples=["PPDP Dinas Kominfo, ppdp@example.go.id"])


class Health(Schema):
    """The process is up, or the service is ready."""

    status: Literal["ok"] = Field(default="ok", description="Always `ok`; anything else is a problem document.", examples=["ok"])


class FieldProblem(Schema):
    """What is wrong with one field of a request."""

    field: str = Field(description="The field.", examples=["photo"])
    problem: str = Field(description="A stable slug.", examples=["missing"])


class Problem(Schema):
    """An error, as RFC 9457 has it. `title` and `detail` are in the caller's language."""

    type: str = Field(description="A stable slug, to be compared as it is, not resolved against an address.", examples=["photo-damaged"])
    title: str = Field(description="What is wrong, in a few words.", examples=["The photo is damaged"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(description="What is wrong and what to do.", examples=["Save the photo anew and try again."])
    instance: str = Field(
        description="This occurrence, as it stands in the service's log.", examples=["urn:uuid:6f0d3a52-6f1e-4a53-9b0c-6e2b9a0c1d11"]
    )
    fields: list[FieldProblem] | None = Field(
        default=None, description="Fields at fault, with `request-invalid`.", examples=[[{"field": "photo", "problem": "missing"}]]
    )

    def body(self) -> dict[str, Any]:
        """The JSON, without what does not apply."""
        return self.model_dump(exclude_none=True)
