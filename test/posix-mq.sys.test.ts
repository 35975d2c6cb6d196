// The calls of <mqueue.h> one by one: what they do, and a table of their errors.
import { existsSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as sys from 'unix-ipc/sys';
import { compiled } from './helpers/compile.js';
import {
  closeOwn,
  closedFd,
  exhaustedPeer,
  flagsOf,
  interruptedPeer,
  ownFd,
  ownPipe,
  targetOf,
} from './helpers/descriptors.js';
import { type Failure, failure, systemError } from './helpers/failures.js';
import { asleepIn, mayExceedLimits } from './helpers/kernel.js';
import { noSecondUser, nodePeer, nodePeerUnder, otherUser, program } from './helpers/peers.js';
import {
  changeMqueueSetting,
  maxQueueBytes,
  mqueueSetting,
  mqueueSettingsAreFixed,
  noMqueueMount,
  ownName,
  queueFile,
  unusedName,
  whereMounted,
} from './helpers/posix-queues.js';
import { until } from './helpers/until.js';
import { loose, refusal, refuses, wrong } from './helpers/wrong-arguments.js';

const { FD_CLOEXEC, F_GETFD, F_GETFL, F_SETFL, MQ_PRIO_MAX, O_CLOEXEC, O_CREAT, O_EXCL, O_NONBLOCK } = sys;
const { O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLNVAL, POLLOUT, SIGEV_NONE, SIGEV_SIGNAL } = sys;

const SIGUSR2 = 12;
const past = { tv_sec: 0, tv_nsec: 0 };

/** The absolute time so many milliseconds from now. */
function fromNow(milliseconds: number): sys.timespec {
  const time = Date.now() + milliseconds;
  return { tv_sec: Math.floor(time / 1000), tv_nsec: (time % 1000) * 1_000_000 };
}
const far = fromNow(3_600_000);

interface Shape {
  flags?: number;
  name?: string;
  maxmsg?: number;
  msgsize?: number;
  mode?: number;
}

/** A new small queue of the test's own, opened for both. RLIMIT_MSGQUEUE holds for all queues of a user together. */
function newQueue({
  flags = O_RDWR,
  name = unusedName(),
  maxmsg = 4,
  msgsize = 32,
  mode = 0o600,
}: Shape = {}): number {
  const attr = { mq_maxmsg: maxmsg, mq_msgsize: msgsize };
  return ownFd(sys.mq_open(name, O_CREAT | O_EXCL | O_CLOEXEC | flags, mode, attr));
}

function fullQueue(shape: Shape = {}): number {
  const mqdes = newQueue({ maxmsg: 2, ...shape });
  sys.mq_send(mqdes, 'full');
  sys.mq_send(mqdes, 'full');
  return mqdes;
}

function waiting(mqdes: number): number {
  return sys.mq_getattr(mqdes).mq_curmsgs;
}

/** Descriptors that are none, and one that is of another kind. */
function noQueues(): number[] {
  return [-1, -(2 ** 31), 2 ** 31 - 1, closedFd(), ownPipe()[0]];
}

const names: [code: 'EINVAL' | 'ENOENT' | 'EACCES' | 'ENAMETOOLONG', what: string, name: string][] = [
  ['EINVAL', 'an empty name', ''],
  ['EINVAL', 'a name without a slash', 'unix-ipc-test'],
  ['EINVAL', 'a name with a slash at its end alone', 'unix-ipc-test/'],
  ['ENOENT', 'a slash alone', '/'],
  ['EACCES', 'a second slash', '/unix-ipc-test/second'],
  ['EACCES', 'two slashes', '//unix-ipc-test'],
  ['EACCES', 'a slash at the end', '/unix-ipc-test/'],
  ['EACCES', 'a dot', '/.'],
  ['EACCES', 'two dots', '/..'],
  ['ENAMETOOLONG', '256 bytes after the slash', `/${'n'.repeat(256)}`],
  ['ENAMETOOLONG', '256 bytes of 128 characters', `/${'ü'.repeat(128)}`],
  ['ENAMETOOLONG', '5000 bytes', `/${'n'.repeat(5000)}`],
];

describe('constants', () => {
  it('are those of the headers that a C program is compiled with', async () => {
    const { code, stdout } = await program(compiled('sys-constants'), 'mqueue').exited;
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const [name = '', value] = line.split(' ');
      expect(sys).toHaveProperty(name, Number(value));
    }
  });
});

