/**
 * The whole command in one file, `dist/podwire.cjs`, with what V8 compiled of it when it was built, `dist/podwire.cache`
 * (`rolldown.config.js` and `dev/compile.ts` make them): reading and compiling some seven hundred modules takes longer than most labs.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Script } from 'node:vm'

type Cli = typeof import('./podwire.ts')

/** CommonJS's function around a module. */
type Wrapped = (exports: object, require: NodeJS.Require, module: { exports: object }) => void

/** Where the build puts them, seen from this file's place in `dist/cli`. */
export const bundle = new URL('../podwire.cjs', import.meta.url)
export const compiled = new URL('../podwire.cache', import.meta.url)

/** The bundle as a script; another version of V8 refuses what this one had compiled, and compiles by itself. */
export function bundleScript(cached: Buffer | undefined): Script {
  const source = readFileSync(bundle, 'utf8')
  const filename = fileURLToPath(bundle)
  return new Script(`(function (exports, require, module) {${source}\n})`, { filename, cachedData: cached })
}

/** Runs the script's module. */
export function cliOf(script: Script): Cli {
  const module = { exports: {} }
  const wrapped = script.runInThisContext() as Wrapped
  wrapped(module.exports, createRequire(bundle), module)
  return module.exports as Cli
}

/** Null where there is no bundle, as in the sources. */
export function bundledCli(): Cli | null {
  if (!existsSync(bundle) || !existsSync(compiled)) return null
  return cliOf(bundleScript(readFileSync(compiled)))
}
