#!/bin/sh
# Brings what tests and demo need onto a Debian machine: packages, node_modules, dist. Quick when all of it is there.
set -eu
cd "$(dirname "$0")/.."

packages="
  acl apache2-utils attr buildah busybox-static ca-certificates containerd crun curl dbus docker-registry
  etcd-client etcd-server gpg gpg-agent gpgconf gpgv libcap2-bin mount openssl ostree procps python3 runc
  skopeo strace systemd systemd-container systemd-sysv tar umoci util-linux zstd
"

# shellcheck disable=SC2086
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null | sed -n 's/ installed$//p' || true)
missing=
for package in $packages; do
  case "
$installed
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
  esac
done

if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "test/setup.sh: these packages are missing, and only root can install them:$missing" >&2
    exit 1
  fi
  echo "Installing Debian packages:$missing" >&2
  # A package may bring a service; on this machine none of them is to run.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o Acquire::Retries=3 update >&2
  # shellcheck disable=SC2086
  apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --yes --no-install-recommends $missing >&2
fi

if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "Installing npm packages" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
fi

# dist/keelson is the last thing a build writes.
if [ ! -e dist/keelson ] || [ -n "$(find src unit-templates .build.ts package.json node_modules/.package-lock.json -newer dist/keelson -print -quit)" ]; then
  echo "Building dist" >&2
  node_modules/.bin/node .build.ts >&2
fi