describe('mq_open', () => {
  it.each([
    ['O_RDONLY', O_RDONLY],
    ['O_WRONLY', O_WRONLY],
    ['O_RDWR', O_RDWR],
    ['O_RDWR | O_NONBLOCK', O_RDWR | O_NONBLOCK],
  ])('makes a queue with %s and gives a descriptor that exec closes', (_what, flags) => {
    const name = unusedName();
    const mqdes = ownFd(sys.mq_open(name, O_CREAT | O_EXCL | flags, 0o600, { mq_maxmsg: 1, mq_msgsize: 8 }));
    expect(targetOf(mqdes)).toBe(name);
    expect(flagsOf(mqdes)).toBe(flags | O_CLOEXEC);
    expect(sys.mq_getattr(mqdes)).toEqual({
      mq_flags: flags & O_NONBLOCK,
      mq_maxmsg: 1,
      mq_msgsize: 8,
      mq_curmsgs: 0,
    });
  });

  it('finds a queue that is there, with O_CREAT and without, and leaves its shape as it is', () => {
    const name = unusedName();
    const first = newQueue({ name });
    sys.mq_send(first, 'for all');
    const second = ownFd(sys.mq_open(name, O_RDWR));
    const third = ownFd(sys.mq_open(name, O_CREAT | O_RDONLY, 0o600, { mq_maxmsg: 1, mq_msgsize: 1 }));
    for (const mqdes of [second, third]) {
      expect(sys.mq_getattr(mqdes)).toMatchObject({ mq_maxmsg: 4, mq_msgsize: 32, mq_curmsgs: 1 });
    }
    expect(sys.mq_receive(third).msg.toString()).toBe('for all');
    expect(waiting(first)).toBe(0);
  });

  it('gives what a C program made, and a C program what it made', async () => {
    const theirs = unusedName();
    expect(await program(compiled('posix-mq-peer'), 'make', theirs, 3, 77, '600').exited).toMatchObject({
      code: 0,
    });
    expect(sys.mq_getattr(ownFd(sys.mq_open(theirs, O_RDONLY)))).toMatchObject({
      mq_maxmsg: 3,
      mq_msgsize: 77,
    });
    const ours = unusedName();
    sys.mq_send(newQueue({ name: ours, maxmsg: 5, msgsize: 99 }), 'one');
    const { stdout } = await program(compiled('posix-mq-peer'), 'show', ours).exited;
    expect(stdout).toBe('5 99 1\n');
  });

  it('takes a name of 255 bytes after the slash, and any byte but a slash in it', () => {
    for (const name of [`/${'n'.repeat(255)}`, `/${'ü'.repeat(127)}`, '/unix-ipc grüße €\n\\:*']) {
      const own = ownName(name);
      expect(failure(() => sys.mq_open(own, O_RDWR)).code).toBe('ENOENT');
      const mqdes = newQueue({ name: own });
      expect(targetOf(mqdes)).toBe(own);
      closeOwn(mqdes);
      sys.mq_unlink(own);
    }
  });

  describe('without members of attr', () => {
    /** Both defaults at once may be more than a user may have. */
    function room(bytes: number): string | undefined {
      return maxQueueBytes() < 2 * bytes ? 'RLIMIT_MSGQUEUE is too low' : undefined;
    }
    const least = (name: 'msg' | 'msgsize'): number =>
      Math.min(mqueueSetting(`${name}_default`), mqueueSetting(`${name}_max`));

    it.each([
      ['no attr', undefined],
      ['an empty attr', {}],
      ['undefined members', { mq_maxmsg: undefined, mq_msgsize: undefined }],
    ])("gives the system's default for %s", (_what, attr) => {
      const mqdes = ownFd(loose('mq_open', [unusedName(), O_CREAT | O_RDWR, 0o600, attr]) as number);
      expect(sys.mq_getattr(mqdes)).toEqual({
        mq_flags: 0,
        mq_maxmsg: least('msg'),
        mq_msgsize: least('msgsize'),
        mq_curmsgs: 0,
      });
    });

    it("gives the system's default for each that is left out", () => {
      const first = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600, { mq_maxmsg: 3 }));
      expect(sys.mq_getattr(first)).toMatchObject({ mq_maxmsg: 3, mq_msgsize: least('msgsize') });
      const second = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600, { mq_msgsize: 11 }));
      expect(sys.mq_getattr(second)).toMatchObject({ mq_maxmsg: least('msg'), mq_msgsize: 11 });
    });

    it('gives a default that was changed', ({ skip }) => {
      const reason = mqueueSettingsAreFixed() ?? room(100_000);
      skip(reason !== undefined, reason);
      changeMqueueSetting('msg_default', 7);
      changeMqueueSetting('msgsize_default', 1234);
      const none = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600));
      expect(sys.mq_getattr(none)).toMatchObject({ mq_maxmsg: 7, mq_msgsize: 1234 });
      const one = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600, { mq_maxmsg: 2 }));
      expect(sys.mq_getattr(one)).toMatchObject({ mq_maxmsg: 2, mq_msgsize: 1234 });
      const other = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600, { mq_msgsize: 8 }));
      expect(sys.mq_getattr(other)).toMatchObject({ mq_maxmsg: 7, mq_msgsize: 8 });
    });

    it('gives no more than the limit where the default is over it', ({ skip }) => {
      const reason = mqueueSettingsAreFixed();
      skip(reason !== undefined, reason);
      changeMqueueSetting('msg_default', 9);
      changeMqueueSetting('msg_max', 4);
      changeMqueueSetting('msgsize_default', 900);
      changeMqueueSetting('msgsize_max', 500);
      const none = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600));
      expect(sys.mq_getattr(none)).toMatchObject({ mq_maxmsg: 4, mq_msgsize: 500 });
      const one = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600, { mq_maxmsg: 2 }));
      expect(sys.mq_getattr(one)).toMatchObject({ mq_maxmsg: 2, mq_msgsize: 500 });
      const other = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600, { mq_msgsize: 8 }));
      expect(sys.mq_getattr(other)).toMatchObject({ mq_maxmsg: 4, mq_msgsize: 8 });
    });
  });

  it('ignores mq_flags and mq_curmsgs of attr', () => {
    const attr = { mq_flags: O_NONBLOCK, mq_maxmsg: 2, mq_msgsize: 8, mq_curmsgs: 2 };
    const mqdes = ownFd(sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600, attr));
    expect(sys.mq_getattr(mqdes)).toEqual({ mq_flags: 0, mq_maxmsg: 2, mq_msgsize: 8, mq_curmsgs: 0 });
  });

  it('gives the queue the mode less the umask, 0600 where none is given', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const before = process.umask(0o027);
    onTestFinished(() => {
      process.umask(before);
    });
    const given = unusedName();
    newQueue({ name: given, mode: 0o666 });
    const left = unusedName();
    ownFd(sys.mq_open(left, O_CREAT | O_RDWR, undefined, { mq_maxmsg: 1, mq_msgsize: 1 }));
    const { stdout } = await program(...whereMounted(`stat -c %a .${given} .${left}`)).exited;
    expect(stdout).toBe('640\n600\n');
  });

  it.each(names)('fails with %s for %s', (code, _what, name) => {
    for (const flags of [O_RDWR, O_CREAT | O_RDWR]) {
      const attr = { mq_maxmsg: 1, mq_msgsize: 1 };
      expect(failure(() => sys.mq_open(name, flags, 0o600, attr))).toMatchObject({
        ...systemError(code, 'mq_open'),
        path: name,
      });
    }
  });

  it('fails with ENOENT where there is no queue and O_CREAT is not given', () => {
    const name = unusedName();
    expect(failure(() => sys.mq_open(name, O_RDWR))).toMatchObject({
      ...systemError('ENOENT', 'mq_open'),
      path: name,
    });
  });

  it('fails with EEXIST where there is one and O_CREAT and O_EXCL are given', () => {
    const name = unusedName();
    newQueue({ name });
    expect(failure(() => sys.mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0o600))).toMatchObject({
      ...systemError('EEXIST', 'mq_open'),
      path: name,
    });
  });

  it.each([
    ['O_RDWR where it may be read', 0o444, O_RDWR],
    ['O_WRONLY where it may be read', 0o444, O_WRONLY],
    ['O_RDONLY where it may be written', 0o222, O_RDONLY],
  ])('fails with EACCES for %s alone', async (_what, mode, flags) => {
    const peer = await unprivileged();
    const before = process.umask(0);
    onTestFinished(() => {
      process.umask(before);
    });
    const name = unusedName();
    newQueue({ name, mode });
    expect(await peer.failure('sys.mq_open', name, flags)).toMatchObject({
      ...systemError('EACCES', 'mq_open'),
      path: name,
    });
  });

  it.each([
    ['mq_maxmsg of 0', { mq_maxmsg: 0, mq_msgsize: 8 }],
    ['mq_msgsize of 0', { mq_maxmsg: 1, mq_msgsize: 0 }],
    ['mq_maxmsg of -1', { mq_maxmsg: -1, mq_msgsize: 8 }],
    ['mq_msgsize of -1', { mq_maxmsg: 1, mq_msgsize: -1 }],
    ['mq_maxmsg over every limit', { mq_maxmsg: 65_537, mq_msgsize: 1 }],
    ['mq_msgsize over every limit', { mq_maxmsg: 1, mq_msgsize: 2 ** 24 + 1 }],
    ['mq_maxmsg of 2^53 - 1', { mq_maxmsg: Number.MAX_SAFE_INTEGER, mq_msgsize: 1 }],
    ['mq_maxmsg of 0 alone', { mq_maxmsg: 0 }],
    ['mq_msgsize of -1 alone', { mq_msgsize: -1 }],
  ])('fails with EINVAL for %s and makes no queue', (_what, attr) => {
    const name = unusedName();
    expect(failure(() => sys.mq_open(name, O_CREAT | O_RDWR, 0o600, attr))).toMatchObject({
      ...systemError('EINVAL', 'mq_open'),
      path: name,
    });
    expect(failure(() => sys.mq_open(name, O_RDWR)).code).toBe('ENOENT');
  });

  it('fails with EINVAL over msg_max and msgsize_max without CAP_SYS_RESOURCE', ({ skip }) => {
    skip(mayExceedLimits(), 'CAP_SYS_RESOURCE may go over these limits');
    const over = [
      { mq_maxmsg: mqueueSetting('msg_max') + 1, mq_msgsize: 1 },
      { mq_maxmsg: 1, mq_msgsize: mqueueSetting('msgsize_max') + 1 },
    ];
    for (const attr of over) {
      expect(failure(() => sys.mq_open(unusedName(), O_CREAT | O_RDWR, 0o600, attr))).toMatchObject(
        systemError('EINVAL', 'mq_open'),
      );
    }
  });

  it('takes as many as msg_max and as large as msgsize_max', () => {
    const many = newQueue({ maxmsg: mqueueSetting('msg_max'), msgsize: 1 });
    const large = newQueue({ maxmsg: 1, msgsize: mqueueSetting('msgsize_max') });
    const text = Buffer.alloc(mqueueSetting('msgsize_max'), 'l');
    sys.mq_send(large, text);
    expect(sys.mq_receive(large).msg.equals(text)).toBe(true);
    expect(sys.mq_getattr(many).mq_maxmsg).toBe(mqueueSetting('msg_max'));
  });

  it('fails with ENOSPC where the namespace has all the queues it may have', async ({ skip }) => {
    const reason = mayExceedLimits()
      ? 'CAP_SYS_RESOURCE may go over queues_max'
      : (mqueueSettingsAreFixed() ?? noMqueueMount());
    skip(reason !== undefined, reason);
    const name = unusedName();
    const { stdout } = await program(...whereMounted('ls -A | wc -l')).exited;
    changeMqueueSetting('queues_max', Number(stdout));
    expect(failure(() => newQueue({ name }))).toMatchObject({
      ...systemError('ENOSPC', 'mq_open'),
      path: name,
    });
  });

  it('fails with EMFILE over RLIMIT_MSGQUEUE', async () => {
    const peer = await nodePeerUnder('prlimit', '--msgqueue=100');
    const name = unusedName();
    const attr = { mq_maxmsg: 5, mq_msgsize: 100 };
    expect(await peer.failure('sys.mq_open', name, O_CREAT | O_RDWR, 0o600, attr)).toMatchObject({
      ...systemError('EMFILE', 'mq_open'),
      path: name,
    });
  });

  it('fails with EMFILE where the process has no descriptor left', async () => {
    const name = unusedName();
    newQueue({ name });
    const peer = await exhaustedPeer();
    expect(await peer.failure('sys.mq_open', name, O_RDWR)).toMatchObject(systemError('EMFILE', 'mq_open'));
  });

  describe('makes no queue and', () => {
    const made = ([name]: unknown[]): unknown =>
      expect(failure(() => sys.mq_open(name as string, O_RDONLY)).code).toBe('ENOENT');
    refuses(
      'mq_open',
      { name: 'string', oflag: 'int', mode: 'unsigned?', attr: 'object?' },
      () => [unusedName(), O_CREAT | O_RDWR, 0o600, { mq_maxmsg: 1, mq_msgsize: 8 }],
      made,
    );
    it.each(
      ['mq_maxmsg', 'mq_msgsize'].flatMap((member) =>
        wrong('long').map(([what, code, value]) => [what, member, code, value] as const),
      ),
    )('refuses %s as %s by %s', (_what, member, code, value) => {
      const attr = { mq_maxmsg: 1, mq_msgsize: 8, [member]: value };
      const name = unusedName();
      expect(failure(() => loose('mq_open', [name, O_CREAT | O_RDWR, 0o600, attr]))).toMatchObject(
        refusal(code),
      );
      made([name]);
    });
    it('passes on an error that a getter of attr throws', () => {
      const attr = {
        get mq_maxmsg(): never {
          throw new RangeError('from the getter');
        },
      };
      const name = unusedName();
      expect(failure(() => sys.mq_open(name, O_CREAT | O_RDWR, 0o600, attr)).message).toBe('from the getter');
      made([name]);
    });
  });
});

