"""Run all benchmarks; each appends its rows to results.csv."""

from __future__ import annotations

from benchmarks import fast_runtimes, flow, isolation, overlap, pictures, split


def main() -> None:
    """Run them one after the other: they would disturb each other."""
    split.main()
    isolation.main()
    overlap.main()
    pictures.main()
    fast_runtimes.main([])
    flow.main()


if __name__ == "__main__":
    main()
