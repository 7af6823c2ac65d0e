/** `podwire exec`: commands typed at the workstation of a topology, without its steps. */
import type { CaptureOptions } from './capture-options.ts'
import { readTopology, withLab } from './open.ts'

export interface ExecOptions extends CaptureOptions {
  readonly command: readonly string[]
}

/** Returns the exit code of the last command. */
export async function exec(file: string, options: ExecOptions): Promise<number> {
  const topology = readTopology(file)
  return withLab(file, topology, options, false, async (lab, files) => {
    let code = 0
    for (const line of options.command) {
      const io = {
        out: (text: string) => void process.stdout.write(text),
        err: (text: string) => void process.stderr.write(text),
      }
      code = await lab.type(line, io)
      files?.flush()
    }
    return code
  })
}
