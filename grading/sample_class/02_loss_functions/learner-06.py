"""Handed in as it was downloaded."""
