"""The version, as a literal: reading it from the installed metadata would cost a tenth of the import budget."""

__version__ = "0.1.0"
