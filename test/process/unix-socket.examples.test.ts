import { closeSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type UnixCredentials, IpcError, UnixDatagramSocket, UnixSeqpacketSocket } from 'unix-ipc';
import { describe, expect, it, onTestFinished } from 'vitest';
import { timestamp } from '../../examples/unix-socket/syslog.js';
import { ownFolder } from '../helpers/descriptors.js';
import { examples, run } from '../helpers/examples.js';
import { Peer, nodeFile, plainEnvironment, program } from '../helpers/peers.js';
import { scale, until } from '../helpers/until.js';

const patience = { timeout: 10_000 * scale };

let names = 0;

/** A receiver of the test's own, at a path or in the abstract namespace, that is told who sends. */
function receiver(where: 'path' | 'abstract'): UnixDatagramSocket<string> {
  const address =
    where === 'path' ? join(ownFolder(), 'socket') : `\0unix-ipc-examples-${process.pid}-${names++}`;
  const socket = UnixDatagramSocket.bind(address, { codec: 'utf8', credentials: true, descriptors: true });
  onTestFinished(() => socket.close());
  return socket;
}

async function next(socket: UnixDatagramSocket<string>): Promise<[string, UnixCredentials | undefined]> {
  const { data, credentials } = await socket.receive(patience);
  return [data, credentials];
}

/** Why a program of Debian's can't be run here, or undefined where it can. */
function missing(command: string, debianPackage: string): string | undefined {
  const folders = ['/usr/sbin', '/sbin', ...(process.env['PATH'] ?? '').split(':')];
  if (folders.some((folder) => existsSync(join(folder, command)))) return undefined;
  return `${command} is not installed (Debian package ${debianPackage})`;
}

/** Whether somebody has the socket at the path open. */
function isOpen(path: string): boolean {
  try {
    UnixDatagramSocket.connect(path).close();
    return true;
  } catch (error) {
    if (error instanceof IpcError && ['ENOENT', 'ECONNREFUSED'].includes(error.code)) return false;
    throw error;
  }
}

describe('datagrams', () => {
  it('receive.js takes what send.js sends, more than wait at a time, and tells who that was', async () => {
    const folder = examples('unix-socket');
    const receiving = nodeFile(join(folder, 'receive.js'));
    expect(await receiving.line()).toMatch(/^process \d+ waits at/);
    const words = Array.from({ length: 50 }, (_, i) => `word-${i}`);
    const sending = nodeFile(join(folder, 'send.js'), ...words);
    const uid = process.getuid?.();
    for (const word of words) {
      expect(await receiving.line()).toBe(`process ${sending.pid} of user ${uid ?? -1}: { word: '${word}' }`);
    }
    expect(await receiving.line()).toContain('{ last: true }');
    const sent = await sending.exited;
    expect(sent).toMatchObject({ code: 0, stderr: '', stdout: `process ${sending.pid} sent 51 datagrams\n` });
    expect(await receiving.exited).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(folder, 'words.sock'))).toBe(false);
  });

  it('send.js says that nobody receives; receive.js starts where one was killed, and ends with Ctrl+C', async () => {
    const folder = examples('unix-socket');
    const path = join(folder, 'words.sock');
    expect(await run(folder, 'send.js', 'one')).toBe(`nobody receives at ${path}\n`);
    const killed = nodeFile(join(folder, 'receive.js'));
    await killed.line();
    killed.signal('SIGKILL');
    await killed.exited;
    expect(existsSync(path)).toBe(true);
    expect(await run(folder, 'send.js', 'one')).toBe(`nobody receives at ${path}\n`);
    const second = nodeFile(join(folder, 'receive.js'));
    await second.line();
    second.signal('SIGINT');
    expect(await second.exited).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(path)).toBe(false);
  });
});

