#!/usr/bin/env bash
# Installs what the Makefile's targets need, once:  prepare.sh python | venv PYTHON DIR | slurm
set -euo pipefail

XSAR=(xsar==2026.8.31 xarray-safe-s1==2026.1.23 mapraster==2026.1.6)  # as docs/l1b.md and jobs/l1b/xsar_engine.py say

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {  # installs packages without starting their services
    local policy=/usr/sbin/policy-rc.d made=
    apt-get update -qq
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    [ -z "$made" ] || rm -f "$policy"
}

case "${1:-}" in
python)
    if root_on_debian && [ -x /usr/bin/python3 ] && new_enough /usr/bin/python3; then
        echo /usr/bin/python3
    else
        echo python3
    fi ;;
venv)
    new_enough "$2" || { echo "springline needs Python 3.11 or newer; '$2' is older (make PYTHON=...)" >&2; exit 2; }
    "$2" -c 'import ensurepip' 2>/dev/null || { root_on_debian && apt_install python3-venv; }
    [ -x "$3/bin/python" ] || "$2" -m venv "$3"
    pip=("$3/bin/python" -m pip install --quiet --disable-pip-version-check)
    # What is tested is what `springline env install` installs. pip takes hashes for everything or for nothing.
    sed -E '/^ +--hash/d; s/ \\$//' config/environment.lock >"$3/constraints.txt"
    "${pip[@]}" -c "$3/constraints.txt" -e '.[jobs,l1b,l1b-xsar,sdo,stac,test,docs]' || { echo "prepare: pip could not install '.[jobs,l1b,l1b-xsar,sdo,stac,test,docs]'" >&2; exit 1; }
    # xsar asks for GDAL's source package, which it never imports, and mapraster for an older xarray than the newest.
    "${pip[@]}" --no-deps "${XSAR[@]}" || { echo "prepare: pip could not install ${XSAR[*]}, which the tests of l1b's engine xsar need" >&2; exit 1; } ;;
slurm)
    if ! root_on_debian; then
        echo "prepare: not root on Debian or Ubuntu; the tests on the real SLURM cluster will be skipped by name" >&2
        exit 0
    fi
    missing=()
    for package in slurmctld slurmd slurm-client slurm-wlm-torque slurmdbd mariadb-server munge openssh-server \
        openssh-client iproute2 nftables util-linux procps curl tcsh fish libpam-google-authenticator \
        squashfs-tools squashfuse fuse3 zstd patchelf chromium fonts-dejavu-core fonts-liberation; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
    here=$(dirname "$0")
    "$here/apptainer.sh" "$here/../.cache/apptainer" ||
        echo "prepare: no Apptainer could be made; the tests of images will be skipped by name" >&2 ;;
*)
    echo "usage: prepare.sh python | venv PYTHON DIR | slurm" >&2; exit 2 ;;
esac
