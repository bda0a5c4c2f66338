"""A sandboxed process whose kernel refuses Landlock."""

import errno

from framewright.sandbox import child, landlock


def _refuse(*_: object) -> int:
    raise OSError(errno.EPERM, "refused")


landlock._call = _refuse  # type: ignore[assignment]

if __name__ == "__main__":
    child.main()
