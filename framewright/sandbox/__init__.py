"""Run what reads untrusted media in a process of its own, which can do hardly anything else."""

from framewright.sandbox.confine import FILES, enforceable
from framewright.sandbox.parent import Sandbox
from framewright.sandbox.seccomp import dying_with_parent

__all__ = ["FILES", "Sandbox", "dying_with_parent", "enforceable"]
