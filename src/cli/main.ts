#!/usr/bin/env node
/** The executable: what `podwire` in package.json's `bin` starts. */
import { bundledCli } from './bundle.ts'
import { inlineMore } from './v8.ts'

inlineMore()

// A reader that went away (| head) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const { runCli, servedThread } = bundledCli() ?? (await import('./podwire.ts'))
if (!(await servedThread())) {
  const loadBench = () => import('../bench/command.ts')
  process.exitCode = await runCli(process.argv.slice(2), loadBench, new URL(import.meta.url))
}
