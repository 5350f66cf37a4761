#!/usr/bin/env bash
# Installs the programs by others that test/interop drives: two softphones, SIPp, a name server and a browser, from
# Debian; the libraries of the browser's phones, from npm; and that of another softphone, from Python's packages.
# Does nothing, in no time, where they are there already. Needs root (or sudo without a password) otherwise.
set -eu

# package=program it brings
WANTED="baresip-core=baresip linphone-cli=linphonec sip-tester=sipp chromium=chromium chromium-driver=chromedriver npm=npm knot=knotd knot-dnssecutils=kzonesign sipvicious=svwar sipsak=sipsak sofia-sip-bin=sip-options qemu-system-x86=qemu-system-x86_64 busybox-static=busybox binutils=strip"
# knotd lies where only root looks.
PATH=$PATH:/usr/sbin:/sbin
# Two phones, and what puts them and the page together.
LIBRARIES="jssip@3.13.8 sip.js@0.21.2 esbuild@0.25.12"
# The library of PJSIP, built by others. It is called by lab/pjsua.py.
WHEELS="pjsua2-python==2.15.1.post1"
MODULES=${INTEROP_MODULES:-${XDG_CACHE_HOME:-$HOME/.cache}/offhook-interop}

wheels() {
  [ "$(cat "$MODULES/python/installed" 2> /dev/null)" != "$WHEELS" ] || return 0
  echo "installing $WHEELS"
  mkdir -p "$MODULES"
  # Nothing is built here: what is not there as a wheel is not wanted.
  # shellcheck disable=SC2086
  if ! { python3 -m venv --clear "$MODULES/python" &&
    "$MODULES/python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps $WHEELS; }; then
    echo "install.sh: pip failed (is there a network?)" >&2
    exit 1
  fi
  echo "$WHEELS" > "$MODULES/python/installed"
}

libraries() {
  wheels
  [ "$(cat "$MODULES/installed" 2> /dev/null)" != "$LIBRARIES" ] || return 0
  echo "installing $LIBRARIES"
  mkdir -p "$MODULES"
  echo '{ "private": true }' > "$MODULES/package.json"
  # Word by word: each is an argument. None of them may run anything of its own.
  # shellcheck disable=SC2086
  if ! (cd "$MODULES" && npm install --silent --no-audit --no-fund --ignore-scripts $LIBRARIES); then
    echo "install.sh: npm failed (is there a network?)" >&2
    exit 1
  fi
  echo "$LIBRARIES" > "$MODULES/installed"
}

need=()
for wanted in $WANTED; do
  command -v "${wanted#*=}" > /dev/null || need+=("${wanted%=*}")
done
# Debian keeps what makes virtual environments in a package of its own.
python3 -c 'import ensurepip, venv' 2> /dev/null || need+=(python3-venv)
if [ ${#need[@]} = 0 ]; then
  libraries
  exit 0
fi

fail() {
  echo "install.sh: $1" >&2
  echo "install.sh: missing: ${need[*]}; on Debian: apt-get install ${need[*]}" >&2
  exit 1
}
command -v apt-get > /dev/null || fail "this is not a Debian machine"
as_root=()
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2> /dev/null || fail "only root installs packages, and sudo wants a password"
  as_root=(sudo -n)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -y -q -o DPkg::Lock::Timeout=600 "$@" >> "$log" 2>&1
}
echo "installing ${need[*]}"
# The package lists of a fresh machine are empty or old: fetch them only where the first try needs them.
apt install --no-install-recommends "${need[@]}" ||
  { apt update && apt install --no-install-recommends "${need[@]}"; } ||
  { tail -n 20 "$log" >&2; fail "apt-get failed (is there a network?)"; }
libraries
