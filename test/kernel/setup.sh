#!/bin/sh
# Brings what test:kernel needs onto a Debian machine, beyond test/setup.sh. The kernel is the guest's: it comes with its root.
set -eu

packages="e2fsprogs mmdebstrap qemu-system-x86 tar"

missing=
for package in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "test/kernel/setup.sh: these packages are missing, and only root can install them:$missing" >&2
  exit 1
fi
echo "Installing Debian packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Acquire::Retries=3 update >&2
# shellcheck disable=SC2086
apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --yes --no-install-recommends $missing >&2
