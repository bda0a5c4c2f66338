"""Readers of stored data against many broken inputs, and against those that once broke them."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.bytes import CHANGES
from tests.fuzz.documents import changed_document
from tests.fuzz.targets import TARGETS, Broken, corpus

_TIMES = {"bundle": 400, "decode": 250, "manifest": 1200, "record": 1200}


@pytest.mark.parametrize("name", TARGETS)
def test_good_input_is_taken(name: str) -> None:
    for data in corpus(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_broken_input_is_refused_or_harmless(name: str) -> None:
    rng = Random(f"targets {name}")  # noqa: S311 - not for secrets
    for _ in range(_TIMES[name]):
        data = rng.choice(corpus(name))
        for _ in range(rng.choice((1, 1, 2))):
            changed = changed_document(rng, data) if rng.random() < 0.7 else None
            change = CHANGES[rng.choice(sorted(CHANGES))]
            data = changed or change(rng, data, corpus(name)) or data
        TARGETS[name](data)


def test_a_promise_that_is_not_kept_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framewright.types.Manifest.pictures", lambda *_: [3, 2, 1, 0])
    with pytest.raises(Broken, match="pictures run backwards"):
        TARGETS["manifest"](corpus("manifest")[0])