/** A Node process that the permissions of a queue hold for: for root's own they do not. */
async function unprivileged(): ReturnType<typeof otherUser> {
  if (process.getuid?.() !== 0) return nodePeer();
  if (noSecondUser() === undefined) return otherUser();
  return nodePeerUnder('setpriv', '--bounding-set=-all', '--inh-caps=-all');
}

describe('mq_close', () => {
  it('gives nothing back and closes the descriptor, as close() does', () => {
    const name = unusedName();
    const attr = { mq_maxmsg: 1, mq_msgsize: 8 };
    for (const call of ['mq_close', 'close']) {
      const mqdes = sys.mq_open(name, O_CREAT | O_RDWR, 0o600, attr);
      expect(loose(call, [mqdes])).toBeUndefined();
      expect(targetOf(mqdes)).toBeUndefined();
      expect(failure(() => sys.mq_close(mqdes))).toMatchObject(systemError('EBADF', 'mq_close'));
      expect(failure(() => sys.mq_getattr(mqdes))).toMatchObject(systemError('EBADF', 'mq_getattr'));
    }
  });

  it('leaves the queue and its messages', () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    sys.mq_send(mqdes, 'kept');
    closeOwn(mqdes);
    expect(sys.mq_receive(ownFd(sys.mq_open(name, O_RDONLY))).msg.toString()).toBe('kept');
  });

  it('fails with EBADF for a descriptor that is not open', () => {
    for (const fd of [-1, -(2 ** 31), 2 ** 31 - 1, closedFd()]) {
      expect(failure(() => sys.mq_close(fd))).toMatchObject(systemError('EBADF', 'mq_close'));
    }
  });

  refuses('mq_close', { mqdes: 'int' }, () => [-1]);
});

