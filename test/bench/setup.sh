#!/bin/sh
# Brings what the benchmark needs onto a Debian machine, beyond test/setup.sh.
exec sh "$(dirname "$0")/../packages.sh" e2fsprogs time