describe('packets', () => {
  it('serve.js answers any number of ask.js', async () => {
    const folder = examples('unix-socket');
    const server = nodeFile(join(folder, 'serve.js'));
    await server.line();
    // One that stays, as if it were slow.
    const own = await UnixSeqpacketSocket.connect(join(folder, 'sums.sock'), { codec: 'json', ...patience });
    onTestFinished(() => own.close());
    const clients = await Promise.all([
      run(folder, 'ask.js', '1', '2', '30', '4'),
      run(folder, 'ask.js', '5', '6'),
    ]);
    for (const output of clients) expect(output).toContain(`is connected with process ${server.pid}`);
    expect(clients[0]).toMatch(
      /got the answer { sum: 3, from: \d+ }\n.*got the answer { sum: 34, from: \d+ }/,
    );
    expect(clients[1]).toContain(`got the answer { sum: 11, from: ${server.pid} }`);
    // A mistake of this one's ends its connection, and none else.
    await own.send({});
    expect((await own.receive(patience))?.data).toEqual({ sum: 0, from: server.pid });
    await own.send(null);
    expect(await own.receive(patience)).toBeNull();
    expect(await run(folder, 'ask.js', '7', '8')).toContain('sum: 15');
    const last = await UnixSeqpacketSocket.connect(join(folder, 'sums.sock'), patience);
    onTestFinished(() => last.close());
    server.signal('SIGINT');
    const { code, stderr, stdout } = await server.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`process ${process.pid} of user ${process.getuid?.() ?? -1} has connected`);
    expect(existsSync(join(folder, 'sums.sock'))).toBe(false);
  });

  it('serve.js is started with the first client by systemd-socket-activate', async ({ skip }) => {
    const reason = missing('systemd-socket-activate', 'systemd');
    skip(reason !== undefined, reason);
    const folder = examples('unix-socket');
    const path = join(folder, 'sums.sock');
    // It starts the server with no environment but this, and the package may be that of a sanitizer.
    const environment = Object.entries(process.env).filter(([name]) => name !== 'NODE_OPTIONS');
    const passed = environment.flatMap(([name, value]) => ['-E', `${name}=${value ?? ''}`]);
    const command = ['--seqpacket', '-l', path, ...passed, process.execPath, join(folder, 'serve.js')];
    const server = new Peer('systemd-socket-activate', command, plainEnvironment());
    await until('it listens', () => server.errors.includes(`Listening on ${path}`));
    expect(await run(folder, 'ask.js', '1', '2')).toContain(`got the answer { sum: 3, from: ${server.pid} }`);
    server.signal('SIGINT');
    expect((await server.exited).code).toBe(0);
  });

  it('share-file.js gives use-file.js a file without a name, and the end of a pipe', async () => {
    const folder = examples('unix-socket');
    const sharing = nodeFile(join(folder, 'share-file.js'));
    await sharing.line();
    const output = await run(folder, 'use-file.js');
    expect(output).toContain('the list: tea, coffee\n');
    expect(output).toMatch(new RegExp(`through the pipe: process ${sharing.pid} greets process \\d+\n$`));
    const { code, stderr, stdout } = await sharing.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/the list is now: tea, coffee, water\n$/);
    expect(existsSync(join(folder, 'share.sock'))).toBe(false);
  });
});

describe('handing a port over', () => {
  /** The old process, at a port that was free, and its address. */
  async function old(folder: string): Promise<[Peer, string]> {
    const process = nodeFile(join(folder, 'hand-over-old.js'), 0);
    const line = await process.line();
    const [, url] = /serves (http:\S+)$/.exec(line) ?? [];
    if (url === undefined) throw new Error(`the old process began with ${line}`);
    return [process, url];
  }

  it('not one of hundreds of connections is refused or reset', async () => {
    const folder = examples('unix-socket');
    const [before, url] = await old(folder);
    const client = nodeFile(join(folder, 'hand-over-client.js'), url);
    expect(await client.line()).toBe(`200 answers from process ${before.pid}`);
    const after = nodeFile(join(folder, 'hand-over-new.js'));
    expect(await after.line()).toBe(`process ${after.pid} serves now, instead of process ${before.pid}`);
    const { code, stderr, stdout } = await before.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`process ${before.pid} has handed over\n`);
    const counted = await client.exited;
    expect(counted).toMatchObject({ code: 0, stderr: '' });
    const answers = [...counted.stdout.matchAll(/^process (\d+) gave (\d+) answers$/gm)];
    expect(answers.map(([, pid]) => Number(pid))).toEqual([before.pid, after.pid]);
    for (const [, , count] of answers) expect(Number(count)).toBeGreaterThanOrEqual(200);
    expect(existsSync(join(folder, 'hand-over.sock'))).toBe(false);
  });

  it('the old process goes on where its successor fails', async () => {
    const folder = examples('unix-socket');
    const [before, url] = await old(folder);
    const failing = await UnixSeqpacketSocket.connect(join(folder, 'hand-over.sock'), patience);
    failing.close();
    expect(await (await fetch(url)).text()).toBe(`process ${before.pid}`);
    const after = nodeFile(join(folder, 'hand-over-new.js'));
    await after.line();
    expect((await before.exited).code).toBe(0);
    expect(await (await fetch(url)).text()).toBe(`process ${after.pid}`);
  });
});

