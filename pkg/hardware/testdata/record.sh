#!/bin/sh
# Records what pkg/hardware reads of the machine it runs on, in the format of
# README.md, on standard output. Needs no root. Look the result over before it
# is committed: board_asset_tag is the instance id, product_uuid and the SMBIOS table
# are the machine's own, and a command line may hold anything.
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

binary() { # prints file $1 byte by byte
	[ -f "$1" ] && [ -r "$1" ] || return 0
	printf 'f %s "' "$1"
	od -An -v -tx1 "$1" | tr -d '\n' | sed 's/ /\\x/g'
	printf '"\n'
}

lines() { # prints of file $1 the lines that begin as $2 says
	[ -r "$1" ] || return 0
	printf 'f %s "' "$1"
	sed -n -E "/^($2)/p" "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' | awk '{ printf "%s\\n", $0 }'
	printf '"\n'
}

echo "# recorded $(date -u +%Y-%m-%d)"
for f in online offline possible present isolated nohz_full; do file /sys/devices/system/cpu/$f; done
for d in /sys/devices/system/cpu/cpu[0-9]*; do
	dir "$d"
	for a in physical_package_id thread_siblings_list; do file "$d/topology/$a"; done
done
lines /proc/self/status Cpus_allowed_list
printf 'f /proc/cpuinfo "'
sed -n '1,/^$/p' /proc/cpuinfo | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' | awk '{ printf "%s\\n", $0 }'
printf '"\n'
for n in /sys/devices/system/node/node[0-9]*; do
	dir "$n"
	file "$n/cpulist"
	file "$n/distance"
	lines "$n/meminfo" "Node [0-9]+ MemTotal"
	for h in "$n"/hugepages/*; do file "$h/nr_hugepages" && file "$h/free_hugepages"; done
	for c in "$n"/cpu[0-9]*; do link "$c"; done
done
file /sys/devices/system/memory/block_size_bytes
for b in /sys/devices/system/memory/memory[0-9]*; do file "$b/online"; done
file /proc/meminfo
for h in /sys/kernel/mm/hugepages/*; do file "$h/nr_hugepages" && file "$h/free_hugepages"; done
file /sys/kernel/mm/transparent_hugepage/enabled

for b in /sys/bus/*; do dir "$b"; done
for p in /sys/bus/pci/devices/*; do
	[ -e "$p" ] || continue
	link "$p"
	real=$(readlink -f "$p")
	for a in vendor device class subsystem_vendor subsystem_device revision numa_node; do file "$real/$a"; done
	link "$real/driver"
done

disk() { # prints block device $1
	link "/sys/class/block/$1"
	blk=$(readlink -f "/sys/class/block/$1")
	file "$blk/size"
	for h in "$blk"/holders/*; do link "$h"; done
}
for c in /sys/class/nvme/nvme[0-9]*; do
	[ -e "$c" ] || continue
	link "$c"
	real=$(readlink -f "$c")
	for a in model serial address; do file "$real/$a"; done
	for n in "$real"/nvme[0-9]*n[0-9]*; do
		[ -e "$n" ] || continue
		n=${n##*/}
		dir "$real/$n"
		b=$(echo "$n" | sed -E 's/^(nvme[0-9]+)c[0-9]+n/\1n/')
		disk "$b"
		for p in "/sys/class/block/$b/${b}"p[0-9]*; do [ -e "$p" ] && disk "${p##*/}"; done
	done
done
file /proc/swaps
# Of the mounts those of disks alone: the others may tell of the workload.
printf 'f /proc/self/mountinfo "'
grep ' - [^ ]* /dev/' /proc/self/mountinfo | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' | awk '{ printf "%s\\n", $0 }'
printf '"\n'
for l in /sys/class/net/*; do
	[ -L "$l" ] || continue
	link "$l"
	real=$(readlink -f "$l")
	case $real in */virtual/*) continue ;; esac
	for a in address ifindex mtu addr_assign_type; do file "$real/$a"; done
	link "$real/device"
	dev=$(readlink -f "$real/device")
	[ -e "$dev/class" ] || link "$dev/driver" # a PCI function's is there already
done

if [ -L /etc/os-release ]; then link /etc/os-release; else file /etc/os-release; fi
file /usr/lib/os-release
file /proc/sys/kernel/osrelease
for d in /dev /sys/kernel /sys/module /sys/firmware /sys/firmware/efi /sys/firmware/efi/efivars /sys/fs/selinux /sys/class/ptp /sys/class/tpm /proc/sys; do dir "$d"; done
[ -e /dev/nitro_enclaves ] && printf 'f /dev/nitro_enclaves ""\n'
file /proc/cmdline
file /proc/modules
for m in /sys/module/*/version; do file "$m"; done
for a in current_clocksource available_clocksource; do file "/sys/devices/system/clocksource/clocksource0/$a"; done
for p in /sys/class/ptp/ptp[0-9]*; do file "$p/clock_name"; done
for t in /sys/class/tpm/tpm[0-9]*; do dir "$t"; file "$t/tpm_version_major"; done
for f in /sys/fs/selinux/enforce /sys/module/apparmor/parameters/enabled /sys/kernel/security/lsm /sys/kernel/security/lockdown /proc/sys/crypto/fips_enabled; do file "$f"; done
binary /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
binary /sys/firmware/dmi/tables/DMI
binary /proc/device-tree/hypervisor/compatible
for f in type uuid version/major version/minor version/extra; do file "/sys/hypervisor/$f"; done
for f in /run/host/container-manager /run/systemd/container /run/.containerenv /.dockerenv; do file "$f"; done
file /proc/self/cgroup
file /sys/fs/cgroup/cgroup.controllers
sed 's/^[^:]*:\([^:]*\):/\1 /' /proc/self/cgroup | while read -r controllers place; do
	case $controllers in /*) place=$controllers controllers= ;; esac
	while :; do
		for a in cpu.max cpu.cfs_quota_us cpu.cfs_period_us; do file "/sys/fs/cgroup/$controllers${place%/}/$a"; done
		[ "$place" = / ] && break
		place=$(dirname "$place")
	done
done | sed 's|^f /sys/fs/cgroup//|f /sys/fs/cgroup/|' | sort -u
for d in /sys/fs/cgroup/*/; do dir "${d%/}"; done
for a in sys_vendor product_name product_version product_family product_uuid bios_vendor bios_version bios_date \
	board_vendor board_name board_asset_tag chassis_vendor chassis_asset_tag; do
	file /sys/devices/virtual/dmi/id/$a
done
