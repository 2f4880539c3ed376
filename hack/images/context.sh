#!/bin/bash
# context.sh IMAGE… — fills dist/image/ with the files that the Dockerfile copies into these images.
# The architectures are those of TARGET_PLATFORMS; default: that of this machine.
. "$(dirname "$0")/settings.sh"
cd "$REPO"
context=dist/image
[ -f dist/program/main.js ] || die "dist/program/main.js is missing: make build"

rm -rf "$context/opt"
mkdir -p "$context/opt/kubefledged" "$context/opt/bin"
# The first line of a script can hold one option. Semi-spaces of 2 MB keep the young generation small,
# and so the resident memory of a mostly idle process.
cp -r dist/program/chunks "$context/opt/kubefledged/"
{ echo '#!/usr/local/bin/node --max-semi-space-size=2'; cat dist/program/main.js; } >"$context/opt/kubefledged/main.js"
chmod 755 "$context/opt/kubefledged/main.js"
echo '{"type":"module"}' >"$context/opt/kubefledged/package.json"
# The program chooses its subcommand by the name of the called file.
for name in controller webhook-server cri-client operator; do ln -s ../kubefledged/main.js "$context/opt/bin/kubefledged-$name"; done

# place SOURCE DESTINATION: copies a file only if it differs.
# A builder hashes a touched file again, and the files have up to 120 MB.
place() { cmp -s "$1" "$2" || install -m 755 "$1" "$2"; }
# npm_of_machine ARGUMENT…: runs npm with the machine's own Node.js, as `make deps` does.
# That Node.js trusts the machine's certificates.
npm_of_machine() { PATH=$(tr : '\n' <<<"$PATH" | grep -v -e '/hack/bin$' -e '/node_modules/\.bin$' | paste -sd: -) npm "$@"; }
# node_of ARCH: prints the path of Node.js for the architecture. npm installs only the one for this machine.
node_of() {
  local package=node-linux-${1/amd64/x64} version
  if [ ! -f "node_modules/$package/bin/node" ]; then
    version=$(node -p "require('./package.json').optionalDependencies['$package'] ?? ''")
    [ -n "$version" ] || die "There is no Node.js for linux/$1 among the optional dependencies in package.json."
    if [ ! -f "dist/$package-$version/package/bin/node" ]; then
      mkdir -p "dist/$package-$version"
      tar -xzf "$(npm_of_machine pack --silent --pack-destination dist "$package@$version" | sed 's|^|dist/|')" -C "dist/$package-$version"
    fi
    echo "dist/$package-$version/package/bin/node"
  else
    echo "node_modules/$package/bin/node"
  fi
}

# busybox_of ARCH: prints the path of a static busybox for the architecture
busybox_of() {
  local binary=dist/busybox-$1 id
  if docker_answers; then
    id=$(docker create --platform "linux/$1" "${BUSYBOX_IMAGE:-busybox:1.38.0-musl}")
    docker cp "$id:/bin/busybox" "$binary" >/dev/null
    docker rm "$id" >/dev/null
  else
    need_buildah
    binary=$CACHE/busybox-bookworm-$1
    if [ ! -s "$binary" ]; then
      mkdir -p "$CACHE"
      # The variant "extract" unpacks the package and executes none of its files.
      mmdebstrap --quiet --architectures="$1" --skip=check/qemu --variant=extract --format=tar --include=busybox-static bookworm - |
        tar -xO ./bin/busybox >"$binary.new" || die "mmdebstrap could not fetch busybox-static for $1 from Debian bookworm."
      mv "$binary.new" "$binary"
    fi
  fi
  echo "$binary"
}
# busybox_tree ARCH BINARY: lays out the files of the busybox image
busybox_tree() {
  local bin=$context/busybox-$1/bin applet
  mkdir -p "$bin"
  place "$2" "$bin/busybox"
  for applet in cp echo true sleep; do ln -sf busybox "$bin/$applet"; done
}

architectures=$(architectures)
for arch in $architectures; do
  case " $* " in
    *" busybox "*)
      busybox=$(busybox_of "$arch")
      busybox_tree "$arch" "$busybox"
      ;;
  esac
  case " $* " in
    *" operator "*)
      helm=$(hack/images/helm.sh "$arch")
      place "$helm" "$context/helm-$arch"
      ;;
  esac
  [ "$*" != busybox ] || continue
  node=$(node_of "$arch")
  place "$node" "$context/node-$arch"
done
rm -rf "$context/charts"
cp -r charts "$context/charts"
