"""One tree of errors, whose members survive the way between processes."""

from __future__ import annotations

import pickle
import re
from itertools import pairwise

import pytest

from framewright import errors
from framewright.errors import (
    EngineBug,
    EnvironmentMismatch,
    FrameCountError,
    FramewrightError,
    InputError,
    ManifestError,
    ScorerFailed,
    SourceRefused,
    TransientError,
)

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "SourceRefused": ("damaged", "the frame at 1.250 s cannot be decoded"),
    "FrameCountError": (75, 74, "unit 3"),
}
CLASSES = [
    getattr(errors, name)
    for name in errors.__all__
    if isinstance(getattr(errors, name), type) and issubclass(getattr(errors, name), Exception)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_survives_pickling(kind: type[FramewrightError]) -> None:
    error = kind(*ARGUMENTS.get(kind.__name__, ("what happened",)))
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - just pickled here
    assert type(back) is kind
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    again = pickle.loads(pickle.dumps(back))  # noqa: S301
    assert str(again) == str(error)


def test_attributes_are_there() -> None:
    refused = SourceRefused("damaged", "why")
    assert (refused.reason, refused.message) == ("damaged", "why")
    assert str(refused) == "refused (damaged): why"
    lost = FrameCountError(75, 74, "unit 3")
    assert (lost.expected, lost.actual, lost.where) == (75, 74, "unit 3")
    assert str(lost).startswith("unit 3: expected 75 frames, got 74. ")
    failed = ScorerFailed("scorer 'x' raised", "Traceback: there")
    assert (failed.message, failed.traceback) == ("scorer 'x' raised", "Traceback: there")


def test_every_leaf_has_exactly_one_branch() -> None:
    branches = (InputError, TransientError, EngineBug)
    for kind in set(CLASSES) - {FramewrightError}:
        assert sum(issubclass(kind, branch) for branch in branches) == 1, kind


def test_our_own_faults_ask_for_a_report() -> None:
    for kind in CLASSES:
        asks = "please report it" in str(kind(*ARGUMENTS.get(kind.__name__, ("x",))))
        assert asks == issubclass(kind, EngineBug), kind


def test_where_the_message_says_what_to_do_no_report_is_asked_for() -> None:
    error = ManifestError("a bundle is gone; run the job again.", report=False)
    for one in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301
        assert str(one) == "a bundle is gone; run the job again."


def test_another_release_on_a_worker_is_for_the_user_to_change() -> None:
    error = EnvironmentMismatch("install the same release everywhere.")
    assert isinstance(error, InputError)
    assert str(error) == "install the same release everywhere."


def test_the_tree_in_the_module_text_is_the_tree() -> None:
    drawn = re.findall(r"^ *[│ ]*[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)
    assert sorted([*drawn, "FramewrightError"]) == sorted(kind.__name__ for kind in CLASSES)


def test_reasons_are_in_use() -> None:
    import typing
    from pathlib import Path

    text = "".join(p.read_text() for p in Path(errors.__file__).parent.rglob("*.py"))
    for reason in typing.get_args(errors.RefusalReason):
        assert text.count(f'"{reason}"') > 1, f"{reason} is refused nowhere"


def test_classes_are_listed_in_order() -> None:
    assert all(a < b for a, b in pairwise(errors.__all__))
