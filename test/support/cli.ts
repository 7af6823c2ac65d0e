/** The podwire command as typed: its exit code, and what it said. */
import { vi } from 'vitest'
import { runCli } from '../../src/cli/podwire.ts'

export interface Typed {
  readonly code: number
  readonly out: string
  readonly err: string
}

export async function podwire(...args: string[]): Promise<Typed> {
  let out = ''
  let err = ''
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      err += String(text)
      return true
    }),
  ]
  try {
    const code = await runCli(args, () => import('../../src/bench/command.ts'))
    return { code, out, err }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
