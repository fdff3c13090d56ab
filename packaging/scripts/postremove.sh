#!/bin/sh
# After files are gone. Only a purge forgets what was made.
set -e
[ -d /run/systemd/system ] && systemctl daemon-reload || true
if [ "$1" = purge ]; then
    rm -rf /var/lib/eksnode /run/eksnode
    rmdir --ignore-fail-on-non-empty /etc/eksnode/config.d /etc/eksnode 2>/dev/null || true
fi
exit 0
