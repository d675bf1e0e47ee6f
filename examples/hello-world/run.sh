#!/bin/busybox sh
# The shell stays process 1: busybox's httpd has no handler for SIGTERM, and process 1 is spared signals without one.
set -eu
busybox mkdir -p /tmp/www
printf 'Hello %s\n' "${RECEIVER:-World}" > /tmp/www/index.html
busybox httpd -f -p "${PORT:-8081}" -h /tmp/www &
server=$!
trap 'kill $server; exit 0' TERM INT
wait $server
