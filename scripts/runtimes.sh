#!/usr/bin/env bash
# Runs the demo of the packed package under the runtimes whose event loop is not libuv's, Bun and Deno. Where npm has no
# binary of one for this machine, that one is skipped.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
npm pack --silent --pack-destination "$work" >/dev/null
cd "$work"
npm init -y >/dev/null
npm install --no-audit --no-fund --ignore-scripts ./unix-ipc-*.tgz bun@1 deno@2 >/dev/null
demo=node_modules/unix-ipc/dist/cli/demo.js
node "$demo" | grep -v '^ ' >expected

# try NAME BINARY ARGUMENT ...: the same mechanisms as under Node, each to its end.
try() {
  local name=$1 binary
  shift
  binary=$(compgen -G "$1" | head -n 1) || { echo "$name: skipped, npm has no binary of it for $(uname -m)"; return 0; }
  shift
  echo "$name $("$binary" --version | head -n 1)"
  timeout 120 "$binary" "$@" "$demo" | tee output
  grep -v '^ ' output | diff expected -
}

try Bun 'node_modules/@oven/bun-linux-*/bin/bun'
try Deno 'node_modules/@deno/linux-*/deno' run --allow-all
