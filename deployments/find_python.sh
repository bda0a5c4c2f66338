#!/usr/bin/env bash
# Print a Python that can hold framewright: the one asked for, else the first that fits.
# The pinned versions have been tested with 3.11, so that comes first.
set -u
asked=${1:-}
check='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
for python in ${asked:+"$asked"} python3.11 python3.12 python3.13 python3; do
  if command -v "$python" >/dev/null 2>&1 && "$python" -c "$check" >/dev/null 2>&1; then
    echo "$python"
    exit 0
  fi
  if [ -n "$asked" ]; then
    break
  fi
done
echo "framewright needs Python 3.11 or newer with its venv module${asked:+, and $asked is not that}." >&2
echo "Install it (Debian, Ubuntu: apt install python3 python3-venv) or name one:" >&2
echo "  make install PYTHON=/path/to/python3.11" >&2
exit 1
