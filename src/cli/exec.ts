/** `podwire exec`: commands typed at the workstation of a topology, without its steps. */
import { writeCaptures } from './captures.ts'
import { type CaptureOptions, openLab, readTopology } from './open.ts'

export interface ExecOptions extends CaptureOptions {
  readonly command: readonly string[]
}

/** Returns the exit code of the last command. */
export async function exec(file: string, options: ExecOptions): Promise<number> {
  const topology = readTopology(file)
  const lab = await openLab(file, topology, options, options.captures !== undefined)
  let code = 0
  try {
    for (const line of options.command) {
      const io = {
        out: (text: string) => void process.stdout.write(text),
        err: (text: string) => void process.stderr.write(text),
      }
      code = await lab.type(line, io)
    }
  } finally {
    if (lab.recorder !== null && options.captures !== undefined) {
      writeCaptures(lab.recorder, options.captures, options.format)
    }
  }
  return code
}
