"""prefect.yaml holds nothing that Prefect drops without a word; the linter finds all of that."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments import lint

PROJECT = Path(__file__).resolve().parents[2]
FLOW = "flows.score_video.score_video"
GOOD: dict[str, Any] = {
    "name": "framewright",
    "prefect-version": "3.8.8",
    "definitions": {"anything": 1},
    "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": "/x", "id": "a"}}],
    "deployments": [
        {
            "name": "one",
            "entrypoint": FLOW,
            "tags": ["a"],
            "description": "words",
            "parameters": {"scorer": "fast", "output": "/results/"},
            "concurrency_limit": {
                "limit": 2,
                "collision_strategy": "ENQUEUE",
                "grace_period_seconds": 60,
            },
            "work_pool": {
                "name": "framewright",
                "work_queue_name": "default",
                "job_variables": {"env": {"A": "1"}, "image": "i", "env.B": "2"},
            },
            "schedules": [
                {
                    "cron": "0 3 * * *",
                    "timezone": "Europe/Berlin",
                    "slug": "nightly",
                    "active": "{{ prefect.variables.on }}",
                    "parameters": {"video": "/a.mp4"},
                }
            ],
            "triggers": [
                {
                    "type": "compound",
                    "name": "c",
                    "require": "all",
                    "within": 5,
                    "parameters": {"video": "{{ event.payload.video | default('') }}"},
                    "triggers": [
                        {
                            "type": "event",
                            "expect": ["x"],
                            "match": {"prefect.resource.id": "y.*"},
                            "posture": "Reactive",
                            "threshold": 1,
                            "within": 0,
                        }
                    ],
                }
            ],
        }
    ],
}


def problems(config: object, folder: Path) -> list[str]:
    path = folder / "prefect.yaml"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
    return [str(problem) for problem in lint.lint(path)]


def test_ours_is_right() -> None:
    assert lint.lint(PROJECT / "prefect.yaml") == []
    assert lint.main([]) == 0


def test_a_file_that_uses_all_of_it_is_right(tmp_path: Path) -> None:
    assert problems(GOOD, tmp_path) == []


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    config = copy.deepcopy(GOOD)
    change(config)
    return config


def rename(section: Any, old: str, new: str) -> None:
    section[new] = section.pop(old)


ONE = "deployments[one]"
INNER = f"{ONE}.triggers[0].triggers[0]"
TYPOS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "top": (
        lambda c: rename(c, "definitions", "deployment"),
        "deployment is not known to Prefect; did you mean 'deployments'?",
    ),
    "deployment": (
        lambda c: rename(c["deployments"][0], "triggers", "trigger"),
        f"{ONE}.trigger is not known to Prefect; did you mean 'triggers'?",
    ),
    "limit": (
        lambda c: rename(c["deployments"][0], "concurrency_limit", "concurency_limit"),
        f"{ONE}.concurency_limit is not known to Prefect; did you mean 'concurrency_limit'?",
    ),
    "within the limit": (
        lambda c: rename(
            c["deployments"][0]["concurrency_limit"], "grace_period_seconds", "grace_period"
        ),
        f"{ONE}.concurrency_limit.grace_period is not known to Prefect; did you mean "
        "'grace_period_seconds'?",
    ),
    "work pool": (
        lambda c: rename(c["deployments"][0]["work_pool"], "work_queue_name", "queue"),
        f"{ONE}.work_pool.queue is not known to Prefect; known: ",
    ),
    "job variables": (
        lambda c: rename(c["deployments"][0]["work_pool"]["job_variables"], "image", "imgae"),
        f"{ONE}.work_pool.job_variables.imgae is not known to Prefect; did you mean 'image'?",
    ),
    "schedule": (
        lambda c: c["deployments"][0]["schedules"][0].update(max_active_runs=1),
        f"{ONE}.schedules[0].max_active_runs is not known to Prefect; known: ",
    ),
    "trigger": (
        lambda c: rename(c["deployments"][0]["triggers"][0], "require", "requires"),
        f"{ONE}.triggers[0].requires is not known to Prefect; did you mean 'require'?",
    ),
    "trigger in a trigger": (
        lambda c: rename(c["deployments"][0]["triggers"][0]["triggers"][0], "expect", "expects"),
        f"{INNER}.expects is not known to Prefect; did you mean 'expect'?",
    ),
    "step": (
        lambda c: c["pull"][0]["prefect.deployments.steps.set_working_directory"].update(dir="/y"),
        "pull[0].prefect.deployments.steps.set_working_directory.dir is not known to Prefect; ",
    ),
    "parameter": (
        lambda c: c["deployments"][0]["parameters"].update(styl="wave"),
        f"{ONE}.parameters.styl is no parameter of score-video; did you mean 'style'?",
    ),
    "parameter of a schedule": (
        lambda c: rename(c["deployments"][0]["schedules"][0]["parameters"], "video", "vidoe"),
        f"{ONE}.schedules[0].parameters.vidoe is no parameter of score-video; did you mean "
        "'video'?",
    ),
}


@pytest.mark.parametrize("level", TYPOS)
def test_a_typo_is_found_at_every_level(level: str, tmp_path: Path) -> None:
    change, expected = TYPOS[level]
    found = problems(changed(change), tmp_path)
    assert any(text.startswith(expected) for text in found), found


def deployment(**values: Any) -> dict[str, Any]:
    return changed(lambda c: c["deployments"][0].update(values))


def trigger(**values: Any) -> dict[str, Any]:
    return changed(lambda c: c["deployments"][0]["triggers"][0]["triggers"][0].update(values))


def from_event(template: str) -> dict[str, Any]:
    return changed(
        lambda c: c["deployments"][0]["triggers"][0]["parameters"].update(video=template)
    )


VALUES = {
    "file": (deployment(entrypoint="flows/score_video.py:score_video"), "names a file"),
    "no module": (deployment(entrypoint="flows.nothing.f"), "cannot be imported"),
    "no flow": (deployment(entrypoint="flows.parameters.run_name"), "is not a flow"),
    "no entry point": (deployment(entrypoint=None), ".entrypoint is missing"),
    "no name": (deployment(name=None), ".name is missing"),
    "pool": (deployment(work_pool={"work_queue_name": "a"}), "names no work pool"),
    "strategy": (
        deployment(concurrency_limit={"limit": 1, "collision_strategy": "QUEUE"}),
        "is 'QUEUE', not one of ENQUEUE, CANCEL_NEW",
    ),
    "limit": (deployment(concurrency_limit={"collision_strategy": "ENQUEUE"}), "is None, not a"),
    "zero": (deployment(concurrency_limit=0), "is 0, not a number from 1"),
    "value": (deployment(parameters={"unit_seconds": 0}), "unit_seconds cannot be 0: "),
    "scorer": (deployment(parameters={"scorer": "slow"}), "scorer cannot be 'slow': "),
    "cron": (
        deployment(schedules=[{"cron": "61 * * * *", "slug": "a", "parameters": {"video": "/"}}]),
        "schedules[0].cron",
    ),
    "slug": (deployment(schedules=[{"cron": "1 * * * *"}]), "schedules[0].slug is missing"),
    "never enough": (
        deployment(schedules=[{"cron": "1 * * * *", "slug": "a"}]),
        "schedules[0].parameters lacks 'video', without which every run of score-video fails",
    ),
    "posture": (trigger(posture="Eager"), "posture"),
    "type": (trigger(type="evnt"), "triggers[0].triggers[0].type is 'evnt'"),
    "event id": (from_event("{{ event.id }}"), "takes event.id, which is not text"),
    "payload": (from_event("{{ event.payload.video }}"), "an event without it would make no run"),
    "template": (from_event("{{ event.payload.video | }}"), "is not a template"),
    "secret": (
        deployment(
            work_pool={
                "name": "framewright",
                "job_variables": {"env": {"A_SAS": "{{ prefect.blocks.secret.a }}"}},
            }
        ),
        "job_variables.env.A_SAS names a block: `prefect deploy` would write its content",
    ),
    "version": (changed(lambda c: c.update({"prefect-version": "3.0.0"})), "is '3.0.0', but"),
    "step": (changed(lambda c: c.update(pull=[{"prefect.nothing": {}}])), "cannot|not a step"),
    "twice": (
        changed(lambda c: c["deployments"].append(c["deployments"][0])),
        "has the name 'one', which another of its flow has too",
    ),
    "none": (changed(lambda c: c.pop("deployments")), "deployments is not a list"),
    "list": ([1], "is not a mapping"),
    "key twice": ("name: a\nname: b\n", "cannot be read: 'name' is given twice"),
    "no yaml": ("a: [", "cannot be read: "),
}


@pytest.mark.parametrize("case", VALUES)
def test_a_wrong_value_is_found(case: str, tmp_path: Path) -> None:
    config, expected = VALUES[case]
    found = problems(config, tmp_path)
    assert any(part in text for text in found for part in expected.split("|")), found


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("deploymets: []\n")
    assert lint.main([str(path), str(tmp_path / "none.yaml")]) == 1
    told = capsys.readouterr().err
    assert "other.yaml: deploymets is not known to Prefect; did you mean 'deployments'?" in told
    assert "none.yaml: cannot be read: " in told
