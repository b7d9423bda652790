"""Passes that decide how a program is computed: one file each."""