describe('mq_unlink', () => {
  it('gives nothing back and takes the name away, while the queue stays for those who have it', () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    expect(loose('mq_unlink', [name])).toBeUndefined();
    expect(failure(() => sys.mq_open(name, O_RDWR)).code).toBe('ENOENT');
    sys.mq_send(mqdes, 'still');
    expect(sys.mq_receive(mqdes).msg.toString()).toBe('still');
    const second = newQueue({ name });
    sys.mq_send(second, 'another');
    expect(waiting(mqdes)).toBe(0);
  });

  it('fails with ENOENT where there is no queue, a second time too', () => {
    const name = unusedName();
    const expected = { ...systemError('ENOENT', 'mq_unlink'), path: name };
    expect(failure(() => sys.mq_unlink(name))).toMatchObject(expected);
    newQueue({ name });
    sys.mq_unlink(name);
    expect(failure(() => sys.mq_unlink(name))).toMatchObject(expected);
  });

  it.each(names)('fails with %s for %s', (code, _what, name) => {
    expect(failure(() => sys.mq_unlink(name))).toMatchObject({
      ...systemError(code, 'mq_unlink'),
      path: name,
    });
  });

  it("fails with EACCES for another user's queue", async ({ skip }) => {
    const reason = noSecondUser();
    skip(reason !== undefined, reason);
    const name = unusedName();
    newQueue({ name, mode: 0o666 });
    const peer = await otherUser();
    expect(await peer.failure('sys.mq_unlink', name)).toMatchObject({
      ...systemError('EACCES', 'mq_unlink'),
      path: name,
    });
    ownFd(sys.mq_open(name, O_RDWR));
  });

  refuses('mq_unlink', { name: 'string' }, () => [unusedName()]);
});

describe('mq_getattr', () => {
  it('gives every member under its C name', () => {
    const mqdes = newQueue({ flags: O_RDWR | O_NONBLOCK, maxmsg: 3, msgsize: 17 });
    sys.mq_send(mqdes, 'one');
    sys.mq_send(mqdes, 'two');
    expect(sys.mq_getattr(mqdes)).toEqual({
      mq_flags: O_NONBLOCK,
      mq_maxmsg: 3,
      mq_msgsize: 17,
      mq_curmsgs: 2,
    });
  });

  it('fails with EBADF for what is no message queue', () => {
    for (const fd of noQueues()) {
      expect(failure(() => sys.mq_getattr(fd))).toMatchObject(systemError('EBADF', 'mq_getattr'));
    }
  });

  refuses('mq_getattr', { mqdes: 'int' }, () => [-1]);
});

describe('mq_setattr', () => {
  it('sets O_NONBLOCK and takes it away, and gives what was before', () => {
    const mqdes = newQueue();
    sys.mq_send(mqdes, 'x');
    const before = { mq_flags: 0, mq_maxmsg: 4, mq_msgsize: 32, mq_curmsgs: 1 };
    expect(sys.mq_setattr(mqdes, { mq_flags: O_NONBLOCK })).toEqual(before);
    expect(flagsOf(mqdes)).toBe(O_RDWR | O_NONBLOCK | O_CLOEXEC);
    expect(sys.mq_setattr(mqdes, { mq_flags: 0 })).toEqual({ ...before, mq_flags: O_NONBLOCK });
    expect(sys.mq_getattr(mqdes)).toEqual(before);
  });

  it('takes what mq_getattr gave, and changes nothing but the flags', () => {
    const mqdes = newQueue();
    const before = sys.mq_getattr(mqdes);
    sys.mq_setattr(mqdes, { ...before, ...{ mq_maxmsg: 1, mq_msgsize: 1, mq_curmsgs: 1 } });
    expect(sys.mq_getattr(mqdes)).toEqual(before);
  });

  it('holds for every descriptor of one opening, and for no other', () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const copy = ownFd(sys.dup(mqdes));
    const other = ownFd(sys.mq_open(name, O_RDWR));
    sys.mq_setattr(copy, { mq_flags: O_NONBLOCK });
    expect(sys.mq_getattr(mqdes).mq_flags).toBe(O_NONBLOCK);
    expect(sys.mq_getattr(other).mq_flags).toBe(0);
  });

  it.each([1, sys.O_APPEND, O_NONBLOCK | 1, 2 ** 40, -1])(
    'fails with EINVAL for mq_flags of %d',
    (mq_flags) => {
      const mqdes = newQueue();
      expect(failure(() => sys.mq_setattr(mqdes, { mq_flags }))).toMatchObject(
        systemError('EINVAL', 'mq_setattr'),
      );
      expect(sys.mq_getattr(mqdes).mq_flags).toBe(0);
    },
  );

  it('fails with EBADF for what is no message queue', () => {
    for (const fd of noQueues()) {
      expect(failure(() => sys.mq_setattr(fd, { mq_flags: 0 }))).toMatchObject(
        systemError('EBADF', 'mq_setattr'),
      );
    }
  });

  describe('changes nothing and', () => {
    const type = 'ERR_INVALID_ARG_TYPE';
    refuses(
      'mq_setattr',
      {
        mqdes: 'int',
        newattr: [
          ...wrong('object'),
          ['undefined', type, undefined],
          ['an empty object', type, {}],
          ...wrong('long').map(([what, code, value]): [string, string, unknown] => [
            `${what} as mq_flags`,
            code,
            { mq_flags: value },
          ]),
        ],
      },
      () => [newQueue(), { mq_flags: O_NONBLOCK }],
      ([mqdes]) => expect(sys.mq_getattr(mqdes as number).mq_flags).toBe(0),
    );
  });
});

