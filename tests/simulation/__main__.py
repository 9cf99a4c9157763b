"""Repeat a life, or live through many: `python -m tests.simulation SEED [--trace | --until N]`."""

import argparse
import sys

from tests.simulation.campaign import live, run


def main() -> int:
    """0 if every life kept its promises."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--until", type=int, help="live through all seeds up to this one")
    parser.add_argument("--trace", action="store_true", help="tell all that happened")
    options = parser.parse_args()
    if options.until is not None:
        campaign = run(range(options.seed, options.until + 1))
        for failure in campaign.failures:
            sys.stdout.write(f"{failure}\n\n")
        for what, lives in sorted(campaign.met.items()):
            sys.stdout.write(f"{lives:6} {what}\n")
        count = f"{len(campaign.failures)} of {len(campaign.lives)} lives failed"
        sys.stdout.write(f"{count}; traces {campaign.hash}\n")
        return 1 if campaign.failures else 0
    life, found, world = live(options.seed)
    if options.trace:
        sys.stdout.writelines(f"{line}\n" for line in world.nature.trace.lines)
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    verdict = "failed" if found else "kept every promise"
    sys.stdout.write(f"seed {life.seed} {verdict}; trace {life.hash}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
