/**
 * The last step of `npm run build`: keeps what V8 has compiled of the command, as one file (rolldown.config.js), after it has
 * run a lab and written what it captured.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { bundleScript, cacheIn, cacheOf, cliOf } from '../cli/bundle.ts'
import { prepareV8 } from '../cli/v8.ts'

/** What is compiled when this has run is what most labs need. */
const LAB = fileURLToPath(new URL('../../topologies/two-node-flannel.yaml', import.meta.url))

const cache = fileURLToPath(cacheIn(new URL('../', import.meta.url)))

prepareV8()
// Else V8 forgets what it compiled and has not run for a while. The cache is good for processes with the same flags only.
setFlagsFromString('--no-flush-bytecode')
rmSync(cache, { force: true })
const script = bundleScript()
if (script === null) throw new Error('there is no bundle')
const captures = mkdtempSync(join(tmpdir(), 'podwire-'))
const code = await cliOf(script).runCli(['run', LAB, '--quiet', '--captures', captures])
rmSync(captures, { recursive: true })
if (code !== 0) throw new Error(`podwire run ${LAB}: exit code ${code}`)
setFlagsFromString('--flush-bytecode')
// A command that starts meanwhile finds the whole file or none.
writeFileSync(`${cache}.${process.pid}`, cacheOf(script))
renameSync(`${cache}.${process.pid}`, cache)
