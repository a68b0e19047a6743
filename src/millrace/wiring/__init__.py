"""The composition root: reads the settings, picks the adapters and puts the parts together."""
