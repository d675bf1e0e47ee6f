#!/bin/sh
# Installs the Debian packages that are named and missing; quick when there are none. Services that they bring are not started, and those of podman not enabled.
set -eu

# shellcheck disable=SC2048,SC2086
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $* 2>/dev/null | sed -n 's/ installed$//p' || true)
missing=
for package; do
  case "
$installed
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "these packages are missing, and only root can install them:$missing" >&2
  exit 1
fi
echo "Installing Debian packages:$missing" >&2
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
case $missing in
  *podman*)
    for unit in podman.service podman.socket podman-restart.service podman-auto-update.service podman-auto-update.timer; do
      systemctl disable "$unit" >/dev/null 2>&1 || true
    done
    ;;
esac
