import sys
from importlib.metadata import EntryPoint

import pytest

from drivers import registry
from drivers.api import Driver
from drivers.errors import Misconfigured
from drivers.modbus.driver import ModbusDriver
from drivers.registry import GROUP, Registry


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


MODBUS = "drivers.modbus.driver:ModbusDriver"


def test_modbus_is_installed_and_made_once():
    assert "modbus" in registry.names()
    assert isinstance(registry.get("modbus"), ModbusDriver)
    assert registry.get("modbus") is registry.get("modbus")


def test_a_driver_is_loaded_when_it_is_asked_for_and_not_before():
    found = Registry([entry("json", "wave:Wave_read"), entry("modbus", MODBUS)])
    sys.modules.pop("wave", None)
    assert found.names() == ["json", "modbus"]
    found.get("modbus")
    assert "wave" not in sys.modules


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(Misconfigured, match=r"no driver for 'bacnet\?'; known are modbus"):
        Registry([entry("modbus", MODBUS)]).get("bacnet?\n")
    with pytest.raises(Misconfigured, match="install the package"):
        Registry([]).get("modbus")


def test_two_drivers_of_one_name_are_an_error():
    with pytest.raises(Misconfigured, match="two drivers are called 'modbus'"):
        Registry([entry("modbus", MODBUS), entry("modbus", "other:Driver")])
    Registry([entry("modbus", MODBUS), entry("modbus", MODBUS)])  # the same one, found twice on the path


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("x", "no_such_module:Driver", "cannot be loaded"),
        ("x", "drivers.modbus.driver:NoSuch", "cannot be loaded"),
        ("other", MODBUS, "does not call itself 'other'"),
    ],
)
def test_a_driver_that_cannot_serve_is_named(name, value, words):
    with pytest.raises(Misconfigured, match=words):
        Registry([entry(name, value)]).get(name)


def test_a_driver_has_the_whole_seam():
    driver: Driver = ModbusDriver()
    for name in ("check", "device", "explain", "check_vector"):
        assert callable(getattr(driver, name))