describe.each([
  ['mq_send', (): unknown[] => []],
  ['mq_timedsend', (): unknown[] => [far]],
] as const)('%s', (call, time) => {
  function send(mqdes: number, msg: sys.Bytes, prio = 0): unknown {
    return loose(call, [mqdes, msg, prio, ...time()]);
  }

  it('gives nothing back and puts the message in the queue', () => {
    const mqdes = newQueue();
    expect(send(mqdes, 'hello')).toBeUndefined();
    expect(queueFile(mqdes).bytes).toBe(5);
    expect(sys.mq_receive(mqdes)).toEqual({ msg: Buffer.from('hello'), prio: 0 });
  });

  it.each([
    ['a string as UTF-8', 'grüße €', Buffer.from('grüße €')],
    ['a string with a NUL', 'a\0b', Buffer.from([97, 0, 98])],
    ['a Uint8Array', Uint8Array.of(0, 255, 1), Buffer.from([0, 255, 1])],
    ['only what the view shows', new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4), Buffer.from([2, 3, 4])],
    ['a Buffer out of the pool', Buffer.from('pooled'), Buffer.from('pooled')],
    ['no bytes at all', new Uint8Array(0), Buffer.alloc(0)],
    ['an empty string', '', Buffer.alloc(0)],
    ['exactly mq_msgsize bytes', 'm'.repeat(32), Buffer.alloc(32, 'm')],
  ])('sends %s', (_what, msg, expected) => {
    const mqdes = newQueue();
    send(mqdes, msg);
    expect(waiting(mqdes)).toBe(1);
    expect(sys.mq_receive(mqdes).msg).toEqual(expected);
  });

  it.each([0, 1, 31, 32, 32_766, MQ_PRIO_MAX - 1])('sends with the priority %d', (prio) => {
    const mqdes = newQueue();
    send(mqdes, 'x', prio);
    expect(sys.mq_receive(mqdes).prio).toBe(prio);
  });

  it.each([MQ_PRIO_MAX, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])(
    'fails with EINVAL for the priority %d',
    (prio) => {
      const mqdes = newQueue();
      expect(failure(() => send(mqdes, 'x', prio))).toMatchObject(systemError('EINVAL', call));
      expect(waiting(mqdes)).toBe(0);
    },
  );

  it('fails with EMSGSIZE for more than mq_msgsize bytes, on a full queue too', () => {
    const mqdes = newQueue();
    for (const size of [33, 100_000, 32 * 2 ** 20]) {
      expect(failure(() => send(mqdes, Buffer.alloc(size)))).toMatchObject(systemError('EMSGSIZE', call));
    }
    expect(waiting(mqdes)).toBe(0);
    expect(failure(() => send(fullQueue(), Buffer.alloc(33))).code).toBe('EMSGSIZE');
  });

  it('fails with EAGAIN on a full queue with O_NONBLOCK', () => {
    const mqdes = fullQueue({ flags: O_RDWR | O_NONBLOCK });
    expect(failure(() => send(mqdes, 'x'))).toMatchObject(systemError('EAGAIN', call));
    expect(waiting(mqdes)).toBe(2);
  });

  it('fails with EBADF for what is no message queue or not open for writing', () => {
    for (const fd of [...noQueues(), newQueue({ flags: O_RDONLY })]) {
      expect(failure(() => send(fd, 'x'))).toMatchObject(systemError('EBADF', call));
    }
  });

  it('waits for room', async () => {
    const name = unusedName();
    const mqdes = fullQueue({ name });
    const peer = await nodePeer();
    const theirs = (await peer.call('sys.mq_open', name, O_WRONLY)) as number;
    const sent = peer.call(`sys.${call}`, theirs, 'went through', 9, ...time());
    await until('the peer waits', () => asleepIn('mq_timedsend', theirs, peer.pid) === 1);
    sys.mq_receive(mqdes);
    await sent;
    expect(sys.mq_receive(mqdes)).toEqual({ msg: Buffer.from('went through'), prio: 9 });
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const name = unusedName();
    const mqdes = fullQueue({ name });
    const peer = await interruptedPeer();
    const theirs = (await peer.call('sys.mq_open', name, O_WRONLY)) as number;
    const failed = peer.failure(`sys.${call}`, theirs, 'x', 0, ...time());
    await until('the peer waits', () => asleepIn('mq_timedsend', theirs, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', call));
    expect(waiting(mqdes)).toBe(2);
  });

  describe('sends nothing and', () => {
    refuses(
      call,
      {
        mqdes: 'int',
        msg: 'bytes',
        prio: call === 'mq_send' ? 'unsigned?' : 'unsigned',
        ...(call === 'mq_timedsend' ? { absTimeout: 'timespec' } : {}),
      },
      () => [newQueue(), 'x', 0, ...time()],
      ([mqdes]) => expect(waiting(mqdes as number)).toBe(0),
    );
  });
});

describe('mq_send', () => {
  it('sends with the priority 0 where none is given', () => {
    const mqdes = newQueue();
    sys.mq_send(mqdes, 'x');
    expect(sys.mq_receive(mqdes).prio).toBe(0);
  });

  it('sends what a C program receives', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    sys.mq_send(mqdes, Buffer.from([0, 1, 255]), 7);
    sys.mq_send(mqdes, '', 32_767);
    const peer = compiled('posix-mq-peer');
    expect((await program(peer, 'receive', name).exited).stdout).toBe('32767 0\n');
    expect((await program(peer, 'receive', name).exited).stdout).toBe('7 3 0001ff\n');
  });
});

const badTimes: [what: string, time: sys.timespec][] = [
  ['negative seconds', { tv_sec: -1, tv_nsec: 0 }],
  ['negative nanoseconds', { tv_sec: 1, tv_nsec: -1 }],
  ['1000 million nanoseconds', { tv_sec: 1, tv_nsec: 1_000_000_000 }],
];

describe('mq_timedsend', () => {
  it('sends where there is room, however long the time is over', () => {
    const mqdes = newQueue();
    sys.mq_timedsend(mqdes, 'in time', 3, past);
    expect(sys.mq_receive(mqdes)).toEqual({ msg: Buffer.from('in time'), prio: 3 });
  });

  it.each([
    ['long over', past],
    ['just over', fromNow(-1)],
    ['one nanosecond after the epoch', { tv_sec: 0, tv_nsec: 1 }],
  ])('fails with ETIMEDOUT at once on a full queue where the time is %s', (_what, time) => {
    const mqdes = fullQueue();
    expect(failure(() => sys.mq_timedsend(mqdes, 'x', 0, time))).toMatchObject(
      systemError('ETIMEDOUT', 'mq_timedsend'),
    );
    expect(waiting(mqdes)).toBe(2);
  });

  it('fails with ETIMEDOUT on a full queue when the time has come', () => {
    const mqdes = fullQueue();
    const end = fromNow(60);
    expect(failure(() => sys.mq_timedsend(mqdes, 'x', 0, end)).code).toBe('ETIMEDOUT');
    const now = fromNow(0);
    expect(now.tv_sec * 1000 + now.tv_nsec / 1e6).toBeGreaterThanOrEqual(
      end.tv_sec * 1000 + end.tv_nsec / 1e6,
    );
  });

  it.each(badTimes)('fails with EINVAL on a full queue for %s', (_what, time) => {
    expect(failure(() => sys.mq_timedsend(fullQueue(), 'x', 0, time))).toMatchObject(
      systemError('EINVAL', 'mq_timedsend'),
    );
  });

  it('fails with EAGAIN and not ETIMEDOUT with O_NONBLOCK', () => {
    const mqdes = fullQueue({ flags: O_RDWR | O_NONBLOCK });
    expect(failure(() => sys.mq_timedsend(mqdes, 'x', 0, past)).code).toBe('EAGAIN');
  });
});

