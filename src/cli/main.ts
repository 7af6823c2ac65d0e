#!/usr/bin/env node
/** The executable: what `podwire` in package.json's `bin` starts. */
import { runCli } from './podwire.ts'
import { inlineMore } from './v8.ts'

inlineMore()

// A reader that went away (| head) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exitCode = await runCli(process.argv.slice(2))
