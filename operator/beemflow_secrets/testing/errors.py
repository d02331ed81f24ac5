"""Errors: each made by the real thing, and again by a proxy that misbehaves before it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from beemflow_secrets.providers.errors import AuthFailed, Denied, NotFound, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.value import Ref, Search
from beemflow_secrets.testing import faultproxy as faults
from beemflow_secrets.testing.cases import in_chain, needs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.providers.base import Driver
    from beemflow_secrets.testing.harness import Harness

_DEADLINE = 0.3  # seconds of one attempt

_PAGE = b"<html>from something that stands before the server</html>"

_FAULTS: Mapping[str, faults.Fault] = {
    "reset": faults.reset,
    "cut": faults.cut,
    "garbled": faults.garble,
    "not HTTP": faults.gibberish,
    "not JSON": faults.answer(200, b""),
    "deep JSON": faults.answer(200, b"[" * 200_000),
    "oversize": faults.oversize,
    "oversize, told": faults.oversize_told,
    "redirect": faults.redirect("http://127.0.0.1:1/elsewhere"),
    "500": faults.answer(500),
    "502 page": faults.answer(502, _PAGE),
    "503": faults.answer(503),
    "403 page": faults.answer(403, _PAGE),
    "404 page": faults.answer(404, _PAGE),
}


class Errors:
    """Cases of what goes wrong."""

    # --- made by the real thing

    @needs("denies")
    async def test_denied(self, harness: Harness) -> None:
        for key in ("mine", "theirs"):
            await harness.put_text(key)
        if not harness.abilities.denies:
            assert type(await harness.error(harness.open(), "nobodys")) is NotFound
            return
        await harness.deny("theirs")
        driver = harness.open()
        error = await harness.error(driver, "theirs")
        assert type(error) is Denied
        assert error.key == "theirs"
        assert (await harness.value(driver, "mine")).value == harness.canary
        await driver.health_check()  # needs no right that reading does not need

    @needs("login")
    async def test_login_refused(self, harness: Harness) -> None:
        await harness.put_text("token")
        driver = harness.open()
        await harness.value(driver, "token")
        if not harness.abilities.login:
            assert harness.asked == []
            return
        await harness.revoke()
        await _fails(harness, driver, "token", AuthFailed)
        await harness.restore()
        assert (await harness.value(driver, "token")).value == harness.canary
        await driver.health_check()

    @needs("throttles")
    async def test_throttled(self, harness: Harness) -> None:
        await harness.put_text("token")
        driver = harness.open()
        await harness.value(driver, "token")
        if not harness.abilities.throttles:
            texts = await asyncio.gather(*(driver.get_secret("token") for _ in range(100)))
            assert set(texts) == {harness.canary}
            return
        async with harness.throttled():
            errors = await _throttled(driver)
        assert {type(error) for error in errors} == {Throttled}
        for error in errors:
            harness.shows(error)
        assert (await harness.value(driver, "token")).value == harness.canary

    @needs("stops")
    async def test_stopped(self, harness: Harness) -> None:
        await harness.put_text("token")
        driver = harness.open()
        await harness.value(driver, "token")
        if not harness.abilities.stops:
            await driver.health_check()
            return
        await harness.stop()
        try:
            await _fails(harness, driver, "token", Unavailable)
        finally:
            await harness.start()
        assert (await harness.value(driver, "token")).value == harness.canary

    # --- by the wire

    @needs("wire")
    @pytest.mark.parametrize("fault", _FAULTS)
    async def test_unavailable(self, harness: Harness, fault: str) -> None:
        await harness.put_text("token")
        if not harness.abilities.wire:
            await _reads_without_a_connection(harness)
            return
        with faults.FaultProxy(harness.upstream, harness.upstream_tls) as proxy:
            driver = harness.open(proxy.address)
            await harness.value(driver, "token")
            proxy.set(_FAULTS[fault])
            await _fails(harness, driver, "token", Unavailable)
            proxy.clear()
            assert (await harness.value(driver, "token")).value == harness.canary
            await driver.health_check()

    @needs("wire")
    async def test_unavailable_at_the_first_call(self, harness: Harness) -> None:
        """A login that cannot be made for want of a server is no refused login."""
        await harness.put_text("token")
        if not harness.abilities.wire:
            await _reads_without_a_connection(harness)
            return
        with faults.FaultProxy(harness.upstream, harness.upstream_tls) as proxy:
            proxy.set(faults.reset)
            driver = harness.open(proxy.address)
            await _fails(harness, driver, "token", Unavailable)
            proxy.clear()
            assert (await harness.value(driver, "token")).value == harness.canary

    @needs("wire")
    async def test_refused(self, harness: Harness) -> None:
        await harness.put_text("token")
        if not harness.abilities.wire:
            await _reads_without_a_connection(harness)
            return
        with faults.FaultProxy(harness.upstream, harness.upstream_tls) as proxy:
            driver = harness.open(proxy.address)
            await harness.value(driver, "token")
            proxy.down()
            await _fails(harness, driver, "token", Unavailable)
            proxy.up()
            assert (await harness.value(driver, "token")).value == harness.canary

    @needs("wire")
    async def test_hanging(self, harness: Harness) -> None:
        """Under the call layer's deadline a server that says nothing costs no more than was allowed."""
        await harness.put_text("token")
        if not harness.abilities.wire:
            await _reads_without_a_connection(harness)
            return
        with faults.FaultProxy(harness.upstream, harness.upstream_tls) as proxy:
            driver = harness.open(proxy.address)
            chain = in_chain(driver, timeout=_DEADLINE)
            assert await driver.get_secret("token") == harness.canary
            proxy.set(faults.hang)
            for ask in (lambda: chain.get_secret("token"), chain.list_secrets, chain.health_check):
                started = time.monotonic()
                with pytest.raises(Unavailable):
                    await ask()
                assert time.monotonic() - started < 2 * _DEADLINE
            proxy.clear()
            assert await driver.get_secret("token") == harness.canary

    @needs("wire")
    async def test_told_to_wait(self, harness: Harness) -> None:
        await harness.put_text("token")
        if not harness.abilities.wire:
            await _reads_without_a_connection(harness)
            return
        with faults.FaultProxy(harness.upstream, harness.upstream_tls) as proxy:
            driver = harness.open(proxy.address)
            await harness.value(driver, "token")
            proxy.set(faults.throttle("7"))
            for error in await _fails(harness, driver, "token", Throttled):
                assert isinstance(error, Throttled)
                assert error.retry_after == 7
            proxy.clear()
            proxy.set(faults.throttle())
            error = await harness.error(driver, "token")
            assert isinstance(error, Throttled)
            assert error.retry_after is None


async def _fails(harness: Harness, driver: Driver, key: str, kind: type[SecretsError]) -> list[SecretsError]:
    """Read, find and ask for the health; return the errors, which must all be of this kind."""
    errors = [await harness.error(driver, key)]
    for ask in (lambda: driver.find(Search(tagged=harness.abilities.tags)), driver.health_check):
        with pytest.raises(SecretsError) as caught:
            await ask()
        harness.shows(caught.value)
        errors.append(caught.value)
    assert [error for error in errors if not isinstance(error, kind)] == []
    return errors


async def _throttled(driver: Driver) -> list[SecretsError]:
    """Read twenty at a time until some are refused; return their errors."""
    for _ in range(50):
        answers = await asyncio.gather(*(driver.fetch([Ref("token")]) for _ in range(20)))
        errors = [error for answer in answers if isinstance(error := answer[Ref("token")], SecretsError)]
        if errors:
            return errors
    return []


async def _reads_without_a_connection(harness: Harness) -> None:
    driver = harness.open()
    with mock.patch("socket.socket", side_effect=AssertionError("it opens a connection")):
        assert await driver.get_secret("token") == harness.canary
        await driver.health_check()