describe.each([
  ['mq_receive', 'a new Buffer'],
  ['mq_receive', 'memory of the caller'],
  ['mq_timedreceive', 'a new Buffer'],
] as const)('%s into %s', (call, into) => {
  const own = into !== 'a new Buffer';
  const time: unknown[] = call === 'mq_timedreceive' ? [far] : [];

  function receive(mqdes: number): { text: string; prio: number | undefined } {
    if (own) {
      const memory = Buffer.alloc(64);
      const from: { prio?: number } = {};
      const length = sys.mq_receive(mqdes, memory, from);
      return { text: memory.toString('utf8', 0, length), prio: from.prio };
    }
    const received = loose(call, [mqdes, ...time]) as { msg: Buffer; prio: number };
    expect(Buffer.isBuffer(received.msg)).toBe(true);
    expect(Object.keys(received).sort()).toEqual(['msg', 'prio']);
    return { text: received.msg.toString(), prio: received.prio };
  }

  it('takes the highest priority first and the oldest within it', () => {
    const mqdes = newQueue({ maxmsg: 6 });
    for (const [text, prio] of [
      ['a', 1],
      ['b', 5],
      ['c', 0],
      ['d', 5],
      ['e', MQ_PRIO_MAX - 1],
    ] as const) {
      sys.mq_send(mqdes, text, prio);
    }
    const received = Array.from({ length: 5 }, () => receive(mqdes));
    expect(received).toEqual([
      { text: 'e', prio: MQ_PRIO_MAX - 1 },
      { text: 'b', prio: 5 },
      { text: 'd', prio: 5 },
      { text: 'a', prio: 1 },
      { text: 'c', prio: 0 },
    ]);
    expect(waiting(mqdes)).toBe(0);
  });

  it('takes an empty message and one of every size', () => {
    const mqdes = newQueue({ maxmsg: 1, msgsize: 64 });
    for (const size of [0, 1, 7, 8, 63, 64]) {
      sys.mq_send(mqdes, 's'.repeat(size), size);
      expect(receive(mqdes)).toEqual({ text: 's'.repeat(size), prio: size });
    }
  });

  it('fails with EAGAIN on an empty queue with O_NONBLOCK', () => {
    const mqdes = newQueue({ flags: O_RDWR | O_NONBLOCK });
    expect(failure(() => receive(mqdes))).toMatchObject(systemError('EAGAIN', call));
  });

  it('fails with EBADF for what is no message queue or not open for reading', () => {
    for (const fd of [...noQueues(), newQueue({ flags: O_WRONLY })]) {
      expect(failure(() => receive(fd))).toMatchObject(systemError('EBADF', call));
    }
  });

  it('waits for a message', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = await nodePeer();
    const theirs = (await peer.call('sys.mq_open', name, O_RDONLY)) as number;
    const args = own ? [new Uint8Array(64)] : time;
    const received = peer.call(`sys.${call}`, theirs, ...args);
    await until('the peer waits', () => asleepIn('mq_timedreceive', theirs, peer.pid) === 1);
    sys.mq_send(mqdes, 'at last', 4);
    expect(await received).toEqual(own ? 7 : { msg: Buffer.from('at last'), prio: 4 });
  });

  it('fails with EINTR where a signal handler runs while it waits', async () => {
    const name = unusedName();
    newQueue({ name });
    const peer = await interruptedPeer();
    const theirs = (await peer.call('sys.mq_open', name, O_RDONLY)) as number;
    const failed = peer.failure(`sys.${call}`, theirs, ...(own ? [new Uint8Array(64)] : time));
    await until('the peer waits', () => asleepIn('mq_timedreceive', theirs, peer.pid) === 1);
    peer.signal('SIGUSR2');
    expect(await failed).toMatchObject(systemError('EINTR', call));
  });

  it('takes what a C program sent', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    await program(compiled('posix-mq-peer'), 'send', name, 12, 'grüße').exited;
    expect(receive(mqdes)).toEqual({ text: 'grüße', prio: 12 });
  });
});

describe('mq_receive', () => {
  it('gives every message a Buffer of its own', () => {
    const mqdes = newQueue();
    const buffers = Array.from({ length: 500 }, (_, index) => {
      sys.mq_send(mqdes, `message ${index}`);
      return sys.mq_receive(mqdes).msg;
    });
    expect(buffers.map(String)).toEqual(buffers.map((_, index) => `message ${index}`));
  });

  it('fills only the bytes of the view that the message has', () => {
    const mqdes = newQueue({ msgsize: 8 });
    sys.mq_send(mqdes, 'abc');
    const whole = Buffer.alloc(16, '.');
    expect(sys.mq_receive(mqdes, whole.subarray(4, 12))).toBe(3);
    expect(whole.toString()).toBe('....abc.........');
  });

  it('fails with EMSGSIZE where the view is shorter than mq_msgsize, whatever the message and what lies under it', () => {
    const mqdes = newQueue({ msgsize: 8 });
    const whole = Buffer.alloc(16, '.');
    const expected = systemError('EMSGSIZE', 'mq_receive');
    // On an empty queue too, before it would wait.
    expect(failure(() => sys.mq_receive(mqdes, whole.subarray(0, 7)))).toMatchObject(expected);
    sys.mq_send(mqdes, 'abc');
    for (const size of [0, 3, 7]) {
      expect(failure(() => sys.mq_receive(mqdes, whole.subarray(0, size)))).toMatchObject(expected);
    }
    expect(whole.equals(Buffer.alloc(16, '.'))).toBe(true);
    expect(sys.mq_receive(mqdes, whole.subarray(0, 8))).toBe(3);
  });

  it('overwrites the priority in from, and leaves it alone where it fails', () => {
    const mqdes = newQueue({ flags: O_RDWR | O_NONBLOCK });
    const from: { prio?: number } = { prio: 99 };
    const memory = new Uint8Array(32);
    expect(failure(() => sys.mq_receive(mqdes, memory, from)).code).toBe('EAGAIN');
    expect(from).toEqual({ prio: 99 });
    for (const prio of [3, 0, 32_767]) {
      sys.mq_send(mqdes, 'x', prio);
      sys.mq_receive(mqdes, memory, from);
      expect(from.prio).toBe(prio);
    }
  });

  describe('takes nothing and', () => {
    refuses(
      'mq_receive',
      {
        mqdes: 'int',
        msg: wrong('memory').filter(([what]) => what !== 'undefined'),
        from: wrong('object').filter(([what]) => what !== 'a function'),
      },
      () => {
        const mqdes = newQueue();
        sys.mq_send(mqdes, 'stays');
        return [mqdes, new Uint8Array(32), {}];
      },
      ([mqdes]) => expect(waiting(mqdes as number)).toBe(1),
    );
    refuses('mq_receive', { mqdes: 'int' }, () => [-1]);
  });
});

