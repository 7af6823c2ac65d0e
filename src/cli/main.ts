#!/usr/bin/env node
/**
 * The executable. What `podwire` in package.json's `bin` starts is this file and its two imports as CommonJS, `main.cjs` (rolldown.config.js):
 * Node starts that some milliseconds sooner than modules.
 */
import { bundledCli } from './bundle.ts'
import { prepareV8 } from './v8.ts'

/** What Node says, too, when nothing can happen any more and the work is not done. */
const UNSETTLED = 13

prepareV8()

// A reader that went away (| head) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

void main()

async function main(): Promise<void> {
  // Whoever ends the process by a code of its own, as a signal's, has said it by then.
  const unsettled = () => {
    process.exitCode ??= UNSETTLED
  }
  process.once('exit', unsettled)
  const { runCli, servedThread } = bundledCli() ?? (await import('./podwire.ts'))
  if (await servedThread()) {
    process.off('exit', unsettled)
    return
  }
  const loadBench = () => import('../bench/command.ts')
  process.exitCode = await runCli(process.argv.slice(2), loadBench, new URL(import.meta.url))
  process.off('exit', unsettled)
  // Nothing is under way, not even output: Node would now free the heap page by page, for a tenth of a short run.
  if (
    process.getActiveResourcesInfo().length === 0 &&
    process.stdout.writableLength + process.stderr.writableLength === 0
  )
    process.exit()
}
