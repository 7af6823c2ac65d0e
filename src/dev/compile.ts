/**
 * The last step of `npm run build`: keeps what V8 has compiled of the command, as one file (rolldown.config.js), after it has
 * run a lab.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundleScript, cliOf, compiled } from '../cli/bundle.ts'
import { inlineMore } from '../cli/v8.ts'

/** What is compiled when this has run is what most labs need. */
const LAB = fileURLToPath(new URL('../../topologies/two-node-flannel.yaml', import.meta.url))

inlineMore()
rmSync(compiled, { force: true })
const script = bundleScript(undefined)
const code = await cliOf(script).runCli(['run', LAB, '--quiet'])
if (code !== 0) throw new Error(`podwire run ${LAB}: exit code ${code}`)
writeFileSync(compiled, script.createCachedData())
