"""Measurements. Every speed claim is a row in results.csv, written by a script here."""
