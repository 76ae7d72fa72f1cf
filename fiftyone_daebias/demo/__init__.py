"""The demo: an audit of the 1,000 chest radiographs that ship with the package."""

from .run import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
