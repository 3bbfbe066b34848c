"""Passwords over Argon2id, with costs that take no time."""

from __future__ import annotations

import pytest

from cpe_manager.adapters.passwords import Argon2Passwords, Cost
from cpe_manager.domain.errors import SettingsError

CHEAP = Cost(time=1, memory=16, parallelism=2)


async def test_a_password_fits_its_own_hash_alone():
    passwords = Argon2Passwords(CHEAP)
    hashed = await passwords.hash("correct horse")
    assert (await passwords.verify(hashed, "correct horse")).right
    assert not (await passwords.verify(hashed, "Correct horse")).right
    assert not (await passwords.verify("no hash at all", "correct horse")).right


async def test_a_name_that_nobody_has_costs_as_much_as_one_that_somebody_has(monkeypatch: pytest.MonkeyPatch):
    """Else the time that a log-in takes would tell which names there are."""
    passwords, asked = Argon2Passwords(CHEAP), []
    hashed = await passwords.hash("correct horse")
    fits = passwords._fits
    monkeypatch.setattr(passwords, "_fits", lambda *given: asked.append(given) or fits(*given))
    for known in (hashed, None):
        await passwords.verify(known, "battery staple")
    (somebodys, _), (nobodys, _) = asked
    # Everything but salt and digest, which are as long.
    assert nobodys.split("$")[:4] == somebodys.split("$")[:4]
    assert [len(part) for part in nobodys.split("$")] == [len(part) for part in somebodys.split("$")]
    assert not passwords._hasher.check_needs_rehash(nobodys)


async def test_a_hash_of_other_costs_is_stale():
    hashed = await Argon2Passwords(Cost(time=2, memory=16, parallelism=1)).hash("correct horse")
    found = await Argon2Passwords(CHEAP).verify(hashed, "correct horse")
    assert (found.right, found.stale) == (True, True)


def test_costs_that_argon2_does_not_take_are_refused():
    with pytest.raises(SettingsError, match="at least 32 KiB for a parallelism of 4"):
        Argon2Passwords(Cost(time=1, memory=31, parallelism=4))
    for cost in (Cost(time=2**32), Cost(memory=2**32), Cost(parallelism=2**24, memory=2**30)):
        with pytest.raises(SettingsError, match="at most"):
            Argon2Passwords(cost)
