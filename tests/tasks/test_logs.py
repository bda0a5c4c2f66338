import logging
from threading import Thread

import pytest

from tasks import logs

engine = logging.getLogger("framewright.score")


@pytest.fixture
def run_logger(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the run, as lines."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    logger = logging.Logger("run")
    logger.addHandler(Lines())
    monkeypatch.setattr(logs, "get_run_logger", lambda: logger)
    return lines


def test_info_and_above_reach_the_run(run_logger: list[str]) -> None:
    with logs.engine_logs():
        engine.debug("no")
        engine.info("unit %d", 3)
        engine.warning("careful")
    assert run_logger == ["INFO unit 3", "WARNING careful"]


def test_lines_of_the_engines_threads_reach_the_run(run_logger: list[str]) -> None:
    with logs.engine_logs():
        thread = Thread(target=engine.info, args=("from the decoder",))
        thread.start()
        thread.join()
    assert run_logger == ["INFO from the decoder"]


def test_everything_is_put_back(run_logger: list[str]) -> None:
    root = logging.getLogger("framewright")
    before = (root.level, root.propagate, list(root.handlers))
    with pytest.raises(ValueError, match="stop"), logs.engine_logs():
        raise ValueError("stop")
    engine.info("after")
    assert (root.level, root.propagate, list(root.handlers)) == before
    assert run_logger == []