describe('sd-notify.js', () => {
  function service(environment: NodeJS.ProcessEnv): Peer {
    const inherited = { ...process.env, ...environment };
    delete inherited['NODE_OPTIONS'];
    const file = join(examples('unix-socket'), 'sd-notify-service.js');
    return new Peer(process.execPath, [file], inherited);
  }

  function notifySocket({ address }: UnixDatagramSocket<string>): string {
    return String(address).replace('\0', '@');
  }

  it.each(['path', 'abstract'] as const)('the service tells what it does: %s', async (where) => {
    const systemd = receiver(where);
    const told = service({ NOTIFY_SOCKET: notifySocket(systemd), WATCHDOG_USEC: '20000' });
    const from = { pid: told.pid, uid: process.getuid?.(), gid: process.getgid?.() };
    expect(await next(systemd)).toEqual(['STATUS=opening the port', from]);
    expect(await next(systemd)).toEqual(['READY=1\nSTATUS=serving', from]);
    expect(await told.line()).toBe(`process ${told.pid} serves; systemd knows`);
    for (let beat = 0; beat < 3; beat++) expect(await next(systemd)).toEqual(['WATCHDOG=1', from]);
    told.signal('SIGTERM');
    let [last] = await next(systemd);
    while (last === 'WATCHDOG=1') [last] = await next(systemd);
    expect(last).toBe('STOPPING=1\nSTATUS=finishing requests');
    expect(await told.exited).toMatchObject({ code: 0, stderr: '' });
    expect(systemd.tryReceive()).toBeUndefined();
  });

  it('runs without systemd', async () => {
    const told = service({ NOTIFY_SOCKET: '', WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' });
    expect(await told.line()).toBe(`process ${told.pid} serves; NOTIFY_SOCKET is not set`);
    told.signal('SIGINT');
    expect(await told.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it.for(['path', 'abstract'] as const)(
    "systemd's own program sends the same: %s",
    async (where, { skip }) => {
      const reason = missing('systemd-notify', 'systemd');
      skip(reason !== undefined, reason);
      const systemd = receiver(where);
      const environment = { ...plainEnvironment(), NOTIFY_SOCKET: notifySocket(systemd) };
      const notify = new Peer('systemd-notify', ['--ready', '--status=serving'], environment);
      const [message, from] = await next(systemd);
      expect(message).toBe('READY=1\nSTATUS=serving');
      expect([process.pid, notify.pid]).toContain(from?.pid);
      expect(from).toMatchObject({ uid: process.getuid?.(), gid: process.getgid?.() });
      // It waits until whoever got this descriptor has closed it: everything before has been seen then.
      const barrier = await systemd.receive(patience);
      expect(barrier).toMatchObject({ data: 'BARRIER=1', descriptors: [expect.any(Number)] });
      barrier.descriptors.forEach((fd) => closeSync(fd));
      expect(await notify.exited).toMatchObject({ code: 0, stderr: '' });
      const told = service(environment);
      await next(systemd);
      expect((await next(systemd))[0]).toBe(message);
      told.signal('SIGTERM');
      await told.exited;
    },
  );
});

describe('syslog.js', () => {
  const head = /^<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) unix-ipc\[(\d+)\]: /;

  it('log.js sends to the socket that it is given', async () => {
    const daemon = receiver('path');
    const logging = nodeFile(
      join(examples('unix-socket'), 'log.js'),
      'warning',
      'tea is out',
      String(daemon.address),
    );
    const { data, credentials } = await daemon.receive(patience);
    const [, priority, , pid] = head.exec(data) ?? [];
    expect(data.replace(head, '')).toBe('tea is out');
    expect(Number(priority)).toBe(8 * 1 + 4);
    expect(Number(pid)).toBe(logging.pid);
    expect(credentials?.pid).toBe(logging.pid);
    expect(await logging.exited).toMatchObject({ code: 0, stdout: `process ${logging.pid} logged it\n` });
  });

  it('log.js says that nobody keeps a log', async () => {
    const path = join(ownFolder(), 'log');
    const folder = examples('unix-socket');
    expect(await run(folder, 'log.js', 'info', 'hello', path)).toBe(`nobody keeps a log at ${path}\n`);
    UnixDatagramSocket.bind(path, { unlinkOnClose: false }).close();
    expect(await run(folder, 'log.js', 'info', 'hello', path)).toBe(`nobody keeps a log at ${path}\n`);
  });

  it('has the time as C writes it', () => {
    expect(timestamp(new Date(2030, 9, 9, 7, 5, 3))).toBe('Oct  9 07:05:03');
    expect(timestamp(new Date(2030, 1, 28, 23, 59, 59))).toBe('Feb 28 23:59:59');
  });

  it('what logger(1) sends looks the same', async ({ skip }) => {
    const reason = missing('logger', 'bsdutils');
    skip(reason !== undefined, reason);
    const daemon = receiver('path');
    const path = String(daemon.address);
    const folder = examples('unix-socket');
    const logger = program('logger', '-u', path, '-t', 'unix-ipc', '-i', '-p', 'user.err', 'tea is out');
    const [theirs] = await next(daemon);
    expect(await logger.exited).toMatchObject({ code: 0, stderr: '' });
    await run(folder, 'log.js', 'err', 'tea is out', path);
    const [ours] = await next(daemon);
    const [, priority] = head.exec(theirs) ?? [];
    expect(Number(priority)).toBe(8 * 1 + 3);
    const plain = `<${priority ?? ''}>TIME unix-ipc[PID]: `;
    expect(ours.replace(head, plain)).toBe(theirs.replace(head, plain));
    expect(head.exec(ours)?.[1]).toBe(priority);
  });

  it("what the C library's syslog(3) sends looks the same", async ({ skip }) => {
    const daemon = receiver('path');
    const path = String(daemon.address);
    // It knows /dev/log only: this process gets a /dev of its own.
    const dev = `mount -t tmpfs none /dev && ln -s '${path}' /dev/log`;
    const tried = spawnSync('unshare', ['--mount', 'sh', '-c', dev], { env: plainEnvironment() });
    skip(tried.status !== 0, 'no mount namespace may be made here');
    const script = `import syslog
syslog.openlog('unix-ipc', syslog.LOG_PID, syslog.LOG_DAEMON)
syslog.syslog(syslog.LOG_INFO, 'tea is out')`;
    const python = program('unshare', '--mount', 'sh', '-c', `${dev} && exec python3 -c "$1"`, 'sh', script);
    const [theirs] = await next(daemon);
    expect(await python.exited).toMatchObject({ code: 0, stderr: '' });
    const [, priority, , pid] = head.exec(theirs) ?? [];
    expect(theirs.replace(head, '')).toBe('tea is out');
    expect([Number(priority), Number(pid)]).toEqual([8 * 3 + 6, python.pid]);
  });

  it('rsyslogd understands it', async ({ skip }) => {
    const reason = missing('rsyslogd', 'rsyslog');
    skip(reason !== undefined, reason);
    const folder = ownFolder();
    const [path, log, configuration, pidFile] = ['socket', 'log', 'conf', 'pid'].map((name) =>
      join(folder, name),
    );
    if (!path || !log || !configuration || !pidFile) return;
    writeFileSync(
      configuration,
      `global(workDirectory="${folder}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="${path}")
template(name="seen" type="string" string="%syslogfacility-text%.%syslogseverity-text% %programname% %procid%:%msg%\\n")
if $programname == "unix-ipc" then action(type="omfile" file="${log}" template="seen")
`,
    );
    const daemon = program('rsyslogd', '-n', '-f', configuration, '-i', pidFile);
    await until('rsyslogd listens', () => isOpen(path));
    const examplesFolder = examples('unix-socket');
    const logging = nodeFile(join(examplesFolder, 'log.js'), 'warning', 'the tea is out: buy more', path);
    const { stdout } = await logging.exited;
    expect(stdout).toBe(`process ${logging.pid} logged it\n`);
    await until('rsyslogd has written it', () => existsSync(log) && readFileSync(log, 'utf8').endsWith('\n'));
    expect(readFileSync(log, 'utf8')).toBe(
      `user.warning unix-ipc ${logging.pid}: the tea is out: buy more\n`,
    );
    daemon.signal('SIGTERM');
    await daemon.exited;
    // What it leaves behind is a socket file, after which messages are not taken any more.
    expect(await run(examplesFolder, 'log.js', 'info', 'hello', path)).toContain('nobody keeps a log');
  });
});

describe('the exercise', () => {
  it.each([
    ['exercise-receive.js', 'exercise-send.js'],
    ['exercise-receive-class.js', 'exercise-send-class.js'],
    ['exercise-receive.js', 'exercise-send-class.js'],
    ['exercise-receive-class.js', 'exercise-send.js'],
  ])('%s and %s', async (receive, send) => {
    const folder = examples('unix-socket');
    const receiving = nodeFile(join(folder, receive));
    expect(await receiving.line()).toMatch(/^process \d+ waits at/);
    await run(folder, send);
    const { code, stderr, stdout } = await receiving.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/\nprocess \d+ received: hello from process \d+\n$/);
    expect(readdirSync(folder).filter((name) => name.endsWith('.sock'))).toEqual([]);
  });

  it.each(['exercise-receive.js', 'exercise-receive-class.js'])(
    '%s starts where one was killed',
    async (file) => {
      const folder = examples('unix-socket');
      const killed = nodeFile(join(folder, file));
      await killed.line();
      killed.signal('SIGKILL');
      await killed.exited;
      const receiving = nodeFile(join(folder, file));
      await receiving.line();
      await run(folder, 'exercise-send.js');
      expect((await receiving.exited).stdout).toMatch(/received: hello/);
    },
  );
});
