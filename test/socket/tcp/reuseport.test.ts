/** Listeners that share a port by SO_REUSEPORT are given connections by a hash of the flow (reuseport_select_sock). */
import { expect, test } from 'vitest'
import { TcpHarness } from '../../../src/cli/harness/harness.ts'
import { type DoorEvent, Player } from './script/script.ts'

const FLOWS = 64

async function accepted(listeners: readonly string[], ports: readonly number[]): Promise<number[]> {
  const door = new TcpHarness()
  const lines: string[] = []
  for (const name of listeners) {
    lines.push(
      `${name} = socket`,
      `set ${name} SO_REUSEPORT 1`,
      `bind ${name} 8080`,
      `listen ${name} 100`,
      `nonblock ${name}`,
    )
  }
  for (const port of ports) lines.push(`<${port} S 0 win 1000 <mss 1460>`, `<${port} . 1 ack 1 win 1000`)
  for (const name of listeners) for (const port of ports) lines.push(`${name}${port} = accept ${name}`)
  const player = new Player((request) => door.request(JSON.stringify(request)) as DoorEvent[])
  const transcript = await player.play(lines)
  expect(door.framesInUse).toBe(0)
  return listeners.map((name) => {
    const calls = transcript.map((line, i) => (line.endsWith(`accept ${name}`) ? (transcript[i + 1] ?? '') : null))
    return calls.filter((next) => next !== null && next !== '= EAGAIN').length
  })
}

const ports = Array.from({ length: FLOWS }, (_, i) => 40_000 + i)

test('all of them get some, none gets most', async () => {
  const shares = await accepted(['L', 'M', 'N'], ports)
  expect(shares.reduce((sum, each) => sum + each, 0)).toBe(FLOWS)
  for (const share of shares) {
    expect(share).toBeGreaterThan(FLOWS / 8)
    expect(share).toBeLessThan(FLOWS / 2)
  }
})

test('a flow always comes to the same one', async () => {
  const [first] = await accepted(['L', 'M'], [40_007])
  for (let i = 0; i < 5; i++) expect((await accepted(['L', 'M'], [40_007]))[0]).toBe(first)
})
