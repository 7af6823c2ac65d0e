/** The programs that users copy, run as they stand: `podwire` is what src/index.ts exports. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const folder = join(import.meta.dirname, '../../topologies/programs')
let lines: string[] = []

beforeEach(() => {
  lines = []
  vi.spyOn(console, 'log').mockImplementation((text) => void lines.push(...String(text).split('\n')))
})
afterEach(() => vi.restoreAllMocks())

async function run(name: string): Promise<string[]> {
  await import(join(folder, `${name}.mjs`))
  return lines
}

describe('a program', { timeout: 60_000 }, () => {
  it('counts frames by interface and second', async () => {
    const printed = await run('frames-per-second')
    expect(printed[0]).toMatch(
      /^second 1: default\/client\/eth0 \d+, default\/web\/eth0 \d+, w1\.example\.com\/eth0 \d+, /,
    )
    expect(printed.slice(1, 3)).toEqual(
      [2, 3].map(
        (second) =>
          `second ${second}: default/client/eth0 2, default/web/eth0 2, w1.example.com/eth0 2, ` +
          'w1.example.com/flannel.1 2, w2.example.com/eth0 2, w2.example.com/flannel.1 2',
      ),
    )
  })

  it('alerts on every drop', async () => {
    const printed = (await run('drops')).filter((line) => !line.startsWith(' '))
    expect(printed).toEqual([
      'default/web: no socket listens on its destination address and port (SKB_DROP_REASON_NO_SOCKET)',
      'w2.example.com/cni0: its next hop did not answer ARP, or may not be asked (SKB_DROP_REASON_NEIGH_FAILED)',
      'w2.example.com: a rule or a policy of the firewall dropped it (SKB_DROP_REASON_NETFILTER_DROP)',
      'w1.example.com: its TTL is used up: it has passed too many routers (SKB_DROP_REASON_IP_INHDR)',
      'w2.example.com: its TTL is used up: it has passed too many routers (SKB_DROP_REASON_IP_INHDR)',
    ])
  })

  it("follows a Service's conntrack entries", async () => {
    const states = (await run('service-flows')).map((line) =>
      /^ +[\d.]+ s {2}w1\.example\.com {2}(\[\w+\]) tcp +6 (?:\d+ )?(\w+)/.exec(line),
    )
    expect(states.map((found) => found?.slice(1).join(' '))).toEqual([
      '[NEW] SYN_SENT',
      '[UPDATE] SYN_RECV',
      '[UPDATE] ESTABLISHED',
      '[UPDATE] FIN_WAIT',
      '[UPDATE] LAST_ACK',
      '[UPDATE] TIME_WAIT',
      '[DESTROY] TIME_WAIT',
    ])
  })

  it('prints the DNS questions of pods', async () => {
    const printed = await run('dns-questions')
    expect(printed.slice(0, 2)).toEqual([
      'default/client asks A    web.default.svc.cluster.local',
      'default/client asks AAAA web.default.svc.cluster.local',
    ])
    expect(printed.length).toBeGreaterThan(2)
  })

  it('draws the throughput of a flow', async () => {
    const rates = (await run('throughput')).map((line) => Number.parseFloat(line))
    expect(rates.length).toBeGreaterThan(30)
    // The cable takes twenty megabits per second; a loss shows as a dent.
    expect(Math.max(...rates)).toBeGreaterThan(19)
    expect(Math.max(...rates)).toBeLessThan(20.5)
    expect(rates.slice(3, 28).some((rate) => rate < 18)).toBe(true)
  })
})
