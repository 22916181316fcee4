"""An alarm has one start and one clear, whatever happens in between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.event_store import LOG
from edge_segnet.scene.events import AlarmKey, Event, EventLog
from edge_segnet.scene.rules import RuleState
from edge_segnet.settings.regions import RuleConfig
from tests.support.results import frame_of
from tests.support.waiting import wait_until

BAD, GOOD = 0.1, 0.9
KEY = ("lost", "front")


def rule(name: str = "lost", **changes: object) -> RuleConfig:
    given = {"name": name, "region": "ahead", "class": "Road", "below": 0.4, "frames": 1, **changes}
    return RuleConfig.model_validate(given)


def kinds(log: EventLog, key: AlarmKey = KEY) -> list[str]:
    """Of the events that are on disk, oldest first."""
    wait_until(lambda: log.status().waiting == 0)
    log.close()
    return [event.kind for event in log.since("") if event.alarm == key]


def test_a_rule_removed_while_the_service_was_down(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    RuleState(rule(), "front", Alarms(log)).update(BAD, frame_of(7))
    log.close()
    log = EventLog(tmp_path)
    alarms = Alarms(log)
    assert alarms.is_on(KEY)
    alarms.want(frozenset())
    alarms.settle()
    assert kinds(log) == ["start", "clear"]
    clear = log.newest(1)[0]
    assert (clear.value, clear.frame_seq, clear.duration_s) == (BAD, 7, None)


def test_a_reload_without_the_rule_before_the_first_frame(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    RuleState(rule(), "front", Alarms(log)).update(BAD, frame_of(0))
    log.close()
    log = EventLog(tmp_path)
    alarms = Alarms(log)
    alarms.want(frozenset([KEY]))
    alarms.settle()
    RuleState(rule(), "front", alarms)  # and no frame comes
    alarms.want(frozenset())
    alarms.settle()
    alarms.settle()
    assert kinds(log) == ["start", "clear"]


def test_a_frame_under_way_with_rules_that_have_changed(tmp_path: Path) -> None:
    """The old settings' state goes on until the loop takes the new one's: together they say each thing once."""
    log = EventLog(tmp_path)
    alarms = Alarms(log)
    old = RuleState(rule(), "front", alarms)
    new = RuleState(rule(below=0.3), "front", alarms)  # made while the old one is still at work
    assert old.update(BAD, frame_of(0)) is not None
    assert new.update(BAD, frame_of(1)) is None and alarms.is_on(KEY), "it is on already"
    assert old.update(GOOD, frame_of(2)) is not None
    assert new.update(GOOD, frame_of(3)) is None and not alarms.is_on(KEY)
    assert kinds(log) == ["start", "clear"]


def test_a_frame_under_way_with_a_rule_that_is_gone(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    alarms = Alarms(log)
    old = RuleState(rule(), "front", alarms)
    alarms.want(frozenset())
    alarms.settle()
    assert old.update(BAD, frame_of(0)) is None and not alarms.is_on(KEY)
    assert kinds(log) == []


def test_an_old_alarm_is_known_however_much_came_after_it(tmp_path: Path) -> None:
    log = EventLog(tmp_path, keep=4)
    alarms = Alarms(log)
    RuleState(rule(), "front", alarms).update(BAD, frame_of(0))
    busy = RuleState(rule("busy"), "front", alarms)
    for seq in range(1, 41):
        busy.update(BAD if seq % 2 else GOOD, frame_of(seq))
    wait_until(lambda: log.status().waiting == 0)
    log.close()
    log = EventLog(tmp_path, keep=4)
    alarms = Alarms(log)
    again = RuleState(rule(), "front", alarms)
    assert again.on and again.update(BAD, frame_of(50)) is None
    cleared = again.update(GOOD, frame_of(51))
    assert cleared is not None and cleared.kind == "clear"
    assert kinds(log) == ["clear"]


def test_an_alarm_of_an_earlier_run_goes_on(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    RuleState(rule(), "front", Alarms(log)).update(BAD, frame_of(0))
    log.close()
    log = EventLog(tmp_path)
    state = RuleState(rule(), "front", Alarms(log))
    assert [state.update(BAD, frame_of(seq)) for seq in range(4)] == [None] * 4
    clear = state.update(GOOD, frame_of(9))
    assert clear is not None and clear.kind == "clear" and clear.duration_s is None
    log.close()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_starts_and_clears_come_by_turns(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    folder = tmp_path / "0"
    log, seq = EventLog(folder), 0
    alarms = Alarms(log)
    states = [RuleState(rule(name), "front", alarms) for name in ("a", "b")]
    for step in range(120):
        match dice.choice(["frame"] * 6 + ["changed", "removed", "killed", "stopped"]):
            case "frame":
                seq += 1
                dice.choice(states).update(dice.choice([BAD, GOOD]), frame_of(seq))
            case "changed":
                names = {state.config.name for state in states}
                states += [RuleState(rule(name, below=dice.choice([0.2, 0.5])), "front", alarms) for name in names]
            case "removed":
                states = [RuleState(rule("a"), "front", alarms), RuleState(rule("c"), "front", alarms)]
                alarms.want(frozenset([("a", "front"), ("c", "front")]))
                alarms.settle()
            case "killed":  # what is on disk at this moment is all that is left
                left = (folder / LOG).read_bytes() if (folder / LOG).exists() else b""
                log.close()
                folder = tmp_path / str(step + 1)
                folder.mkdir()
                (folder / LOG).write_bytes(left)
                log = EventLog(folder)
                alarms = Alarms(log)
                states = [RuleState(rule(name), "front", alarms) for name in ("a", "b")]
            case "stopped":
                log.close()
                log = EventLog(folder)
                alarms = Alarms(log)
                states = [RuleState(rule(name), "front", alarms) for name in ("a", "c")]
    alarms.want(frozenset())
    alarms.settle()
    wait_until(lambda: log.status().waiting == 0)
    log.close()
    for name in ("a", "b", "c"):
        told = [event.kind for event in log.since("") if event.rule == name]
        assert told == ["start", "clear"] * (len(told) // 2), (name, told)


LIVING = """
import sys, time
from pathlib import Path
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import EventLog
from edge_segnet.scene.rules import RuleState
from tests.scene.test_alarms import BAD, GOOD, rule
from tests.support.results import frame_of
state = RuleState(rule(), "front", Alarms(EventLog(Path(sys.argv[1]))))
print("on" if state.on else "off", flush=True)
for seq in range(100000):
    state.update(BAD if seq % 2 else GOOD, frame_of(seq))
    time.sleep(0.0005)
