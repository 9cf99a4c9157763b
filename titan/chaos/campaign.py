"""A campaign: load and faults at once for a while, then quiet, then the check of everything."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from runtime.clock import SystemClock
from runtime.settings import Settings
from runtime.topics import topic_map
from titan.chaos import schedule, sightings, strike_data, strike_links, strike_processes
from titan.chaos.check_flow import FINAL_S_MAX
from titan.chaos.garbage import to_json
from titan.chaos.opening import Tell, opened_scene, opened_target
from titan.chaos.report import Hit, Report, spent
from titan.chaos.scene import Scene, Strike
from titan.chaos.schedule import Actors, Fault, Kind, Round
from titan.chaos.sightings import Sight
from titan.chaos.small_disk import SmallDisk
from titan.chaos.target import RECOVERY_S_MAX
from titan.chaos.verdict import STREWN, Verdict
from titan.chaos.waiting import StuckError, until
from titan.edge import EDGE_PROCESSES
from titan.packing import stages_of
from titan.programs import pool_names

STRIKES: Final[Mapping[Kind, Strike]] = {
    **strike_processes.STRIKES,
    **strike_links.STRIKES,
    **strike_data.STRIKES,
}

FAULT_S: Final = 4.0
"""What a fault takes on the average, recovery included: from it the load's rate follows."""

