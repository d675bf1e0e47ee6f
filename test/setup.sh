#!/bin/sh
# Brings what tests and demo need onto a Debian machine: packages, node_modules, dist. Quick when all of it is there.
set -eu
cd "$(dirname "$0")/.."

sh test/packages.sh \
  acl apache2-utils attr buildah busybox-static ca-certificates containerd crun curl dbus dbus-user-session docker-registry \
  etcd-client etcd-server gpg gpg-agent gpgconf gpgv libcap2-bin libpam-systemd mount openssl ostree passwd podman procps \
  python3 runc skopeo strace systemd systemd-container systemd-sysv tar uidmap umoci util-linux zstd

if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "Installing npm packages" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
fi

# dist/keelson is the last thing a build writes.
if [ ! -e dist/keelson ] || [ -n "$(find src unit-templates .build.ts package.json node_modules/.package-lock.json -newer dist/keelson -print -quit)" ]; then
  echo "Building dist" >&2
  node_modules/.bin/node .build.ts >&2
fi