"""


def test_killed_again_and_again(tmp_path: Path) -> None:
    def lines() -> list[str]:
        path = tmp_path / LOG
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    for delay in range(5):
        process = subprocess.Popen([sys.executable, "-c", LIVING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline()
        wanted = len(lines()) + 10 + delay
        wait_until(lambda wanted=wanted: len(lines()) > wanted)  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
        process.stdout.close()
    log = EventLog(tmp_path)
    told = [event.kind for event in log.since("")]
    log.close()
    assert len(told) > 5 and told == (["start", "clear"] * len(told))[: len(told)]


@pytest.mark.parametrize("identifier", ["ffffffff-ffff-ffff-ffff-ffffffffffff", "ffffffff-ffff-7fff-bfff-ffffffffffff"])
def test_an_id_that_nothing_could_follow_is_left_out(tmp_path: Path, identifier: str) -> None:
    log = EventLog(tmp_path)
    RuleState(rule(), "front", Alarms(log)).update(BAD, frame_of(0))
    log.close()
    first: Event = log.newest(1)[0]
    path = tmp_path / "events.jsonl"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + text.replace(first.id, identifier), encoding="utf-8")
    log = EventLog(tmp_path)
    assert log.since("") == [first]
    RuleState(rule("other"), "front", Alarms(log)).update(BAD, frame_of(1))
    wait_until(lambda: len(log.since("")) == 2)
    assert replace(log.newest(1)[0], id="").seq == 2
    log.close()
