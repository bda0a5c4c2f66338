"""Run all benchmarks; each appends its rows to results.csv."""

from __future__ import annotations

from benchmarks import (
    fast_knobs,
    fast_runtimes,
    fit,
    flow,
    isolation,
    overlap,
    pictures,
    split,
    storage,
)


def main() -> None:
    """Run them one after the other: they would disturb each other."""
    split.main()
    storage.main()
    isolation.main()
    overlap.main()
    pictures.main()
    fast_runtimes.main([])
    fast_knobs.main([])
    fit.main([])
    flow.main()


if __name__ == "__main__":
    main()
