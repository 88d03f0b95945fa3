"""Speed, side by side with what a user would write instead; never in the test run."""

from __future__ import annotations
