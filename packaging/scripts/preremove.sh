#!/bin/sh
# Before files go, on deb ("remove", "upgrade", …) and rpm (0 for the last one,
# 1 for an upgrade). A node is not torn down by removing a package: that is
# the work of `eksnode reset`, and is asked for by name.
set -e
case "$1" in
    remove|0) ;;
    *) exit 0 ;;
esac
if command -v systemctl >/dev/null 2>&1; then
    [ -d /run/systemd/system ] && systemctl stop eksnode.service || true
    systemctl disable eksnode.service eksnode-config.service eksnode-run.service eksnode-cni-reset.service || true
fi
if grep -qs '"id"' /var/lib/eksnode/owned.json; then
    echo "eksnode: this machine is still configured as a node, and its kubelet asks /usr/bin/eksnode for tokens." >&2
    echo "eksnode: 'eksnode reset' would have taken the configuration away; reinstall the package to run it." >&2
fi
exit 0
