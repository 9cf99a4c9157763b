"""The demo has no credentials: it leaves loopback only where a container's network is the wall."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from runtime import settings as settings_module
from runtime.settings import Profile, Settings, setting_faults


def faults(**given: object) -> list[str]:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate(given)
    return setting_faults(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_it_may_listen_on_loopback(host: str) -> None:
    assert Settings(bind_host=host).profile is Profile.DEMO


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "titan.example", "127.0.0.1.x"])
def test_it_may_listen_nowhere_else(host: str) -> None:
    [fault] = faults(bind_host=host)

    assert "binds to loopback only" in fault


def test_in_a_container_it_may_listen_on_all_addresses_when_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings_module, "CONTAINER_MARKS", (tmp_path / "absent", tmp_path))

    assert Settings(bind_host="0.0.0.0", demo_in_container=True).bind_host == "0.0.0.0"
    assert "binds to loopback only" in faults(bind_host="0.0.0.0")[0]


def test_a_container_that_is_none_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings_module, "CONTAINER_MARKS", (tmp_path / "absent",))

    [fault] = faults(bind_host="0.0.0.0", demo_in_container=True)

    assert "no container" in fault


def test_a_wrong_setting_is_named_by_its_variable_and_its_value_is_not_shown() -> None:
    [fault] = faults(handles_port="70000secret")

    assert fault.startswith("TITAN_HANDLES_PORT: ")
    assert "70000" not in fault
