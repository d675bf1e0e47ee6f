#!/bin/sh
# Brings what the benchmark needs onto a Debian machine, beyond test/setup.sh. podman's own services stay off.
set -eu

packages="e2fsprogs podman time"

missing=
for package in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "test/bench/setup.sh: these packages are missing, and only root can install them:$missing" >&2
  exit 1
fi
echo "Installing Debian packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Acquire::Retries=3 update >&2
# shellcheck disable=SC2086
apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --yes --no-install-recommends $missing >&2
case $missing in
  *podman*)
    for unit in podman.service podman.socket podman-restart.service podman-auto-update.service podman-auto-update.timer; do
      systemctl disable "$unit" >/dev/null 2>&1 || true
    done
    ;;
esac