describe('mq_timedreceive', () => {
  it('takes what is there, however long the time is over', () => {
    const mqdes = newQueue();
    sys.mq_send(mqdes, 'in time', 3);
    expect(sys.mq_timedreceive(mqdes, past)).toEqual({ msg: Buffer.from('in time'), prio: 3 });
    sys.mq_send(mqdes, 'for ever', 4);
    expect(sys.mq_timedreceive(mqdes, null)).toEqual({ msg: Buffer.from('for ever'), prio: 4 });
  });

  it.each([
    ['long over', past],
    ['just over', fromNow(-1)],
  ])('fails with ETIMEDOUT at once on an empty queue where the time is %s', (_what, time) => {
    expect(failure(() => sys.mq_timedreceive(newQueue(), time))).toMatchObject(
      systemError('ETIMEDOUT', 'mq_timedreceive'),
    );
  });

  it('fails with ETIMEDOUT on an empty queue when the time has come', () => {
    const end = fromNow(60);
    expect(failure(() => sys.mq_timedreceive(newQueue(), end)).code).toBe('ETIMEDOUT');
    const now = fromNow(0);
    expect(now.tv_sec * 1000 + now.tv_nsec / 1e6).toBeGreaterThanOrEqual(
      end.tv_sec * 1000 + end.tv_nsec / 1e6,
    );
  });

  it('waits for ever with null', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = await nodePeer();
    const theirs = (await peer.call('sys.mq_open', name, O_RDONLY)) as number;
    const received = peer.call('sys.mq_timedreceive', theirs, null);
    await until('the peer waits', () => asleepIn('mq_timedreceive', theirs, peer.pid) === 1);
    sys.mq_send(mqdes, 'at last');
    expect(await received).toEqual({ msg: Buffer.from('at last'), prio: 0 });
  });

  it.each(badTimes)('fails with EINVAL on an empty queue for %s', (_what, time) => {
    expect(failure(() => sys.mq_timedreceive(newQueue(), time))).toMatchObject(
      systemError('EINVAL', 'mq_timedreceive'),
    );
  });

  it('fails with EAGAIN and not ETIMEDOUT with O_NONBLOCK', () => {
    const mqdes = newQueue({ flags: O_RDWR | O_NONBLOCK });
    expect(failure(() => sys.mq_timedreceive(mqdes, past)).code).toBe('EAGAIN');
  });

  describe('takes nothing and', () => {
    refuses(
      'mq_timedreceive',
      { mqdes: 'int', absTimeout: 'timespec' },
      () => {
        const mqdes = newQueue();
        sys.mq_send(mqdes, 'stays');
        return [mqdes, far];
      },
      ([mqdes]) => expect(waiting(mqdes as number)).toBe(1),
    );
  });
});

describe('mq_notify', () => {
  const none = { sigev_notify: SIGEV_NONE };

  it('registers this process with SIGEV_NONE and takes the registration back with null', () => {
    const mqdes = newQueue();
    expect(loose('mq_notify', [mqdes, none])).toBeUndefined();
    expect(queueFile(mqdes).notifyPid).toBe(process.pid);
    expect(loose('mq_notify', [mqdes, null])).toBeUndefined();
    expect(queueFile(mqdes).notifyPid).toBe(0);
    sys.mq_notify(mqdes, null);
  });

  it('registers once: the first message ends the registration', () => {
    const mqdes = newQueue();
    sys.mq_notify(mqdes, none);
    sys.mq_send(mqdes, 'x');
    expect(queueFile(mqdes).notifyPid).toBe(0);
    sys.mq_notify(mqdes, none);
    sys.mq_send(mqdes, 'the queue was not empty');
    expect(queueFile(mqdes).notifyPid).toBe(process.pid);
  });

  it('ends with any descriptor of the queue that the process closes', () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const other = sys.mq_open(name, O_RDONLY);
    sys.mq_notify(mqdes, none);
    sys.mq_close(other);
    expect(queueFile(mqdes).notifyPid).toBe(0);
  });

  it('has the kernel write down the signal', async ({ skip }) => {
    const reason = noMqueueMount();
    skip(reason !== undefined, reason);
    const name = unusedName();
    const mqdes = newQueue({ name });
    sys.mq_notify(mqdes, { sigev_notify: SIGEV_SIGNAL, sigev_signo: SIGUSR2, sigev_value: 1 });
    const { stdout } = await program(...whereMounted(`cat .${name}`)).exited;
    expect(stdout).toMatch(new RegExp(`NOTIFY:0 +SIGNO:12 +NOTIFY_PID:${process.pid} `));
  });

  it('sends the signal when a message comes to the empty queue, with value and sender', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = await interruptedPeer();
    const theirs = await peer.call('sys.mq_open', name, O_RDONLY);
    for (const value of [0, 7, -5, 2 ** 31 - 1, -(2 ** 31)]) {
      const event = { sigev_notify: SIGEV_SIGNAL, sigev_signo: SIGUSR2, sigev_value: value };
      await peer.call('sys.mq_notify', theirs, event);
      expect(queueFile(mqdes).notifyPid).toBe(peer.pid);
      sys.mq_send(mqdes, 'x');
      const expected = `signal 12 of a queue with ${value} from ${process.pid}\n`;
      await until(`the peer is told ${value}`, () => peer.errors.endsWith(expected));
      sys.mq_receive(mqdes);
    }
    expect(peer.errors.match(/signal/g)).toHaveLength(5);
  });

  it('sends a signal that process.on() hears', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = await nodePeer();
    await peer.call('watch', 'SIGUSR2');
    const theirs = await peer.call('sys.mq_open', name, O_RDONLY);
    await peer.call('sys.mq_notify', theirs, { sigev_notify: SIGEV_SIGNAL, sigev_signo: SIGUSR2 });
    sys.mq_send(mqdes, 'x');
    while (((await peer.call('signals')) as string[]).length === 0);
    expect(await peer.call('signals')).toEqual(['SIGUSR2']);
  });

  it('sends none where somebody waits in mq_receive, and stays', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = await nodePeer();
    const theirs = (await peer.call('sys.mq_open', name, O_RDONLY)) as number;
    sys.mq_notify(mqdes, none);
    const received = peer.call('sys.mq_receive', theirs);
    await until('the peer waits', () => asleepIn('mq_timedreceive', theirs, peer.pid) === 1);
    sys.mq_send(mqdes, 'for the peer');
    await received;
    expect(queueFile(mqdes).notifyPid).toBe(process.pid);
  });

  it('makes the signal that a C program waits for', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = program(compiled('posix-mq-peer'), 'notified', name);
    expect(await peer.line()).toBe('registered');
    sys.mq_send(mqdes, 'x');
    expect(await peer.line()).toBe(`1 ${process.pid} 77`);
  });

  it('fails with EBUSY where a C program is registered, whose registration null leaves alone', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = program(compiled('posix-mq-peer'), 'hold', name);
    expect(await peer.line()).toBe('registered');
    expect(failure(() => sys.mq_notify(mqdes, none))).toMatchObject(systemError('EBUSY', 'mq_notify'));
    sys.mq_notify(mqdes, null);
    expect(queueFile(mqdes).notifyPid).toBe(peer.pid);
    peer.end();
    await peer.exited;
    sys.mq_notify(mqdes, none);
    expect(queueFile(mqdes).notifyPid).toBe(process.pid);
  });

  it('fails with EBUSY where this process is registered, and makes a C program fail so', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    sys.mq_notify(mqdes, none);
    expect(failure(() => sys.mq_notify(mqdes, none))).toMatchObject(systemError('EBUSY', 'mq_notify'));
    expect(await program(compiled('posix-mq-peer'), 'hold', name).exited).toMatchObject({
      code: 1,
      stderr: 'mq_notify: Device or resource busy\n',
    });
  });

  it('fails with EBADF for what is no message queue', () => {
    for (const fd of noQueues()) {
      expect(failure(() => sys.mq_notify(fd, none))).toMatchObject(systemError('EBADF', 'mq_notify'));
      expect(failure(() => sys.mq_notify(fd, null))).toMatchObject(systemError('EBADF', 'mq_notify'));
    }
  });

  it.each([
    ['a signal of 65', { sigev_notify: SIGEV_SIGNAL, sigev_signo: 65 }],
    ['a signal of -1', { sigev_notify: SIGEV_SIGNAL, sigev_signo: -1 }],
    ['a way of 3', { sigev_notify: 3, sigev_signo: 1 }],
    ['SIGEV_THREAD_ID', { sigev_notify: 4, sigev_signo: SIGUSR2 }],
    ['a way of -1', { sigev_notify: -1 }],
    ['the largest int as the way', { sigev_notify: 2 ** 31 - 1 }],
  ])('fails with EINVAL for %s', (_what, event) => {
    const mqdes = newQueue();
    expect(failure(() => sys.mq_notify(mqdes, event))).toMatchObject(systemError('EINVAL', 'mq_notify'));
    expect(queueFile(mqdes).notifyPid).toBe(0);
  });

  it('refuses SIGEV_THREAD, for which there is no function, and calls none', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = await nodePeer();
    const theirs = await peer.call('sys.mq_open', name, O_RDONLY);
    const error = await peer.failure('sys.mq_notify', theirs, { sigev_notify: 2 });
    expect(error.code).toMatch(/^(EINVAL|ERR_INVALID_ARG_VALUE)$/);
    expect(queueFile(mqdes).notifyPid).toBe(0);
    sys.mq_send(mqdes, 'x');
    expect(await peer.call('sys.mq_receive', theirs)).toEqual({ msg: Buffer.from('x'), prio: 0 });
  });

  describe('registers nothing and', () => {
    const type = 'ERR_INVALID_ARG_TYPE';
    const member = (name: string): [string, string, unknown][] =>
      wrong('int').map(([what, code, value]) => [
        `${what} as ${name}`,
        code,
        { sigev_notify: SIGEV_SIGNAL, sigev_signo: SIGUSR2, [name]: value },
      ]);
    refuses(
      'mq_notify',
      {
        mqdes: 'int',
        sevp: [
          ...wrong('object').filter(([what]) => what !== 'null'),
          ['undefined', type, undefined],
          ['an empty object', type, {}],
          ...member('sigev_notify'),
          ...member('sigev_signo'),
          ...member('sigev_value'),
        ],
      },
      () => [newQueue(), none],
      ([mqdes]) => expect(queueFile(mqdes as number).notifyPid).toBe(0),
    );
  });
});

