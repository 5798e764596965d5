"""Processes that serve one address: workers, and how they change over together."""
