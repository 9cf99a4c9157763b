"""Titan's top floor: the command line, the embedded servers and the supervisor of stages."""