describe('a descriptor of a message queue', () => {
  it('is told by poll()', () => {
    const events = POLLIN | POLLOUT;
    const [empty, some, full] = [newQueue(), newQueue(), fullQueue()];
    sys.mq_send(some, 'x');
    expect(
      sys.poll(
        [empty, some, full].map((fd) => ({ fd, events })),
        -1,
      ),
    ).toEqual([POLLOUT, POLLIN | POLLOUT, POLLIN]);
    closeOwn(full);
    expect(sys.poll([{ fd: full, events }], -1)).toEqual([POLLNVAL]);
  });

  it('makes poll() wait until a C program sends', async () => {
    const name = unusedName();
    const mqdes = newQueue({ name });
    const peer = await nodePeer();
    const theirs = await peer.call('sys.mq_open', name, O_RDONLY);
    const revents = peer.call('sys.poll', [{ fd: theirs, events: POLLIN }], -1);
    await until('the peer waits in poll', () => asleepIn('poll', undefined, peer.pid) === 1);
    await program(compiled('posix-mq-peer'), 'send', name, 0, 'x').exited;
    expect(await revents).toEqual([POLLIN]);
    expect(waiting(mqdes)).toBe(1);
  });

  it('is closed by exec from the beginning, and kept where fcntl() says so', async () => {
    const name = unusedName();
    const attr = { mq_maxmsg: 1, mq_msgsize: 8 };
    const mqdes = ownFd(sys.mq_open(name, O_CREAT | O_RDWR, 0o600, attr));
    expect(sys.fcntl(mqdes, F_GETFD)).toBe(FD_CLOEXEC);
    const script = 'import os, sys; print(os.readlink("/proc/self/fd/" + sys.argv[1]))';
    expect((await program('python3', '-c', script, mqdes).exited).stderr).toContain('FileNotFoundError');
    sys.fcntl(mqdes, sys.F_SETFD, 0);
    expect((await program('python3', '-c', script, mqdes).exited).stdout).toBe(`${name}\n`);
  });

  it('gets O_NONBLOCK by fcntl(), and mq_getattr tells', () => {
    const mqdes = newQueue();
    expect(sys.fcntl(mqdes, F_GETFL) & (sys.O_ACCMODE | O_NONBLOCK)).toBe(O_RDWR);
    sys.fcntl(mqdes, F_SETFL, O_NONBLOCK);
    expect(sys.mq_getattr(mqdes).mq_flags).toBe(O_NONBLOCK);
    expect(failure(() => sys.mq_receive(mqdes)).code).toBe('EAGAIN');
  });

  it('is duplicated by dup() and dup2()', () => {
    const mqdes = newQueue();
    const copy = ownFd(sys.dup(mqdes));
    sys.mq_send(copy, 'by the copy');
    const other = newQueue();
    sys.dup2(mqdes, other);
    expect(sys.mq_receive(other).msg.toString()).toBe('by the copy');
  });

  it('is read as the line that its file has', ({ skip }) => {
    skip(!existsSync('/proc/sys/fs/mqueue'), 'the kernel has no message queues');
    const mqdes = newQueue();
    sys.mq_send(mqdes, 'seven b');
    expect(sys.read(mqdes, 200).toString()).toMatch(/^QSIZE:7 +NOTIFY:0 +SIGNO:0 +NOTIFY_PID:0 +\n$/);
  });
});

describe('errors', () => {
  it('are Errors with code, errno and syscall, and without a path where none was given', () => {
    const error: Failure = failure(() => sys.mq_getattr(-1));
    expect(error).toBeInstanceOf(sys.IpcError);
    expect(error.stack).toContain('posix-mq.sys.test');
    expect(error).not.toHaveProperty('path');
    expect(error.message).toMatch(/EBADF/);
  });
});
