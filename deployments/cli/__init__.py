"""The console command `alluvia`: every verb is a function that returns a value, which is printed here."""

from __future__ import annotations
