"""A board's sysfs as a folder: an Orin's files, as its documentation lists them."""

from __future__ import annotations

from pathlib import Path


def write(root: Path, files: dict[str, str | int]) -> Path:
    """Make the files below ``root``."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="ascii")
    return root


ORIN: dict[str, str | int] = {
    "sys/class/hwmon/hwmon0/name": "tmp451",
    "sys/class/hwmon/hwmon1/name": "ina3221",
    "sys/class/hwmon/hwmon1/in1_label": "VDD_IN",
    "sys/class/hwmon/hwmon1/in1_input": 5000,
    "sys/class/hwmon/hwmon1/curr1_input": 2000,
    "sys/class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV",
    "sys/class/hwmon/hwmon1/in2_input": 5000,
    "sys/class/hwmon/hwmon1/curr2_input": 800,
    "sys/class/hwmon/hwmon1/in7_label": "sum of shunt voltages",
    "sys/class/hwmon/hwmon2/oc3_event_cnt": 4,
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "sys/class/thermal/thermal_zone0/temp": 48500,
    "sys/class/thermal/thermal_zone1/type": "gpu-thermal",
    "sys/class/thermal/thermal_zone1/temp": 51250,
    "sys/class/thermal/thermal_zone2/type": "cv0-thermal",
    "sys/class/thermal/thermal_zone2/temp": -256000,
    "sys/class/devfreq/17000000.gpu/cur_freq": 624750000,
    "sys/class/devfreq/15340000.vic/cur_freq": 115200000,
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_cur_freq": 1510400,
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": 729600,
    "var/lib/nvpmodel/status": "pmode:0001",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=7W >",
    "proc/meminfo": "MemTotal: 7620 kB\nNvMapMemFree: 0 kB\nNvMapMemUsed:    512000 kB",
}
AGX: dict[str, str | int] = {
    "sys/class/hwmon/hwmon3/name": "ina3221",
    "sys/class/hwmon/hwmon3/in1_label": "VDD_GPU_SOC",
    "sys/class/hwmon/hwmon3/in1_input": 20000,
    "sys/class/hwmon/hwmon3/curr1_input": 500,
    "sys/class/hwmon/hwmon4/name": "ina3221",
    "sys/class/hwmon/hwmon4/in1_label": "VDD_CPU_CV",
    "sys/class/hwmon/hwmon4/in1_input": 20000,
    "sys/class/hwmon/hwmon4/curr1_input": 250,
}
