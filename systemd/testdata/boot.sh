#!/bin/bash
# Boots systemd in namespaces of its own, on a throw-away copy of this machine's root directory
# with the shipped units installed, and runs inside.sh as a service there.
# Arguments: a cgroup of ours, the directory of units, a scratch directory. The scratch directory
# holds bin/ (programs), home/ (models and runtime) and out/ (what inside.sh writes).
set -e
if [ "$1" != inside ]; then
	echo $$ >"$1/cgroup.procs"
	exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup "$0" inside "$2" "$3"
fi
units=$2 scratch=$3 root=$3/root
mount --make-rprivate /
mkdir -p "$root" "$scratch/layer"
mount -t tmpfs tmpfs "$scratch/layer"
mkdir "$scratch/layer/upper" "$scratch/layer/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/layer/upper,workdir=$scratch/layer/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mkdir "$root/dev/shm"
# Two chips without a driver: opening one says whether it is allowed, no more.
mknod -m 660 "$root/dev/gpiochip0" c 254 0
mknod -m 660 "$root/dev/gpiochip1" c 254 1
mknod -m 660 "$root/dev/video0" c 81 0

rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/facegate "$root"/var/lib/facegate "$root"/var/lib/doord
: >"$root/etc/machine-id"
install -D -m 644 -t "$root/usr/lib/systemd/system" "$units"/*.service "$units"/*.timer
install -D -m 644 "$units/sysusers.conf" "$root/usr/lib/sysusers.d/facegate.conf"
install -D -m 644 "$units/tmpfiles.conf" "$root/usr/lib/tmpfiles.d/facegate.conf"
install -D -m 644 -t "$root/usr/share/facegate" "$units/facegate.toml"
install -m 755 "$scratch"/bin/* "$root/usr/bin/"
mkdir -p "$root/scratch"
mount --bind "$scratch" "$root/scratch"
cat >"$root/etc/systemd/system/inside.service" <<U
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/scratch/bin/inside.sh
U
cat >"$root/etc/systemd/system/inside.target" <<U
[Unit]
Requires=basic.target
Wants=inside.service
After=basic.target
U
cd "$root"
mkdir -p old
pivot_root . old
mount --make-rshared / # as systemd has it; credentials rest on it
umount -l /old
echo booting
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=facegate \
	/usr/lib/systemd/systemd --system --unit=inside.target --log-target=console --show-status=0 </dev/null
