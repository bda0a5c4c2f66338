"""Run what reads untrusted media in a process of its own, which can do hardly anything else."""

from framewright.sandbox.confine import FILES, enforceable
from framewright.sandbox.parent import Sandbox

__all__ = ["FILES", "Sandbox", "enforceable"]
