/** Two runs of topologies/two-node-flannel.yaml, and what is said about them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { runCli } from '../../src/cli/podwire.ts'
import { journal } from '../../src/link/flow-cache.ts'

let out = ''
let err = ''

beforeEach(() => {
  out = ''
  err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
  return () => {
    vi.restoreAllMocks()
    expect(journal.open).toBe(false)
  }
})

const topology = new URL('../../topologies/two-node-flannel.yaml', import.meta.url).pathname
const diff = (...args: string[]) => runCli(['diff', ...args])

describe('podwire diff', () => {
  test('the same seed gives the same, in topologies and in their captures', async () => {
    expect(await diff(topology, topology)).toBe(0)
    expect(out).toContain('\nThe same: every frame, byte by byte, at the same time\n')
    out = ''
    const folder = mkdtempSync(join(tmpdir(), 'podwire-'))
    await runCli(['run', topology, '--quiet', '--captures', folder])
    expect(await diff(join(folder, 'all.pcapng'), topology)).toBe(0)
    expect(out).toContain('\nThe same: every frame, byte by byte, at the same time\n')
    rmSync(folder, { recursive: true })
  })

  test('vxlan and host-gw: every packet finds its partner, and goes without flannel.1 and 50 bytes', async () => {
    expect(await diff(topology, '--set', 'cni.backend=host-gw')).toBe(1)
    expect(out).toMatch(/\n\d+ of \d+ pairs of packets differ\n/)
    expect(out).not.toContain('Without a partner')
    const [w1] = /\n {2}w1\.example\.com\n( {4}.*\n)+/.exec(out) ?? ['']
    expect(w1).toContain('    A passes veth, cni0, flannel.1, eth0; B passes veth, cni0, eth0 (')
    expect(w1).toContain('    A is in VXLAN when it was last seen here, B is not (50 bytes fewer) (')
  })

  test('iptables and ipvs: the same ways, decided by other means', async () => {
    expect(await diff(topology, '--set', 'kubeProxy.mode=ipvs', '--json')).toBe(1)
    const found = JSON.parse(out)
    expect(found.same).toBe(false)
    expect(found.pairs).toBeGreaterThan(15)
    const decisions: { text: string; place: string }[] = found.decisions
    const on = (pattern: RegExp) => decisions.filter(({ text }) => pattern.test(text)).map(({ place }) => place)
    expect(on(/^only A: .*KUBE-SVC-/)).toContain('w1.example.com')
    expect(on(/^only B: .*KUBE-SVC-/)).toEqual([])
  })

  test('commands in B: a firewall rule ends the way', async () => {
    const drop = 'ssh w2 iptables -I FORWARD -p icmp -j DROP'
    expect(await diff(topology, '--command', drop)).toBe(1)
    expect(out).toContain(`B: ${topology} --command "${drop}"\n`.slice(-60))
    expect(out).toMatch(/\n {2}default\/web\n {4}A passes here, B does not \(/)
    expect(out).toMatch(
      /\n {2}in the end\n {4}A ends .*, B ends .*w2\.example\.com: dropped: .*SKB_DROP_REASON_NETFILTER_DROP/,
    )
  })

  test.each([
    [[topology], 'podwire: what is to be compared? Give B, --set or --command'],
    [
      [topology, '--set', 'kubeProxy.mode'],
      'podwire: --set kubeProxy.mode: expected KEY=VALUE, such as kubeProxy.mode=ipvs',
    ],
    [[topology, '--set', 'kubeProxy.mode=ipvz'], 'did you mean "ipvs"?'],
  ])('%j is refused in words', async (args, sentence) => {
    expect(await diff(...args)).toBe(2)
    expect(err).toContain(sentence)
  })
})
