#!/bin/sh
# Brings what test:kernel needs onto a Debian machine, beyond test/setup.sh. The kernel is the guest's: it comes with its root.
exec sh "$(dirname "$0")/../packages.sh" e2fsprogs mmdebstrap qemu-system-x86 tar
