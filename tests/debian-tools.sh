#!/usr/bin/env bash
# Installs what some tests need from Debian: where it may (root and apt), else says loudly what will be skipped.
set -u
declare -A needs=([chromium]=chromium [mosquitto]=mosquitto [mbpoll]=mbpoll [gcc]=gcc)
missing=()
for tool in "${!needs[@]}"; do
  PATH="$PATH:/usr/sbin" command -v "$tool" >/dev/null || missing+=("${needs[$tool]}")
done
[ -e /usr/include/modbus/modbus.h ] || missing+=(libmodbus-dev libc6-dev)
fc-list 2>/dev/null | grep -qi 'cjk' || missing+=(fonts-noto-cjk fontconfig)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "== installing from Debian for the tests: ${missing[*]}"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"; } \
    >/tmp/gatehouse-apt.log 2>&1 && exit 0
  tail -5 /tmp/gatehouse-apt.log
fi
echo "=============================================================================="
echo "== NOT TESTED HERE: these Debian packages are missing: ${missing[*]}"
echo "== Tests that need them will be SKIPPED. Install them: apt-get install ${missing[*]}"
echo "=============================================================================="
[ "${CI:-}" = true ] && exit 1
exit 0
