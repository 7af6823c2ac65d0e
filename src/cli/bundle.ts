/**
 * The whole command in one file, `dist/podwire.cjs`, with what V8 compiled of it when it was built, `dist/podwire.cache`
 * (`rolldown.config.js` and `dev/compile.ts` make them): reading and compiling some seven hundred modules takes longer than most labs.
 *
 * The bundle is an expression, CommonJS's function around a module, in ASCII, so that V8 takes it as it is read. It begins with a comment that
 * is its name, the SHA-256 of what follows. The cache begins with the name of the bundle that it was made of and a checksum: V8 itself
 * asks for its own version, its flags, and the lengths of both, and falls over whatever else it finds.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Script } from 'node:vm'
import { crc32 } from 'node:zlib'

type Cli = typeof import('./podwire.ts')

/** CommonJS's function around a module. */
type Wrapped = (exports: object, require: (name: string) => object, module: { exports: object }) => void

/** The folder in which the build puts them, seen from this file's place in `dist/cli`. */
const dist = new URL('../', import.meta.url)

/** The name's place: it stands between the characters of a comment. */
const NAME_AT = 2
const NAME_LENGTH = 64
/** V8's part of the cache begins here, on a multiple of eight, behind the name and 32 bits of checksum. */
const CACHE_AT = NAME_LENGTH + 8

export function bundleIn(folder: URL): URL {
  return new URL('podwire.cjs', folder)
}

export function cacheIn(folder: URL): URL {
  return new URL('podwire.cache', folder)
}

/** Null when it cannot be read. */
function content(file: URL): Buffer | null {
  try {
    return readFileSync(file)
  } catch {
    return null
  }
}

function sourceIn(folder: URL): string | null {
  return content(bundleIn(folder))?.toString('latin1') ?? null
}

function nameOf(source: string): string {
  return source.slice(NAME_AT, NAME_AT + NAME_LENGTH)
}

/** The bundle as a script; null where there is none, as in the sources. */
export function bundleScript(folder = dist): Script | null {
  const source = sourceIn(folder)
  if (source === null) return null
  const cachedData = cacheFor(nameOf(source), content(cacheIn(folder))) ?? undefined
  return new Script(source, { filename: fileURLToPath(bundleIn(folder)), cachedData })
}

/** What is V8's of a cache's file; null when it is another bundle's, or damaged. */
function cacheFor(name: string, file: Buffer | null): Buffer | null {
  if (file === null || file.length < CACHE_AT || file.toString('latin1', 0, NAME_LENGTH) !== name) return null
  const cache = file.subarray(CACHE_AT)
  return file.readUInt32LE(NAME_LENGTH) === crc32(cache) ? cache : null
}

/** The cache's file, with what is compiled of the script by now. */
export function cacheOf(script: Script, folder = dist): Buffer {
  const cache = script.createCachedData()
  const head = Buffer.alloc(CACHE_AT)
  head.write(nameOf(sourceIn(folder) ?? ''), 'latin1')
  head.writeUInt32LE(crc32(cache), NAME_LENGTH)
  return Buffer.concat([head, cache])
}

/** Node has loaded them itself before podwire begins. */
const standing: readonly string[] = ['node:events', 'node:fs', 'node:path', 'buffer', 'process']

/** One of Node's own modules, or a package that is not in the bundle because few runs need it. */
function load(name: string): Record<PropertyKey, unknown> {
  const own = process.getBuiltinModule(name) as Record<PropertyKey, unknown> | undefined
  return own ?? process.getBuiltinModule('node:module').createRequire(import.meta.url)(name)
}

/** What the bundle requires. It is loaded when something of it is first used: that takes a few milliseconds, and most runs need none. */
function required(name: string): object {
  if (standing.includes(name)) return process.getBuiltinModule(name) ?? {}
  let loaded: Record<PropertyKey, unknown> | null = null
  return new Proxy(() => {}, {
    get: (_, key) => {
      loaded ??= load(name)
      return loaded[key]
    },
    // node:assert is a function, too.
    apply: (_, self, values) => Reflect.apply(load(name) as unknown as () => unknown, self, values),
  })
}

/** Runs the script's module. */
export function cliOf(script: Script): Cli {
  const module = { exports: {} }
  const wrapped = script.runInThisContext() as Wrapped
  wrapped(module.exports, required, module)
  return module.exports as Cli
}

/** Null where there is no bundle, as in the sources. */
export function bundledCli(folder = dist): Cli | null {
  const script = bundleScript(folder)
  return script === null ? null : cliOf(script)
}
