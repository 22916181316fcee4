"""The maintainer scripts. What they do to a service they leave to the program itself (``install/package.py``)."""

from __future__ import annotations

from typing import Final

PREINST: Final = """#!/bin/sh
set -e
# What dpkg did not lay there is an installation by hand or by "edge-segnet service install": out of the way, and kept
# until the package's serves.
if [ "$1" = install ] || [ "$1" = upgrade ]; then
    rm -rf /opt/edge-segnet.before
    if [ -d /opt/edge-segnet ]; then
        if dpkg-query --search /opt/edge-segnet/pyvenv.cfg >/dev/null 2>&1; then
            # Hard links: dpkg replaces files by renaming, so these stay the old ones, and cost no room.
            cp -al /opt/edge-segnet /opt/edge-segnet.before
        else
            mv /opt/edge-segnet /opt/edge-segnet.before
        fi
    fi
fi
"""
POSTINST: Final = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
    # Nobody but root may write here, so what is not compiled now would be compiled at every start.
    /opt/edge-segnet/bin/python -m compileall -q -j 0 /opt/edge-segnet/lib || true
    link=/usr/local/bin/edge-segnet  # of "service install"; it would hide ours
    if [ "$(readlink $link || true)" = /opt/edge-segnet/bin/edge-segnet ]; then rm $link; fi
    /opt/edge-segnet/bin/edge-segnet service configure
fi
if [ "$1" = abort-upgrade ] && [ -d /run/systemd/system ]; then
    systemctl try-restart edge-segnet.service || true
fi
"""
PRERM: Final = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    /opt/edge-segnet/bin/edge-segnet service uninstall || true
fi
if [ "$1" = remove ] || [ "$1" = upgrade ]; then
    find /opt/edge-segnet -name __pycache__ -type d -prune -exec rm -rf {} +
fi
"""
POSTRM: Final = """#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
    rm -rf /opt/edge-segnet.before
    [ ! -d /run/systemd/system ] || systemctl daemon-reload || true
fi
if [ "$1" = purge ]; then
    rm -rf /opt/edge-segnet /etc/edge-segnet /var/lib/edge-segnet /var/cache/edge-segnet
    rm -rf /etc/systemd/system/edge-segnet.service.d
    ! getent passwd edge-segnet >/dev/null || userdel edge-segnet || true
fi
"""
ALL: Final = {"preinst": PREINST, "postinst": POSTINST, "prerm": PRERM, "postrm": POSTRM}
