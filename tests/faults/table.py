"""The 32 situations: what is done to the service, what it must do, and the tests that do it and look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Fault:
    """One row. ``wanted`` is what the tests assert; ``tests``: names below tests/, or the start of several."""

    number: int
    what: str
    wanted: str
    tests: tuple[str, ...]


LIVE: Final = "faults/test_live.py::"
GST: Final = "sources/gstreamer/test_reconnect.py::"
HUNG: Final = "sources/test_supervisor_hangs.py::"
CAMERA: Final = "sources/test_supervisor.py::"
FILES: Final = "sinks/test_lines_and_videos.py::"
MCAP: Final = "sinks/test_mcap_files.py::"
ENGINE: Final = "engine/test_engine_files.py::"
RUN: Final = "service/test_run.py::"
MQTT: Final = "sinks/mqtt/test_mqtt_faults.py::"
HTTP: Final = "sinks/test_http_limits.py::"

FAULTS: Final = (
    Fault(1, "camera unplugged, switched off", "`lost`, tried again, its numbers go on; the process lives",
          (CAMERA + "test_a_lost_camera", GST + "test_stopped_and_started_again")),
    Fault(2, "no camera at boot", "READY, `missing` with the reason, found when it comes",
          (RUN + "test_a_camera_that_is_not_there", "service/test_life.py::test_a_missing_camera")),
    Fault(3, "RTSP connection open, no bytes", "`stalled`, opened again, nothing left behind by a hundred of them",
          (GST + "test_stalled", GST + "test_a_network_that_swallows", HUNG + "test_a_hundred_reconnects")),
    Fault(4, "a read that never returns", "left behind or killed; threads don't pile up; the end does not wait",
          (HUNG + "test_a_read", HUNG + "test_threads_that", HUNG + "test_an_open")),
    Fault(5, "frozen, static and black cameras", "`frozen`: opened again; `static`: delivered; `black`: no result",
          (CAMERA + "test_the_same_timestamp", CAMERA + "test_the_same_bytes", CAMERA + "test_a_black",
           GST + "test_a_still_picture", "service/test_damaged.py::")),
    Fault(6, "broken, cut, huge, odd pictures", "counted, never segmented, bounded in memory",
          (CAMERA + "test_bad_frames", "sources/test_hostile_cameras.py::test_half_a_jpeg")),
    Fault(7, "ten times the frame rate", "newest wins, the others counted, memory bounded",
          (CAMERA + "test_a_flood", CAMERA + "test_the_newest_frame")),
    Fault(8, "disk full, file size limit, EIO", "one alarm, inference goes on, resumes; `written` is what is there",
          (FILES + "test_a_full_disk", FILES + "test_at_the_file_size_limit", MCAP + "test_a_full_disk",
           "faults/test_broken_disk.py::")),
    Fault(9, "read-only or vanished folders", "events in memory, folders made again and alarmed, losses counted",
          ("scene/test_events.py::test_a_folder_that_cannot", "scene/test_events.py::test_a_state_folder",
           FILES + "test_a_folder_that_vanishes", MCAP + "test_a_folder_that_vanishes")),
    Fault(10, "killed while it writes, 50 times", "no event lost, every file readable or finished at the next start",
          (LIVE + "test_fifty_kills", FILES + "test_what_was_counted", MCAP + "test_a_killed",
           ENGINE + "test_a_replacement_cut_off")),
    Fault(11, "engine for another GPU or TensorRT", "refused before it is deserialised, both named",
          (ENGINE + "test_another_tensorrt", "cuda/test_backend.py::test_a_kernel_for_another_gpu")),
    Fault(12, "engine tampered with, cut, linked, writable by all", "refused; the deserialiser is never called",
          (ENGINE + "test_changed_files", ENGINE + "test_files_that_others", ENGINE + "test_links",
           ENGINE + "test_random_damage")),
    Fault(13, "sticky CUDA error", "no loop of retries: ends with 6 for a restart",
          ("cuda/test_backend.py::test_a_sticky_fault", "service/test_life.py::test_a_lost_device")),
    Fault(14, "out of memory", "everything freed, a clear error; a model's reader and a camera die alone",
          ("cuda/test_backend.py::test_too_little_memory", "sources/test_hostile_cameras.py::test_a_process_that")),
    Fault(15, "SIGTERM at any moment", "0 within 2 s whatever works; a second one ends it at once",
          (RUN + "test_the_end_comes", RUN + "test_a_second_signal")),
    Fault(16, "kill -9 and a new start", "the port is got back; the broker tells that we are gone",
          (RUN + "test_killed_and_started_again", "sinks/mqtt/test_program.py::test_from_rules")),
    Fault(17, "a stopped process (SIGSTOP)", "no ping to the watchdog", (RUN + "test_the_watchdog_hears",)),
    Fault(18, "a model or setting that can't work", "one line, exit code 2 or 3, no flood, no restart by systemd",
          (RUN + "test_what_is_wrong", "deployment/test_systemd.py::test_the_unit_and")),
    Fault(19, "clock jumps of a year, both ways", "no false loss, ages right, events in order",
          (LIVE + "test_clock_jumps", "scene/test_events.py::test_a_clock")),
    Fault(20, "broker away, frozen, hostile; network that breaks", "frames go on, each event once, in order",
          (MQTT + "test_a_broker_that_comes", MQTT + "test_a_frozen", MQTT + "test_hostile",
           "sinks/mqtt/test_mqtt_events.py::test_once_each")),
    Fault(21, "slowloris, nonsense, huge headers", "closed at a deadline or answered with 4xx; frames go on",
          (HTTP + "test_the_slow", HTTP + "test_nonsense", HTTP + "test_more_than")),
    Fault(22, "1,000 connections", "refused beyond the limit, frames go on, memory bounded",
          (LIVE + "test_a_thousand_connections", HTTP + "test_beyond_the_limit")),
    Fault(23, "no or wrong token, traversal, wrong Host, foreign form", "401, 403, 404; nothing told",
          ("sinks/test_http_access.py::test_nothing_is_shown", "sinks/test_http_access.py::test_only_this_machines",
           "sinks/test_http_access.py::test_a_form", "sinks/test_http_access.py::test_what_is_not_there")),
    Fault(24, "damaged ONNX, bombs, loops", "one line; no gigabytes, no endless run",
          ("graph/test_load.py::test_a_damaged", "graph/test_load.py::test_a_few_bytes",
           "graph/test_load.py::test_a_model_that_may",
           "backends/test_reading.py::", "fuzz/test_fuzz.py::test_no_traceback")),
    Fault(25, "ONNX data outside the model's folder", "refused before a byte of it is read",
          ("graph/test_load.py::test_external_data",)),
    Fault(26, "malformed YAML", "file, line and key; exit code 2",
          ("core/test_yaml.py::", "settings/test_schema.py::test_faults_name")),
    Fault(27, "addresses that inject, credentials in them", "refused; credentials shown nowhere",
          ("core/test_uris.py::test_what_is_refused", "core/test_uris.py::test_no_message",
           RUN + "test_credentials")),
    Fault(28, "port taken", "named, tried again, the service runs on",
          (RUN + "test_a_taken_port", HTTP + "test_a_busy_port")),
    Fault(29, "board throttles", "shown", ("board/test_board.py::",)),
    Fault(30, "outputs that are no numbers, one class", "`output_invalid`, nothing published, exit code 3; a warning",
          ("service/test_nonsense.py::", "cuda/test_backend.py::test_self_test_finds_nan")),
    Fault(31, "model or settings replaced while it runs", "taken between frames, or refused and nothing changed",
          ("service/test_life.py::test_another_model", "service/test_life.py::test_a_bad_reload",
           "service/test_reload.py::test_any_exception")),
    Fault(32, "a thread that dies, months of running", "seen, begun again; no growth (`make soak`)",
          ("core/test_threads.py::", "service/test_reload.py::test_a_thread_that_died", LIVE + "test_a_short_soak")),
)  # fmt: skip
