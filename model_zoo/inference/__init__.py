"""Predicting with bundles outside the service."""
