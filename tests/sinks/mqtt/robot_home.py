"""A real Home Assistant with its MQTT integration and nothing else. Not imported by tests: run by a Python that has the
package ``homeassistant`` (2025.11 needs 3.13): ``robot_home.py BROKER_PORT HTTP_PORT FOLDER``.

Each line on standard input is answered by one of JSON: every state, the registry's unique ids, and what its log said of
MQTT at level warning or above.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from homeassistant import auth, bootstrap, config_entries, core, loader  # type: ignore[import-not-found,unused-ignore]
from homeassistant.helpers import entity_registry  # type: ignore[import-not-found,unused-ignore]
from homeassistant.setup import async_setup_component  # type: ignore[import-not-found,unused-ignore]

problems: list[str] = []


class Problems(logging.Handler):
    """Keeps what is said of MQTT."""

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.name}: {record.getMessage()}"
        if record.name == "homeassistant.helpers.frame":
            return  # of how this script starts it
        if "mqtt" in text.lower() or "template" in text.lower():
            problems.append(f"{record.levelname} {text}")


async def main(broker: int, http: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "configuration.yaml").touch()
    hass = core.HomeAssistant(str(folder))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [{"type": "homeassistant"}], [])
    logging.getLogger().addHandler(Problems(logging.WARNING))
    entry = config_entries.ConfigEntry(
        data={"broker": "127.0.0.1", "port": broker},
        disabled_by=None,
        discovery_keys={},
        domain="mqtt",
        minor_version=2,
        options={},
        pref_disable_new_entities=False,
        pref_disable_polling=False,
        source="user",
        subentries_data=(),
        title="mqtt",
        unique_id=None,
        version=1,
    )
    await hass.config_entries.async_initialize()
    hass.config_entries._entries[entry.entry_id] = entry
    await hass.async_start()
    await async_setup_component(hass, "mqtt", {"http": {"server_port": http, "server_host": "127.0.0.1"}})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps({"loaded": str(entry.state)}), flush=True)  # noqa: T201
    while await reader.readline():
        await hass.async_block_till_done()
        registry = entity_registry.async_get(hass)
        told = {
            "states": {state.entity_id: state.state for state in hass.states.async_all()},
            "unique_ids": {each.unique_id: each.entity_id for each in registry.entities.values()},
            "problems": problems,
        }
        print(json.dumps(told), flush=True)  # noqa: T201
    await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
