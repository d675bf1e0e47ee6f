#!/bin/sh
# Runs when the machine has come up: tells how the service is, then updates it to and fro until the power is cut.
. /opt/powercut/tell.sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/keelson
unit=/etc/systemd/system/etcd.service
bundle=/var/lib/keelson/deployments/etcd/current

# healthy: until etcd has answered, thirty seconds at most.
healthy() {
  for _ in $(seq 30); do
    etcdctl --command-timeout=5s endpoint health && return
    sleep 1
  done
  return 1
}

# versions: what each part of the service says that it is.
versions() {
  pid=$(systemctl show --property=MainPID --value etcd)
  echo "unit file: $(sed -n 's/^Description=.* //p' $unit)"
  echo "unit in systemd: $(systemctl show --property=Description --value etcd | sed 's/.* //')"
  echo "config.json: $(grep -o '"VERSION_HERE=[^"]*' $bundle/config.json | sed 's/.*=//')"
  echo "rootfs: $(cat $bundle/rootfs/usr/share/etcd/version)"
  echo "tmpfiles.d: $(sed -n 's/^# //p' /etc/tmpfiles.d/keelson-etcd.conf)"
  echo "host file: $(cat /etc/etcd/version)"
  echo "process environment: $(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^VERSION_HERE=//p')"
  echo "process root: $(cat "/proc/$pid/root/usr/share/etcd/version")"
  echo "enabled by: $(cd /etc/systemd/system && echo *.wants/etcd.service)"
}

# remains: what no finished command leaves.
remains() {
  find /etc /usr/local /var/lib/keelson -xdev -name '*.keelson-new'
  for path in journal/transaction images/unswept; do
    [ ! -e /var/lib/keelson/$path ] || echo /var/lib/keelson/$path
  done
  cd /var/lib/keelson/deployments/etcd || return
  for place in *; do
    case $place in
      current) continue ;;
      *[!0-9]*) ;;
      *) [ "$place" -gt "$(readlink current)" ] || whole "$place" && continue ;;
    esac
    echo "deployment $place"
  done
}

# whole GENERATION
whole() {
  [ -s "$1/deployment.json" ] && [ -s "$1/config.json" ] && [ "$(ls "$1/rootfs/usr/share/etcd/pages" | wc -l)" = 60 ]
}

# First without anything that would help: the host has to come up by itself.
ask recover journalctl --boot --output=cat --unit=keelson-recover.service
ask active systemctl is-active etcd
ask health healthy
ask versions versions
ask counter etcdctl get --print-value-only counter
ask verify keelson verify
ask failed systemctl list-units --failed --no-legend --plain
# What nobody points at may wait for the next command.
ask settled keelson recover
ask remains remains
tell checked "$(cat /proc/uptime)"

counter=$(etcdctl get --print-value-only counter)
counter=${counter:-0}
while :; do
  counter=$((counter + 1))
  etcdctl put counter $counter >/dev/null || { tell lost "the counter was not taken"; exit 1; }
  case $(cat $bundle/rootfs/usr/share/etcd/version) in
    v1) to=v2 ;;
    *) to=v1 ;;
  esac
  tell begin "$counter $to"
  output=$(keelson update etcd --rebase oci:/opt/images/$to --soak 500ms 2>&1)
  tell end "$? $output"
done
