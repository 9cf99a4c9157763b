"""Floor 3: the shell's shared tools: bus, unit of work, inbox, settings, telemetry."""
