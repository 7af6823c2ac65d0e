/** `podwire check`: is the topology well-formed, and does it build? */
import { openLab, readTopology, shown } from './open.ts'

export async function check(file: string): Promise<number> {
  const topology = readTopology(file)
  await openLab(file, topology, { format: 'pcapng', interfaces: [] }, false)
  const counted = [
    [topology.nodes.length, 'node'],
    [topology.hosts.length, 'host'],
    [topology.manifests.length, 'manifest'],
    [topology.steps.length, 'step'],
  ] as const
  const parts = counted.map(([count, noun]) => `${count} ${noun}${count === 1 ? '' : 's'}`)
  process.stdout.write(`${shown(file)}: ${parts.join(', ')}, no problem found\n`)
  return 0
}
