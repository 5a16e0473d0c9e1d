"""The store of stages at a server that speaks S3 (moto's, in this process)."""

from __future__ import annotations

import os

import pytest
from test_shared_store import (  # noqa: F401
    alone,
    corrupt,
    interrupted,
    machine,
    objects,
    steps,
    stop,
    store_of,
    trained,
    world,
)

from xlt.errors import XltError
from xlt.runs import shared_store
from xlt.runs.object_store import ObjectStore

pytest.importorskip("s3fs", reason="needs xlt[s3]")
moto = pytest.importorskip("moto.server", reason="needs moto[s3], flask and flask-cors")
pytestmark = pytest.mark.skipif(
    "XLT_THOROUGH" not in os.environ, reason="takes a while; XLT_THOROUGH=1 runs it"
)


@pytest.fixture(scope="module")
def server():
    """Address, and what stops and starts it; what it holds outlives that."""
    import boto3

    running = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    patch = pytest.MonkeyPatch()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "never-in-a-file",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        patch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="bucket")

    class Server:
        now = running

        def stop(self):
            self.now.stop()

        def start(self):
            self.now = moto.ThreadedMotoServer("127.0.0.1", port=port, verbose=False)
            self.now.start()

    it = Server()
    yield it
    it.stop()
    patch.undo()


def test_stages_by_s3(server, world, alone, steps, monkeypatch, caplog):  # noqa: F811
    caplog.set_level("INFO", "xlt")
    place = "s3://bucket/some/prefix"
    first = machine(world, "first", place)
    store = store_of(first)
    with pytest.raises(KeyboardInterrupt):
        interrupted(first, monkeypatch, 5, stop)
    assert [one.partition("/")[2] for one in store.bundles()] == ["step-4"]

    steps.clear()
    second = machine(world, "second", place)
    second.run()
    assert steps == [4, 5, 6, 7]
    assert trained(second) == trained(alone)
    assert [one.partition("/")[2] for one in store.bundles()] == ["finished"]

    steps.clear()
    third = machine(world, "third", place)
    third.run()
    assert steps == []
    assert trained(third) == trained(alone)
    assert [row["state"] for row in shared_store.list_stages(store)] == ["finished"]

    corrupt(store, max(objects(store), key=store._fs.size))
    assert len(shared_store.verify(store)) == 1
    fourth = machine(world, "fourth", place)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        server.start()

    server.stop()  # for a moment
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", sleep)
        assert len(store.bundles()) == 1
    assert slept == [1]
    assert "does not answer" in caplog.text

    fourth.run()
    assert steps
    assert "is damaged: its content is not what was written: the stage is trained again" in (
        caplog.text
    )
    assert trained(fourth) == trained(alone)
    assert shared_store.verify(store) == []
    assert len(shared_store.prune(store, "none")["removed"]) == 1
    assert objects(store) == []
    kept = [p for p in world.folder.rglob("*") if p.is_file()]
    assert not any(b"never-in-a-file" in path.read_bytes() for path in kept)
    assert "never-in-a-file" not in caplog.text


def test_a_bucket_that_is_not_there(server):
    with pytest.raises(XltError, match="the store refuses"):
        ObjectStore("s3://no-such-bucket/x").check()
