/** `podwire shell`: the lab's shell, line by line, until end of input or `exit`. */
import { createInterface } from 'node:readline/promises'
import { writeCaptures } from './captures.ts'
import { type CaptureOptions, openLab, readTopology, shown } from './open.ts'
import { Progress } from './progress.ts'

export async function shell(file: string, options: CaptureOptions): Promise<number> {
  const topology = readTopology(file)
  const progress = new Progress(true)
  progress.show(`building ${topology.name ?? shown(file)}`)
  const lab = await openLab(file, topology, options, options.captures !== undefined)
  progress.done()
  const prompt = process.stdin.isTTY ? 'workstation$ ' : ''
  if (process.stdin.isTTY) {
    const machines = [...lab.machines.keys()].join(', ')
    process.stdout.write(
      `You sit at the workstation: kubectl and "ssh MACHINE COMMAND" (${machines}). Ctrl-D leaves.\n`,
    )
  }
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt, terminal: process.stdin.isTTY })
  let code = 0
  lines.prompt()
  for await (const line of lines) {
    if (/^\s*(exit|logout)(\s+\d+)?\s*$/.test(line)) break
    const io = {
      out: (text: string) => void process.stdout.write(text),
      err: (text: string) => void process.stderr.write(text),
    }
    if (line.trim() !== '') code = await lab.type(line, io)
    lines.prompt()
  }
  lines.close()
  if (lab.recorder !== null && options.captures !== undefined) {
    writeCaptures(lab.recorder, options.captures, options.format)
  }
  return code
}
