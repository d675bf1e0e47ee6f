#!/bin/sh
# The machine's first program: tells what the last cut has left, before anything else runs, and makes way for systemd.
mount -t devtmpfs devtmpfs /dev
exec 3>&1 >/dev/ttyS1
. /opt/powercut/tell.sh
cd /var/lib/keelson || exit

traces=
trace() {
  [ ! -e "$2" ] || traces="$traces $1"
}
trace staging repo/tmp/staging
trace unswept images/unswept
current=$(readlink deployments/etcd/current)
for place in deployments/etcd/*; do
  case ${place##*/} in
    *.new) trace beside "$place" ;;
    current) ;;
    *) [ "${place##*/}" -le "$current" ] || trace next "$place" ;;
  esac
done
trace journal journal/transaction
tell found "current=$(cat "deployments/etcd/$current/rootfs/usr/share/etcd/version") unit=$(sed -n 's/^Description=.* //p' /etc/systemd/system/etcd.service)$traces"

exec >&3 3>&-
exec /sbin/init
