#!/usr/bin/env bash
# Makes a real Apptainer in a directory of its own, for the tests:  apptainer.sh DIR
# Debian 12 and 13 have none, so its package comes from Debian unstable, with the libraries it was built for. Nothing of
# the machine changes: no other package is taken from there, and the programs name their own libraries.
set -euo pipefail

target=$(mkdir -p "$1" && cd "$1" && pwd -P)
[ ! -x "$target/usr/bin/apptainer" ] || exit 0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" "$target.new"' EXIT
mkdir -p "$scratch"/{lists,cache/archives}/partial "$scratch/root"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] http://deb.debian.org/debian unstable main" >"$scratch/sources.list"
options=(-qq -o "Dir::Etc::sourcelist=$scratch/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$scratch/lists" -o "Dir::Cache=$scratch/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd "$scratch/cache" && apt-get "${options[@]}" download apptainer libc6 libseccomp2 libsqlite3-0)
for package in "$scratch"/cache/*.deb; do dpkg -x "$package" "$scratch/root"; done

rm -rf "$target.new"
mkdir -p "$target.new/lib" "$target.new/usr/lib" "$target.new/usr/var/lib/apptainer/mnt/session"
libraries=$(echo "$scratch"/root/usr/lib/*-linux-gnu)
cp -aL "$libraries"/{ld-linux-*.so.*,libc.so.6,libm.so.6,libresolv.so.2,libnss_*.so.2,libseccomp.so.2,libsqlite3.so.0} \
    "$target.new/lib"
mkdir -p "$target.new/usr/lib/$(basename "$libraries")"
cp -a "$libraries/apptainer" "$target.new/usr/lib/$(basename "$libraries")/"
cp -a "$scratch/root/usr/bin" "$target.new/usr/"
mkdir "$target.new/usr/etc" && cp -a "$scratch/root/etc/apptainer" "$target.new/usr/etc/"
ln -s ../etc ../var "$target.new/usr/lib/"  # its second program looks one directory deeper
for program in "$target.new/usr/bin/apptainer" "$target.new"/usr/lib/*/apptainer/bin/starter; do
    patchelf --set-interpreter "$(echo "$target"/lib)/$(basename "$libraries"/ld-linux-*)" \
        --force-rpath --set-rpath "$target/lib" "$program"
done
rmdir "$target"
mv "$target.new" "$target"
