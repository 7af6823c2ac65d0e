/** `podwire drops`: the ways in which a frame can end early, in words and in the kernel's. */
import { dropReasons, kernelName } from '../link/drop-reason.ts'

export function listDrops({ json = false }: { json?: boolean }): number {
  if (json) {
    const rows = dropReasons.map((reason) => ({ reason: reason.name, kernel: kernelName(reason), words: reason.words }))
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
    return 0
  }
  const names = width(dropReasons.map(({ name }) => name))
  const kernels = width(dropReasons.map(kernelName))
  const line = (name: string, kernel: string, words: string) =>
    `${name.padEnd(names)}  ${kernel.padEnd(kernels)}  ${words}\n`
  process.stdout.write(line('REASON', 'LINUX', 'THE FRAME WAS DROPPED, FOR'))
  for (const reason of dropReasons) process.stdout.write(line(reason.name, kernelName(reason), reason.words))
  return 0
}

function width(texts: readonly string[]): number {
  return Math.max(...texts.map(({ length }) => length))
}
