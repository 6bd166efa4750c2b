"""The other finder: MediaPipe's own HandLandmarker through its Python API, unchanged. Also the reference for `search`.

It squeezes the whole photo to 192×192 pixels and so finds only hands near the camera.
"""

from pathlib import Path
from typing import Any, Self

import mediapipe as mp
import numpy as np

from gestures.errors import FinderError
from gestures.hands.bundle import load_bundle
from gestures.hands.finder import Hand
from gestures.photo import Photo
from gestures.words import both

MOST_HANDS = 60


class LandmarkerFinder:
    """Finds hands with MediaPipe's HandLandmarker."""

    name = "mediapipe"

    def __init__(self, model: Path | None = None) -> None:
        self._model = load_bundle(model).data
        self._landmarker: Any = None
        self._closed = False

    def find(self, photo: Photo) -> list[Hand]:
        """Return the hands in the photo, largest first. Raises `FinderError` when closed or when MediaPipe fails."""
        if self._closed:
            # A closed HandLandmarker answers "no hands", which would pass for an all-clear.
            raise FinderError(problem=both("problem.finder-closed"))
        if self._landmarker is None:
            self._landmarker = self._create()
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(photo.pixels))
        try:
            result = self._landmarker.detect(image)
        except (RuntimeError, ValueError) as error:
            # One that has raised once keeps failing: the next photo gets a new one.
            self._landmarker = None
            raise FinderError(problem=str(error)) from error
        scale = np.array([photo.width, photo.height, photo.width], np.float32)
        found = [np.array([[p.x, p.y, p.z] for p in points], np.float32) * scale for points in result.hand_landmarks]
        hands = [
            Hand(
                landmarks=landmarks,
                world=np.array([[p.x, p.y, p.z] for p in world], np.float32),
                side="right" if sides[0].category_name == "Right" else "left",
                presence=float(sides[0].score),  # MediaPipe tells how sure it is of the side, not of the hand
                share=float(np.ptp(landmarks[:, :2], axis=0).max()) / max(photo.width, photo.height),
            )
            for landmarks, world, sides in zip(found, result.hand_world_landmarks, result.handedness, strict=True)
        ]
        return sorted(hands, key=lambda hand: -hand.size)

    def _create(self) -> Any:  # noqa: ANN401 - MediaPipe has no types
        vision = mp.tasks.vision
        options = vision.HandLandmarkerOptions(
            base_options=mp.tasks.BaseOptions(model_asset_buffer=self._model),
            running_mode=vision.RunningMode.IMAGE,
            num_hands=MOST_HANDS,
        )
        return vision.HandLandmarker.create_from_options(options)

    def close(self) -> None:
        """Release the landmarker."""
        self._closed = True
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
