#!/bin/sh
# Records what pkg/hardware reads of the machine it runs on, in the format of
# README.md, on standard output. Needs no root. Look the result over before it
# is committed: board_asset_tag is the instance id.
set -u
export LC_ALL=C

file() { # prints file $1; says nothing when it is absent or unreadable
	[ -f "$1" ] && [ -r "$1" ] || return 0
	printf 'f %s "' "$1"
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' "$1" | awk '{ printf "%s\\n", $0 }'
	printf '"\n'
}

link() { [ -L "$1" ] && printf 'l %s %s\n' "$1" "$(readlink "$1")"; return 0; }

dir() { [ -d "$1" ] && printf 'd %s\n' "$1"; return 0; }

echo "# recorded $(date -u +%Y-%m-%d)"
for f in online offline possible present; do file /sys/devices/system/cpu/$f; done
for d in /sys/devices/system/cpu/cpu[0-9]*; do dir "$d"; done
for n in /sys/devices/system/node/node[0-9]*; do
	dir "$n"
	file "$n/cpulist"
	for c in "$n"/cpu[0-9]*; do link "$c"; done
done
file /sys/devices/system/memory/block_size_bytes
for b in /sys/devices/system/memory/memory[0-9]*; do file "$b/online"; done
file /proc/meminfo

for b in /sys/bus/*; do dir "$b"; done
for p in /sys/bus/pci/devices/*; do
	[ -e "$p" ] || continue
	link "$p"
	real=$(readlink -f "$p")
	for a in vendor device class subsystem_vendor subsystem_device revision numa_node; do file "$real/$a"; done
	link "$real/driver"
done

if [ -L /etc/os-release ]; then link /etc/os-release; else file /etc/os-release; fi
file /usr/lib/os-release
file /proc/sys/kernel/osrelease
file /sys/fs/cgroup/cgroup.controllers
for d in /sys/fs/cgroup/*/; do dir "${d%/}"; done
for a in sys_vendor product_name board_asset_tag bios_vendor bios_version chassis_asset_tag; do
	file /sys/devices/virtual/dmi/id/$a
done
