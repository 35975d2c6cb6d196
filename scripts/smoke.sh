#!/usr/bin/env bash
# Packs the package and tries it as a newcomer: installed in an empty project, imported, required, its README's programs
# run; and on a machine without a fitting binary.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
npm pack --silent --pack-destination "$work" >/dev/null
cd "$work"
npm init -y >/dev/null
npm install --no-audit --no-fund ./unix-ipc-*.tgz

ls node_modules | grep -vx unix-ipc && { echo 'the package has run-time dependencies'; exit 1; }

cat >esm.mjs <<'END'
import { IPC_PRIVATE, SysvMessageQueue } from 'unix-ipc';
import { msgctl, IPC_RMID } from 'unix-ipc/sys';
const queue = SysvMessageQueue.open(IPC_PRIVATE, { codec: 'json' });
await queue.send({ hello: 'world' }, { type: 7 });
const { type, data } = await queue.receive();
msgctl(queue.id, IPC_RMID);
if (type !== 7 || data.hello !== 'world') throw new Error('another message came back');
END
node esm.mjs
node -e "const { msgget, msgctl, IPC_RMID } = require('unix-ipc/sys'); msgctl(msgget(0, 0o600), IPC_RMID)" 2>&1

# The README's two programs, as they stand there, but for a key of this run's own.
key=$((RANDOM << 15 | RANDOM | 1 << 30))
awk '/^```js/ { block = 1; next } /^```/ { block = 0 } block && /^\/\/ [a-z]+\.mjs$/ { file = $2 } block && file { print > file }' \
  "$root/README.md"
sed -i "s/0x1234/$key/" receive.mjs send.mjs
node receive.mjs >received &
receiver=$!
node send.mjs
wait "$receiver"
grep -q 'order: 7' received && grep -q 'last: true' received

# Without a binary: the error names what was looked for and the command, and the command works.
rm -r node_modules/unix-ipc/prebuilds
if node esm.mjs 2>error; then echo 'loaded without a binary'; exit 1; fi
grep -q 'prebuilds/linux-' error
command=$(grep -o 'npm explore unix-ipc -- .*' error)
$command >build.log 2>&1 || { cat build.log; exit 1; }
node esm.mjs
echo 'the packed tarball works'
