"""Our recordings in other people's readers: Rerun's, and Foxglove's own for JavaScript."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.recordings import files_in, raw_in, recording, street
from tests.support.service import StreetService
from tests.support.waiting import wait_until

RERUN = shutil.which("rerun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
NODE = shutil.which("node")
READ = """
const {McapIndexedReader} = require("@mcap/core");
const {loadDecompressHandlers} = require("@mcap/support");
const bytes = require("node:fs").readFileSync(process.argv[1]);
(async () => {
  const readable = {
    size: async () => BigInt(bytes.length),
    read: async (from, length) => bytes.subarray(Number(from), Number(from + length)),
  };
  const reader = await McapIndexedReader.Initialize({readable, decompressHandlers: await loadDecompressHandlers()});
  const found = {profile: reader.header.profile, topics: {}, metadata: {}};
  for await (const message of reader.readMessages()) {
    const topic = reader.channelsById.get(message.channelId).topic;
    found.topics[topic] = (found.topics[topic] ?? 0) + message.data.byteLength;
  }
  for await (const each of reader.readMetadata()) found.metadata[each.name] = Object.fromEntries(each.metadata);
  console.log(JSON.stringify(found));
})();
"""


@pytest.fixture(scope="module", params=["foxglove", "ros2"])
def drive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    with recording(folder, StreetService(), schema=request.param) as sink:
        for result in street():
            sink.publish(result)
        wait_until(lambda: sink.status()["queue"] == 0)
    (path,) = files_in(folder)
    return request.param, path


@pytest.mark.skipif(RERUN is None, reason="Rerun is not installed (rerun-sdk)")
def test_rerun_finds_no_fault_and_shows_the_pictures(drive: tuple[str, Path], tmp_path: Path) -> None:
    schema, path = drive
    assert RERUN is not None
    checked = subprocess.run([RERUN, "mcap", "check", path], capture_output=True, text=True, check=False)
    rows = re.findall(r"^(\S+) +\d+ +\d+ +(/\S+) +(\S+)$", checked.stdout, re.MULTILINE)
    topics = {topic for topic, _ in raw_in(path)}
    assert {row[1] for row in rows} == topics and {row[0] for row in rows} == {"ok"}, checked.stdout
    made = tmp_path / "drive.rrd"
    subprocess.run([RERUN, "mcap", "convert", path, "-o", made], capture_output=True, check=True)
    shown = subprocess.run([RERUN, "rrd", "print", made], capture_output=True, text=True, check=True).stdout
    pictures = "/front/image/compressed" if schema == "ros2" else "/front/image"
    assert re.search(rf"2 rows .* - {pictures} - .*EncodedImage:blob", shown), shown
    assert "edge-segnet foxglove" in shown  # both metadata records


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_foxgloves_own_reader_for_javascript_reads_every_byte(drive: tuple[str, Path]) -> None:
    schema, path = drive
    assert NODE is not None
    done = subprocess.run([NODE, "-e", READ, path], capture_output=True, text=True, check=False)
    if "Cannot find module" in done.stderr:
        pytest.skip("@mcap/core is not installed: npm install @mcap/core @mcap/support, NODE_PATH=.../node_modules")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    sizes: dict[str, int] = {}
    for topic, data in raw_in(path):
        sizes[topic] = sizes.get(topic, 0) + len(data)
    assert found["topics"] == sizes and found["profile"] == ("ros2" if schema == "ros2" else "")
    assert found["metadata"].keys() == {"edge-segnet", "foxglove"} and found["metadata"]["foxglove"]["deviceName"]
