#!/bin/sh
# After files are in place, on deb ("configure [old version]") and rpm (1 for
# an installation, 2 for an upgrade). Nothing is started: on a machine image
# that is being made the node must not join, and an instance starts at boot.
set -e
fresh=no
case "$1" in
    configure) [ -n "$2" ] || fresh=yes ;;
    1) fresh=yes ;;
esac
[ -d /run/systemd/system ] && systemctl daemon-reload || true
# On an upgrade the units stay as the administrator has them.
if [ "$fresh" = yes ] && command -v systemctl >/dev/null 2>&1; then
    systemctl enable eksnode.service eksnode-config.service eksnode-run.service eksnode-cni-reset.service
fi
# A daemon that runs goes on with the new program; on an upgrade alone is there one.
[ -d /run/systemd/system ] && systemctl try-restart eksnode.service || true
exit 0