_FINISH_S_MAX: Final = 300.0
_TOP_UP_PER_S: Final = 100
_CHECK_S_MAX: Final = 900.0
_CALM_S: Final = 1.0
_TRIES_MAX: Final = 3
_TOLD_EVERY: Final = 10
_SAID: Final = "supervisor.log"
_PROOF: Final = "proof.json"
_GAVE_UP: Final = "payer ended by itself with status"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for. Without `minutes` the faults follow each other as soon as they can."""

    payments: int
    faults: int
    seed: int
    minutes: float | None = None

    @property
    def lasts_s(self) -> float:
        """How long faults strike, about."""
        return self.faults * FAULT_S if self.minutes is None else self.minutes * 60

    def rounds(self, *, without: Mapping[str, str]) -> list[Round]:
        """The faults, without the kinds that this place cannot have."""
        return schedule.rounds(
            self.seed,
            self.faults,
            actors=Actors(
                tuple(stages_of(topic_map())), tuple(EDGE_PROCESSES), tuple(pool_names(Settings()))
            ),
            without=[Kind[name] for name in without],
        )


class Campaign:
    """One run. `tell` gets a line now and then; `directory` is where everything lies."""

    def __init__(self, plan: Plan, *, tell: Tell) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="titan-chaos-"))
        self._plan = plan
        self._tell = tell
        self._clock = SystemClock()
        self._said: list[str] = []
        self._report = Report(
            seed=plan.seed, faults_wanted=plan.faults, payments_wanted=plan.payments
        )

    async def run(self) -> Report:
        """Everything, to the verdict. The directory is kept if that is no."""
        report, plan, began_s = self._report, self._plan, self._clock.monotonic_s()
        disk = SmallDisk.mount(self.directory / "small", payments=plan.payments)
        if isinstance(disk, str):
            report.not_run[Kind.FULL_DISK.name] = disk
        is_through = False
        try:
            async with (
                opened_target(self.directory, said=self._said, tell=self._tell) as target,
                opened_scene(
                    target,
                    disk=disk if isinstance(disk, SmallDisk) else None,
                    seed=plan.seed,
                    payments=plan.payments,
                    rate_per_s=plan.payments / plan.lasts_s,
                ) as scene,
            ):
                await self._through(scene)
            is_through = True
        finally:
            report.took_s = self._clock.monotonic_s() - began_s
            is_kept = bool(report.failures) or not is_through
            if isinstance(disk, SmallDisk):
                disk.unmount(keep=is_kept)
            if not is_kept:
                shutil.rmtree(self.directory)
        return report

    async def _through(self, scene: Scene) -> None:
        """Faults, quiet, check. What gets stuck is a failure, and is checked all the same."""
        failures = self._report.failures
        try:
            await self._strike_all(scene)
            await self._finish(scene)
        except StuckError as error:
            failures.append(str(error))
        failures += [line for line in self._said if line.startswith(_GAVE_UP)]
        (self.directory / _SAID).write_text("\n".join(self._said), encoding="utf-8")
        await self._check(scene)
        await self._prove()
        self._report.judge()

    async def _strike_all(self, scene: Scene) -> None:
        rounds = self._plan.rounds(without=self._report.not_run)
        self._tell(f"Striking: {self._plan.faults} faults in {len(rounds)} rounds")
        await self._recovered(scene, self._clock.now().timestamp())
        began_s = self._clock.monotonic_s()
        for number, faults in enumerate(rounds):
            if self._plan.minutes is not None:
                due_s = began_s + number * self._plan.lasts_s / len(rounds)
                await self._clock.sleep(max(0.0, due_s - self._clock.monotonic_s()))
            await self._strike(scene, faults)
            self._report.accepted_meanwhile = scene.watcher.accepted
            if number % _TOLD_EVERY == _TOLD_EVERY - 1 or number == len(rounds) - 1:
                self._tell_how_far(scene, began_s)

    async def _strike(self, scene: Scene, faults: Round) -> None:
        missed = await asyncio.gather(*(_struck(scene, fault) for fault in faults))
        healed_s = self._clock.now().timestamp()
        for fault, why in zip(faults, missed, strict=True):
            if why is not None:
                self._tell(f"Missed: {fault.kind} ({fault.target}): {why}")
        flow_s = calm_s = None
        try:
            flow_s, calm_s = await self._recovered(scene, healed_s)
        except StuckError as error:
            raise StuckError(
                f"after {', '.join(fault.kind for fault in faults)}: {error}"
            ) from error
        finally:
            self._report.hits += [
                Hit(fault, why, len(faults), flow_s, calm_s)
                for fault, why in zip(faults, missed, strict=True)
            ]

    async def _recovered(self, scene: Scene, since_s: float) -> tuple[float, float]:
        """How long until a payment was posted that was accepted since then, and until calm."""
        watcher, target = scene.watcher, scene.target

        async def is_calm() -> bool:
            if watcher.oldest_s() > _CALM_S:
                return False
            are_up = await asyncio.gather(*map(target.is_up, target.titan.children))
            return all(are_up)

        await until(
            lambda: watcher.first_flow_s(since_s) is not None,
            FINAL_S_MAX,
            "a payment to be accepted and posted",
        )
        flow_at_s = watcher.first_flow_s(since_s)
        assert flow_at_s is not None
        await until(is_calm, RECOVERY_S_MAX, f"calm; {len(watcher.late())} payments have no end")
        # The log may have it before its client has heard of it.
        return max(0.0, flow_at_s - since_s), self._clock.now().timestamp() - since_s

    async def _finish(self, scene: Scene) -> None:
        """Let the client ask for everything that is in doubt, and all payments come to an end."""
        self._tell("Quiet: the client asks again for everything that it was left in doubt about")
        scene.payer.say("finish")
        bound_s = _FINISH_S_MAX + self._plan.payments / _TOP_UP_PER_S
        await until(lambda: scene.payer.is_done, bound_s, "the client to have all answers")
        await until(lambda: not scene.watcher.late(), FINAL_S_MAX, "all payments to have ended")

    async def _check(self, scene: Scene) -> None:
        self._tell("Checking: journal, log and tables from their first entries")
        report = self._report
        strewn = self.directory / STREWN
        strewn.write_text(to_json(scene.target.garbage), encoding="utf-8")
        status, printed = await self._run("titan.chaos.verdict", str(self.directory))
        if status != 0:
            report.failures.append(f"the check ended with status {status}")
            return
        verdict = Verdict.model_validate_json(printed)
        if verdict.broken is not None:
            report.failures.append(verdict.broken)
        report.payments, report.ended = verdict.payments, verdict.ended
        report.slowest_s = verdict.slowest_s
        report.told, report.noticed = verdict.told, verdict.noticed
        report.resolved_unknowns = verdict.resolved_unknowns
        report.check_s, report.check_memory_mb = verdict.checked_s, verdict.memory_mb
        report.sights.update(verdict.sights)
        report.sights.update(sightings.from_logs(self.directory / "logs"))
        report.sights.update(_lost(scene))
        report.sights[Sight.RESUMED] = scene.payer.child.deaths

    async def _prove(self) -> None:
        """The operator's own command has to come to the same answer."""
        self._tell("Proving: titan prove")
        status, printed = await self._run("titan", "prove", "--json")
        if status != 0:
            kept = self.directory / _PROOF
            kept.write_bytes(printed)
            self._report.failures.append(f"titan prove says no (status {status}): see {kept}")

    async def _run(self, *arguments: str) -> tuple[int, bytes]:
        """A program of the house beside this Titan: its status, and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *arguments),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TITAN_DATA_DIRECTORY": str(self.directory)},
        )
        try:
            async with asyncio.timeout(_CHECK_S_MAX):
                printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return process.returncode, printed

    def _tell_how_far(self, scene: Scene, began_s: float) -> None:
        took_s = self._clock.monotonic_s() - began_s
        hits = self._report.hits
        missed = sum(hit.missed is not None for hit in hits)
        self._tell(
            f"{spent(took_s)}: {len(hits)} of {self._plan.faults} faults, {missed} missed; "
            f"{scene.watcher.accepted} payments accepted"
        )


async def _struck(scene: Scene, fault: Fault) -> str | None:
    """Strike, again if it missed: what it aims at may be away just then. Why it missed for good."""
    why = None
    for _ in range(_TRIES_MAX):
        try:
            await STRIKES[fault.kind](scene, fault)
        except (StuckError, KafkaError, OSError) as error:
            why = str(error) or type(error).__name__
        else:
            return None
    return why


def _lost(scene: Scene) -> dict[str, int]:
    """Replies that were lost on purpose, by what they would have told."""
    named = {
        "commit": Sight.COMMIT,
        "produce": Sight.PUBLISH,
        "offsets": Sight.OFFSETS,
        "answer": Sight.ANSWER,
    }
    return {sight: sum(link.lost[spy] for link in scene.board) for spy, sight in named.items()}
