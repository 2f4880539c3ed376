#!/bin/bash
# base.sh ARCH — builds a base image for linux/ARCH from Debian packages, and prints its name.
# It is for machines that cannot fetch the default base image.
# The packages are fetched once and kept in the cache.
# The image has what Node.js needs (C++ runtime, certificates), the licences, and no programs.
. "$(dirname "$0")/settings.sh"

arch=${1:?Usage: base.sh ARCH}
packages=libc6,libstdc++6,libgcc-s1,ca-certificates,base-files
suite=bookworm
recipe=$(short_hash <"${BASH_SOURCE[0]}")
image=localhost/kubefledged-base:$recipe-$arch
need_buildah
if buildah inspect --type image "$image" >/dev/null 2>&1; then
  echo "$image"
  exit 0
fi

mkdir -p "$CACHE"
tar=$CACHE/base-$recipe-$arch.tar
if [ ! -f "$tar" ]; then
  echo "Fetching Debian packages for the base image of linux/$arch (about 20 s) …" >&2
  # The variant "extract" unpacks the packages without their scripts.
  # So the image needs no shell, and the build needs no emulation.
  mmdebstrap --quiet --format=tar --architectures="$arch" --skip=check/qemu --variant=extract --skip=output/dev --include=$packages --extract-hook='
    set -eu
    cd "$1"
    printf "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n" >etc/passwd
    printf "root:x:0:\nnonroot:x:65532:\n" >etc/group
    cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt
    install -d -o 65532 -g 65532 home/nonroot
    rm -rf usr/bin/* usr/sbin/* usr/lib/ssl/misc usr/lib/*/gconv etc/apt/sources.list etc/dpkg etc/update-motd.d var/lib/dpkg var/cache/apt
    find usr/share -mindepth 1 -maxdepth 1 ! -name common-licenses ! -name doc -exec rm -rf {} +
    find usr/share/doc -type f ! -name copyright -delete
    rm -f etc/hostname etc/resolv.conf' \
    $suite "$tar.new" >&2 || die "mmdebstrap could not fetch $packages from Debian $suite."
  mv "$tar.new" "$tar"
fi
printf 'FROM scratch\nADD base.tar /\nUSER 65532:65532\n' |
  { work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cat >"$work/Dockerfile"; ln "$tar" "$work/base.tar" 2>/dev/null || cp "$tar" "$work/base.tar"
    buildah bud --isolation chroot --quiet --timestamp 0 --platform "linux/$arch" -t "$image" "$work" >&2; }
echo "$image"
