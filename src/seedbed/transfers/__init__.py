"""Backbone + task -> measurement."""
