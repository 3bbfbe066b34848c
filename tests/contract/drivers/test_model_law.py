"""What a driver renders for a wanted configuration is what it parses once a box has taken it: `parse(after) == wanted`.

`after` is made by the virtual CPE, which takes the commands by rules of its own, not by the driver.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.model.cpe_features import Feature, missing
from cpe_manager.ports.driver import FullDriver
from drivers.roster import DriverRoster
from simulators.device import Device
from tests.contract.drivers.cpe_configs import cpe_configs
from tests.contract.drivers.harness import shown, specs_of
from tests.contract.drivers.roster import MODELLED, DriverCase

every_case = pytest.mark.parametrize("case", MODELLED, ids=str)
# One case of each: hundreds of examples say what there is to say of a language, and take minutes.
every_family = pytest.mark.parametrize("case", {case.family: case for case in reversed(MODELLED)}.values(), ids=str)
_CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large)
a_few = settings(max_examples=4, deadline=None, suppress_health_check=_CHECKS)
"""So many for every case; at length it is one of each family."""
some = settings(max_examples=60, deadline=None, suppress_health_check=_CHECKS)
many = settings(
    # Other ones each time; LAW_EXAMPLES=2000 takes an hour over it.
    max_examples=int(os.environ.get("LAW_EXAMPLES", "250")),
    deadline=None,
    suppress_health_check=_CHECKS,
)


def driver_of(case: DriverCase) -> FullDriver:
    driver: FullDriver = DriverRoster().get(case.family)
    return driver


def box_of(case: DriverCase) -> Device:
    return Device(specs_of(case, ["SITE-1"])[0])


def configs(case: DriverCase, driver: FullDriver) -> st.SearchStrategy[CpeConfig]:
    return cpe_configs(driver.spec.features, case.unspeakable).filter(lambda config: not case.beyond(config))


def bring(device: Device, driver: FullDriver, wanted: CpeConfig) -> None:
    script = driver.render(shown(device), wanted)
    assert not [command for command in script.commands if "\n" in command]
    if script:
        device.change("\n".join(script.commands))
    found = driver.parse(shown(device))
    assert found == wanted, differences(found, wanted)


def keeps_the_law(case: DriverCase, data: st.DataObject) -> None:
    device, driver = box_of(case), driver_of(case)
    for _ in range(2):
        wanted = data.draw(configs(case, driver))
        bring(device, driver, wanted)
        assert not driver.render(shown(device), wanted)


@every_case
@a_few
@given(data=st.data())
def test_a_box_that_took_what_was_rendered_reads_as_what_was_wanted(case: DriverCase, data: st.DataObject) -> None:
    keeps_the_law(case, data)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@every_family
@many
@given(data=st.data())
def test_so_it_does_in_hundreds_of_examples(case: DriverCase, data: st.DataObject) -> None:
    keeps_the_law(case, data)


def comes_back(case: DriverCase, data: st.DataObject) -> None:
    """Lines that carry no model come through untouched; lines that do come back, if not in the same place."""
    device, driver = box_of(case), driver_of(case)
    text = shown(device)
    first = driver.parse(text)
    bring(device, driver, data.draw(configs(case, driver)))
    bring(device, driver, first)
    kept = Counter(shown(device).splitlines())
    lost = [line for line in text.splitlines() if line not in kept and _lasting(driver, line)]
    assert not [line for line in lost if line.strip() in case.foreign], lost


@every_case
@a_few
@given(data=st.data())
def test_back_to_what_was_there_gives_what_was_there(case: DriverCase, data: st.DataObject) -> None:
    comes_back(case, data)


@pytest.mark.slow
@pytest.mark.timeout(600)
@every_case
@some
@given(data=st.data())
def test_so_it_does_in_dozens_of_examples(case: DriverCase, data: st.DataObject) -> None:
    comes_back(case, data)


def _lasting(driver: FullDriver, line: str) -> bool:
    return not any(pattern.search(line) for pattern in driver.spec.volatile)


@every_case
def test_a_factory_configuration_is_understood_and_needs_no_change(case: DriverCase) -> None:
    device, driver = box_of(case), driver_of(case)
    found = driver.parse(shown(device))
    assert found.hostname == "SITE-1"
    assert found.wan is not None
    assert found.lan is not None
    assert not driver.render(shown(device), found)


@every_case
def test_lines_outside_the_model_are_never_touched(case: DriverCase) -> None:
    device, driver = box_of(case), driver_of(case)
    assert case.foreign, "name some lines of the box that carry no model"
    before = {line.strip() for line in shown(device).splitlines()}
    assert set(case.foreign) <= before
    found = driver.parse(shown(device))
    bring(device, driver, CpeConfig(hostname="OTHER-1", wan=found.wan, lan=found.lan))
    after = {line.strip() for line in shown(device).splitlines()}
    assert set(case.foreign) <= after


def refuses(case: DriverCase, examples: settings) -> None:
    device, driver = box_of(case), driver_of(case)
    lacking = frozenset(Feature) - driver.spec.features
    if not lacking:
        return
    seen: set[str] = set()

    @examples
    @given(wanted=cpe_configs(frozenset(Feature)))
    def refused(wanted: CpeConfig) -> None:
        gone = missing(wanted, driver.spec.features)
        if gone:
            with pytest.raises(InputError, match=str(gone[0])):
                driver.render(shown(device), wanted)
            seen.update(gone)

    refused()
    assert seen


@every_case
def test_what_a_family_cannot_carry_is_refused_by_name(case: DriverCase) -> None:
    """Drawn the same way each time: by chance, so few examples might hold nothing that the family lacks."""
    refuses(case, settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=_CHECKS))


@pytest.mark.slow
@pytest.mark.timeout(600)
@every_case
def test_so_it_is_in_dozens_of_examples(case: DriverCase) -> None:
    refuses(case, settings(max_examples=60, deadline=None, database=None, suppress_health_check=_CHECKS))
