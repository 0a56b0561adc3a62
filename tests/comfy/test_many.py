"""A thousand clients ask for the status while a session runs: every answer is right, and the session goes on."""

import asyncio
import sys

import aiohttp
import pytest

CLIENTS = 1000
IMAGES = 60


@pytest.fixture(scope="module", autouse=True)
def many_connections():
    """Room for a thousand connections, here and in the server that is started from here."""
    if sys.platform == "win32":
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * CLIENTS
    if most != resource.RLIM_INFINITY and most < wanted:
        pytest.skip(f"only {most} files may be open here")
    if before != resource.RLIM_INFINITY and before < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


async def ask(http, url, session, number, answers):
    """One client: asks until the session is over, in turn for it alone and for all sessions."""
    seen = []
    while not seen or seen[-1]["state"] == "running":
        each = (number + len(seen)) % 4 > 0
        async with http.get(f"{url}/sdgen/sessions/{session}" if each else f"{url}/sdgen/sessions") as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.json()
        seen.append(body if each else next(s for s in body["sessions"] if s["id"] == session))
        await asyncio.sleep(0.5)
    answers.append(seen)


async def crowd(url, session):
    answers = []
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        await asyncio.gather(*(ask(http, url, session, number, answers) for number in range(CLIENTS)))
    return answers


def test_a_thousand_clients_get_true_answers_and_the_session_goes_on(stub):
    report = stub.press(stub.graph(IMAGES, name="watched", wait=0.1))
    answers = asyncio.run(crowd(stub.server.url, report["id"]))
    assert len(answers) == CLIENTS
    for seen in answers:
        done = [status["done"] for status in seen]
        assert done == sorted(done) and done[-1] == IMAGES
        assert {status["planned"] for status in seen} == {IMAGES} and {status["failed"] for status in seen} == {0}
        assert seen[-1]["state"] == "completed"
    status = stub.wait(report["id"])
    assert (status["done"], status["failed"]) == (IMAGES, 0)
    assert stub.act(report["id"], "verify", hashes=True)["verify"]["ok"]
