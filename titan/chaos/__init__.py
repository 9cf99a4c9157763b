"""Breaking Titan on purpose: faults, load, and a check that shares no decision with the stages."""
