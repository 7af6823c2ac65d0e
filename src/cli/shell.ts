/** `podwire shell`: the lab's shell, line by line, until end of input or `exit`. */
import { createInterface } from 'node:readline/promises'
import type { Lab } from '../topology/lab.ts'
import type { CaptureOptions } from './capture-options.ts'
import type { CaptureFiles } from './captures.ts'
import { readTopology, shown, withLab } from './open.ts'
import { Progress } from './progress.ts'

export async function shell(file: string, options: CaptureOptions): Promise<number> {
  const topology = readTopology(file)
  const progress = new Progress(true)
  progress.show(`building ${topology.name ?? shown(file)}`)
  return withLab(file, topology, options, false, (lab, files) => {
    progress.done()
    return type(lab, files)
  })
}

async function type(lab: Lab, files: CaptureFiles | null): Promise<number> {
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
    files?.flush()
    lines.prompt()
  }
  lines.close()
  return code
}
