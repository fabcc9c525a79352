#!/bin/bash
# What is tried on the booted system. Each result is a line "name value" of out/results.
exec 2>/scratch/out/stderr
say() { echo "$*" >>/scratch/out/results; }
show() { systemctl show --property="$2" --value "$1"; }
# until COMMAND...: waits until it succeeds, for at most 30 s
until_() { for _ in {1..300}; do "$@" && return; sleep 0.1; done; return 1; }
is() { [ "$(show "$1" "$2")" = "$3" ]; }
as() { setpriv --reuid="$1" --regid="$1" --init-groups "${@:2}"; } # users and groups have one name

# As docs/install.md has it, with a simulated door and a picture for a camera.
sed -i -e 's/^chip = .*/driver = "sim"/' -e 's#^device = .*#driver = "replay"\npath = "/scratch/pictures"\nloop = true#' /etc/facegate/facegate.toml
(umask 077 && od -An -vtx1 -N32 /dev/urandom | tr -d ' \n' >/etc/facegate/store.key)
cp -a /scratch/home/. /var/lib/facegate/
chown -R -h facegated: /var/lib/facegate
chgrp gpio /dev/gpiochip0 /dev/gpiochip1
chgrp video /dev/video0

# The same sandboxes around a program that tries things.
for u in doord facegated; do
	sed -E -e '/^(ExecStart|ExecStopPost|Type|WatchdogSec|Restart|RuntimeDirectory.*|OnFailure)=/d' \
		-e "s#^\[Service\]#&\nType=oneshot\nExecStart=/usr/bin/prober\nEnvironmentFile=/run/probe\nStandardOutput=append:/scratch/out/$u#" \
		"/usr/lib/systemd/system/$u.service" >"/run/systemd/system/try-$u.service"
done
systemctl daemon-reload # now: it forgets how often a unit was started

systemctl start doord && say doord-starts yes
systemctl start facegated && say facegated-starts yes
until_ eval 'as facegated facegate door status --json | grep -q "\"controller\":true"' && say command-line yes
as facegated facegate person add --id p1 --name P && say store-and-key yes
mkdir -m 755 /tmp/stranger && ln -s /etc/facegate/facegate.toml /tmp/stranger/
setpriv --reuid=nobody --clear-groups --regid=nogroup facegate --home /tmp/stranger door status && say stranger-asks-door yes

doord=$(show doord MainPID)
echo "FACEGATE_PROBE=$doord" >/run/probe
systemctl start try-doord try-facegated

as facegated facegate door unlock --hold && kill -KILL "$doord"
until_ is doord NRestarts 1 && until_ is doord SubState running && say doord-after-kill yes
tail -n 1 /var/lib/doord/door-sim.jsonl | grep -q '"line":"relay","on":false' && say relay-after-kill off
kill -STOP "$(show doord MainPID)"
until_ is doord NRestarts 2 && until_ is doord SubState running && say doord-after-stop yes

for n in 1 2 3 4; do
	kill -KILL "$(show facegated MainPID)"
	until_ is facegated NRestarts $n && until_ is facegated SubState running && say "facegated-after-kill-$n" yes
done
kill -KILL "$(show facegated MainPID)"
until_ is facegated ActiveState failed && say facegated-after-kill-5 failed
until_ is facegate-retry@facegated.timer ActiveState active && say retry-waits yes
systemctl is-active --quiet doord && say doord-goes-on yes
journalctl --no-pager -u doord -u facegated >/scratch/out/journal
say end yes
systemctl --no-block poweroff
