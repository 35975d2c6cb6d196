// What a consumer of the package gets, and what the repository keeps up for every family.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  type: string;
  gypfile: boolean;
  files: string[];
  scripts: Record<string, string>;
  dependencies?: object;
  optionalDependencies?: object;
  peerDependencies?: object;
  exports: Record<string, string | { types: string; default: string }>;
};

function environment(): NodeJS.ProcessEnv {
  const copy = { ...process.env };
  delete copy['NODE_OPTIONS'];
  return copy;
}

describe('package.json', () => {
  it.each(['preinstall', 'install', 'postinstall'])(
    'has no %s script, which a consumer would run',
    (name) => {
      expect(manifest.scripts).not.toHaveProperty(name);
    },
  );

  it('keeps npm from building on its own because there is a binding.gyp', () => {
    expect(manifest.gypfile).toBe(false);
  });

  it('has no dependencies at run time', () => {
    expect(
      Object.keys({
        ...manifest.dependencies,
        ...manifest.optionalDependencies,
        ...manifest.peerDependencies,
      }),
    ).toEqual([]);
  });

  it('exports files that are there', () => {
    expect(Object.keys(manifest.exports)).toEqual(expect.arrayContaining(['.', './sys', './package.json']));
    for (const target of Object.values(manifest.exports)) {
      const paths = typeof target === 'string' ? [target] : Object.values(target);
      for (const path of paths) expect(existsSync(join(root, path)), path).toBe(true);
    }
  });

  it('gives the types first, where a compiler looks', () => {
    for (const target of Object.values(manifest.exports)) {
      if (typeof target !== 'string') expect(Object.keys(target)[0]).toBe('types');
    }
  });
});

describe('loading', () => {
  it.each([
    ["import('unix-ipc')", "import('unix-ipc').then(show)"],
    ["require('unix-ipc')", "show(require('unix-ipc'))"],
  ])('%s gives the classes', (_what, load) => {
    const script = `const show = (ipc) => console.log(typeof ipc.SysvMessageQueue.open, typeof ipc.IpcError); ${load}`;
    expect(
      execFileSync(process.execPath, ['-e', script], { cwd: root, env: environment(), encoding: 'utf8' }),
    ).toBe('function function\n');
  });

  it.each([
    ["import('unix-ipc/sys')", "import('unix-ipc/sys').then(show)"],
    ["require('unix-ipc/sys')", "show(require('unix-ipc/sys'))"],
  ])('%s gives the calls', (_what, load) => {
    const script = `const show = (sys) => console.log(typeof sys.msgget, sys.IPC_PRIVATE); ${load}`;
    expect(
      execFileSync(process.execPath, ['-e', script], { cwd: root, env: environment(), encoding: 'utf8' }),
    ).toBe('function 0\n');
  });

  it('leaves nothing running that would keep a program alive', () => {
    const script = "import('unix-ipc').then(() => import('unix-ipc/sys'))";
    const result = spawnSync(process.execPath, ['-e', script], {
      cwd: root,
      env: environment(),
      timeout: 60_000,
    });
    expect(result).toMatchObject({ status: 0, signal: null });
  });
});

describe('a package without a binary that fits', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'unix-ipc-consumer-'));
    const installed = join(folder, 'node_modules', 'unix-ipc');
    mkdirSync(installed, { recursive: true });
    cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(installed, 'package.json'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function load(extra: NodeJS.ProcessEnv = {}): { status: number | null; stderr: string } {
    const env = { ...environment(), ...extra };
    if (!('UNIX_IPC_BINARY' in extra)) delete env['UNIX_IPC_BINARY'];
    return spawnSync(process.execPath, ['-e', "import('unix-ipc')"], { cwd: folder, env, encoding: 'utf8' });
  }

  it('fails to load with what was looked for and the one command that builds it', () => {
    const { status, stderr } = load();
    expect(status).toBe(1);
    expect(stderr).toContain(`${process.platform}-${process.arch}`);
    expect(stderr).toContain(join(folder, 'node_modules', 'unix-ipc'));
    expect(stderr).toMatch(/\S+\.node\b/);
    expect(stderr).toMatch(/\b(npm|npx|node) \S+/);
  });

  it('names a command that the package as it is published can run', () => {
    const { stderr } = load();
    const name = /npm run (\S+)/.exec(stderr)?.[1] ?? '';
    const script = /^node (\S+)$/.exec(manifest.scripts[name] ?? '')?.[1];
    expect(manifest.files).toContain(script);
  });

  it('names the file that UNIX_IPC_BINARY asked for', () => {
    const wanted = join(folder, 'none', 'unix_ipc.node');
    const { status, stderr } = load({ UNIX_IPC_BINARY: wanted });
    expect(status).toBe(1);
    expect(stderr).toContain(wanted);
  });
});

describe('every family', () => {
  const stems = readdirSync(join(root, 'native'))
    .filter((name) => name.endsWith('.cc') && name !== 'addon.cc')
    .map((name) => name.slice(0, -'.cc'.length));
  const tests = readdirSync(join(root, 'test')).filter((name) => name.endsWith('.test.ts'));

  it('is found by its C++ file', () => {
    expect(stems).toContain('sysv-msg');
    expect(stems).toContain('unix-socket');
  });

  it.each(stems)('%s has its tests, page and examples', (stem) => {
    const own = tests.filter((name) => name.startsWith(`${stem}.`) && !name.startsWith(`${stem}.sys.`));
    expect(own, `test/${stem}.*test.ts`).not.toEqual([]);
    expect(existsSync(join(root, 'docs', `${stem}.md`)), `docs/${stem}.md`).toBe(true);
    expect(readdirSync(join(root, 'examples')), `examples/${stem}`).toContainEqual(
      expect.stringMatching(`^${stem}\\b`),
    );
  });
});
