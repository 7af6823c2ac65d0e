/** The tools that hold the floors: planted faults are found, and the house itself is clean. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VERSION } from '../../src/capture/version.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Small files with what they should not do, by path; null where nothing is wrong. */
const house: Record<string, { readonly code: string; readonly fault: string | null }> = {
  'host/shell.ts': { code: 'export const shell = 1\nexport interface Word { text: string }', fault: null },
  'net/down.ts': { code: "import { u8 } from '../wire/u8.ts'\nexport const a = u8", fault: null },
  'wire/u8.ts': { code: 'export const u8 = 1', fault: null },
  'topology/load.ts': { code: "import { readFileSync } from 'node:fs'\nexport const a = readFileSync", fault: null },
  'kube/store.ts': { code: "import { Subject } from 'rxjs'\nexport const a = Subject", fault: null },
  'net/up.ts': { code: "import { shell } from '../host/shell.ts'\nexport const a = shell", fault: 'net-looks-down' },
  'net/up-type.ts': {
    code: "import type { Word } from '../host/shell.ts'\nexport type A = Word",
    fault: 'net-looks-down',
  },
  'link/rx.ts': { code: "import { Subject } from 'rxjs'\nexport const a = Subject", fault: 'dataplane-is-pure' },
  'host/rx.ts': { code: "import { Subject } from 'rxjs'\nexport const a = Subject", fault: 'rxjs-has-one-home' },
  'host/rx-type.ts': {
    code: "import type { Subject } from 'rxjs'\nexport type A = Subject<1>",
    fault: 'rxjs-has-one-home',
  },
  'kube/pool.ts': {
    code: "import { decode } from 'dns-packet'\nexport const a = decode",
    fault: 'dns-packet-has-one-home',
  },
  'wire/file.ts': {
    code: "import { readFileSync } from 'node:fs'\nexport const a = readFileSync",
    fault: 'dataplane-is-pure',
  },
  'kube/file.ts': {
    code: "import { readFileSync } from 'node:fs'\nexport const a = readFileSync",
    fault: 'built-ins-at-the-edge',
  },
  'cli/tool.ts': { code: "import fc from 'fast-check'\nexport const a = fc", fault: 'packages-are-declared' },
  'net/hen.ts': { code: "import { egg } from './egg.ts'\nexport const hen = (): unknown => egg", fault: 'no-cycles' },
  'net/egg.ts': { code: "import { hen } from './hen.ts'\nexport const egg = (): unknown => hen", fault: null },
  'net/lost.ts': { code: "import { a } from './nowhere.ts'\nexport const b = a", fault: 'imports-resolve' },
}

/** Code for a room below host, and for one above, where all of it is allowed. */
const unruly = [
  'export async function a() {',
  '  await null',
  '}',
  'export const b = async () => 1',
  'export const c = () => Date.now()',
  'export const d = () => Math.random()',
  'export const e = () => setTimeout(c, 1)',
  'export const f = () => performance.now()',
  'export const g = () => new Promise(() => {})',
  '',
].join('\n')

let scratch = ''

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'podwire-floors-'))
  for (const name of ['package.json', 'tsconfig.json', '.dependency-cruiser.cjs', 'biome.json', '.biome']) {
    await cp(join(root, name), join(scratch, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(scratch, 'node_modules'))
  for (const [path, { code }] of Object.entries(house)) await put(`src/${path}`, `${code}\n`)
  await put('src/net/unruly.ts', unruly)
  await put('src/host/unruly.ts', unruly)
  await put('src/net/long.ts', 'export const a = 1\n'.repeat(401))
})

afterAll(() => rm(scratch, { recursive: true, force: true }))

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(scratch, path)), { recursive: true })
  await writeFile(join(scratch, path), text)
}

/** The tool's standard output, whatever its exit code. */
async function output(tool: string, args: string[], cwd: string): Promise<string> {
  const options = { cwd, maxBuffer: 1 << 26 }
  const { stdout } = await run(process.execPath, [join(root, 'node_modules', tool), ...args], options).catch(
    (error: { stdout: string }) => error,
  )
  return stdout
}

describe('dependency-cruiser', () => {
  test('finds every planted fault and nothing else', async () => {
    const args = ['src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json']
    const report = JSON.parse(await output('dependency-cruiser/bin/dependency-cruise.mjs', args, scratch)) as {
      summary: { violations: { from: string; rule: { name: string } }[] }
    }
    const found = report.summary.violations.map(({ from, rule }) => `${from.replace('src/', '')} ${rule.name}`)
    const planted = Object.entries(house).flatMap(([path, { fault }]) => (fault === null ? [] : [`${path} ${fault}`]))
    // One import may break several rules, and a circle is told from one of its files.
    expect(found).toEqual(expect.arrayContaining(planted.filter((text) => !text.includes('no-cycles'))))
    expect(found.filter((text) => text.endsWith('no-cycles'))).toHaveLength(1)
    const clean = Object.entries(house).filter(([path, { fault }]) => fault === null && path !== 'net/egg.ts')
    for (const [path] of clean) expect(found.filter((text) => text.startsWith(`${path} `))).toEqual([])
  })
})

describe('Biome', () => {
  test('keeps clocks, chance and promises out of the rooms below host, and files short', async () => {
    const text = await output('@biomejs/biome/bin/biome', ['lint', '--reporter=github', 'src'], scratch)
    const lines = text.split('\n').filter((line) => line.includes('unruly.ts'))
    const found = (room: string) => {
      const rows = lines.filter((line) => line.includes(`src/${room}/`))
      return [...new Set(rows.map((line) => Number(/line=([0-9]+)/.exec(line)?.[1])))].sort((a, b) => a - b)
    }
    expect(found('net')).toEqual([1, 2, 4, 5, 6, 7, 8, 9])
    expect(found('host')).toEqual([])
    expect(text).toMatch(/noExcessiveLinesPerFile,file=[^,]*long\.ts/)
  })
})

test('capture files are signed with the version of the package', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  expect(VERSION).toBe(version)
})
