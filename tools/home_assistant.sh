#!/usr/bin/env bash
# A Home Assistant for the tests, which needs a newer Python than ours: a small Debian of its own, in a folder.
#
#   sudo tools/home_assistant.sh /tmp/home-assistant
#   EDGE_SEGNET_HOME_ASSISTANT="chroot /tmp/home-assistant /ha/bin/python" python -m pytest tests/sinks/mqtt
#
# HOME_ASSISTANT=VERSION takes another; those from 2026.3 on need Python 3.14: SUITE=forky, Debian's next.
# Two minutes and 900 MB; needs root, mmdebstrap and the package registries that apt and pip are set up for.
set -euo pipefail
place=${1:?give a folder to make}
version=${HOME_ASSISTANT:-2025.11.3}
suite=${SUITE:-trixie}

mirror=$({ sed -n 's/^URIs: *//p;s/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true; } | head -1)  # one of the two files is enough
mmdebstrap --quiet --mode=root --variant=apt --aptopt='APT::Install-Recommends "false"' \
    --include=python3,python3-venv,python3-dev,gcc,g++,libc6-dev,ca-certificates,libturbojpeg0 "$suite" "$place" "$mirror"
# The chroot uses this machine's network and its settings of pip.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do [ ! -f "$file" ] || cp "$file" "$place$file"; done
[ ! -f /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$place/etc/ssl/certs/"
mount --bind /dev "$place/dev"
mount --bind /proc "$place/proc"
chroot "$place" python3 -m venv /ha
pip() { chroot "$place" /ha/bin/pip install --quiet --disable-pip-version-check "$@"; }
pip "homeassistant==$version" paho-mqtt==2.1.0 numpy PyTurboJPEG
# Its own constraints come with it; a newer pycares than it knows breaks its resolver.
pip --constraint "$(chroot "$place" /ha/bin/python -c 'import homeassistant, pathlib; print(pathlib.Path(homeassistant.__file__).with_name("package_constraints.txt"))')" \
    "homeassistant==$version" numpy 'pycares<5'
chroot "$place" /ha/bin/python -c 'import homeassistant.components.mqtt, homeassistant.components.camera'
