#!/bin/sh
# From a bare Debian machine to a target of the Makefile: `sh setup.sh run`, `sh setup.sh test`.
# Installs make and Python's venv where they are missing, then hands over to make.
set -eu
cd "$(dirname "$0")"

missing=
command -v make > /dev/null || missing="$missing make"
python3 -c 'import venv, ensurepip' 2> /dev/null || missing="$missing python3 python3-venv"
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "setup.sh: please have these installed first:$missing" >&2
        exit 1
    fi
    # A machine that was just booted updates itself: another apt-get holds the locks for minutes.
    attempts=60
    until words=$(LC_ALL=C apt-get update --quiet=2 2>&1); do
        attempts=$((attempts - 1))
        case $words in
            *"Could not get lock"*) [ "$attempts" -gt 0 ] && sleep 5 && continue ;;
        esac
        echo "$words" >&2
        exit 1
    done
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install --option DPkg::Lock::Timeout=300 --quiet=2 --yes \
        --no-install-recommends $missing
fi
exec make "${@:-help}"
