"""From a photo's bytes to advice: could a hand pose in it be read as a candidate's number?

>>> from gestures import Checker
>>> advice = Checker().check(data)
>>> advice.to_dict()["level"]
'review'
"""

from gestures.advice import Advice, Level, Message, advise
from gestures.checker import Checker, FinderName
from gestures.contest import Contest, contests, lists, load_contest
from gestures.errors import ContestError, FinderError, GesturesError, ModelError, PhotoError, error_text
from gestures.findings import Findings
from gestures.hands.finder import Hand, HandFinder
from gestures.photo import Limits, Photo, open_photo
from gestures.reading.poses import pose_table
from gestures.reading.reader import Thresholds

__all__ = [
    "Advice",
    "Checker",
    "Contest",
    "ContestError",
    "FinderError",
    "FinderName",
    "Findings",
    "GesturesError",
    "Hand",
    "HandFinder",
    "Level",
    "Limits",
    "Message",
    "ModelError",
    "Photo",
    "PhotoError",
    "Thresholds",
    "advise",
    "contests",
    "error_text",
    "lists",
    "load_contest",
    "open_photo",
    "pose_table",
]
