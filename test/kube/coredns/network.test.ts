/** CoreDNS and its clients with real sockets, a cable between them. */
import { describe, expect, it } from 'vitest'
import * as udp from '../../../src/wire/udp.ts'
import { dnsLab, object, slice } from './lab.ts'

const pods = Array.from({ length: 50 }, (_, i) => ({ addresses: [`10.244.7.${i + 1}`], conditions: { ready: true } }))
const objects = [
  object('Service', 'default', 'fifty', { spec: { type: 'ClusterIP', clusterIP: 'None' } }),
  slice('fifty', pods),
]

describe('CoreDNS over the network', () => {
  it('answers glibc', async () => {
    const net = dnsLab()
    net.start()
    const ports: number[] = []
    net.near.tap = (frame) => {
      if (frame.bytes[frame.start + 23] === 17) ports.push(udp.sourcePort(frame.bytes, frame.start + 34))
    }
    const { output, code } = await net.run('getent ahosts hello')
    expect(output).toContain('10.96.0.80      STREAM hello.default.svc.cluster.local\n')
    expect(code).toBe(0)
    expect(new Set(ports).size).toBe(2)
    await net.end()
  })

  it('serves what is too large for UDP by TCP', async () => {
    const net = dnsLab({ objects })
    net.start()
    const { output } = await net.run('dig +noedns fifty.default.svc.cluster.local')
    expect(output).toContain(';; Truncated, retrying in TCP mode.\n')
    expect(output).toContain('ANSWER: 50,')
    expect(output).toContain('(10.0.0.2) (TCP)\n')
    const { output: found } = await net.run('getent ahostsv4 fifty')
    expect(found.match(/STREAM/g)).toHaveLength(50)
    await net.end()
  })

  it('is refused when the server is gone', async () => {
    const net = dnsLab()
    net.start().process.kill(9)
    await net.runner.runFor(0)
    const { output, code } = await net.run('nslookup hello')
    const refused = ';; communications error to 10.0.0.2#53: connection refused\n'
    expect(output).toBe(`${refused.repeat(3)};; no servers could be reached\n\n`)
    expect(code).toBe(1)
    expect(await net.run('getent hosts hello')).toEqual({ output: '', code: 2 })
    await net.end()
  })

  it('cannot be started twice, serves on for five seconds after SIGTERM, and then frees its port', async () => {
    const net = dnsLab()
    const first = net.start()
    expect(await net.runner.until(net.start().exit)).toBe(1)
    expect(net.log()).toContain('Listen: listen udp :53: bind: address already in use\n')
    first.process.kill(15)
    expect((await net.run('dig +short hello.default.svc.cluster.local')).output).toBe('10.96.0.80\n')
    expect(await net.runner.until(first.exit)).toBe(0)
    expect(net.log()).toMatch(
      /\[INFO\] SIGTERM: Shutting down servers then terminating\n\[INFO\] plugin\/health: Going into lameduck mode for 5s\n$/,
    )
    net.start()
    expect((await net.run('dig +short hello.default.svc.cluster.local')).output).toBe('10.96.0.80\n')
    await net.end()
  })

  it('says whether it is well and ready', async () => {
    const net = dnsLab()
    net.start()
    expect((await net.run('curl -s http://10.0.0.2:8080/health')).output).toBe('OK')
    expect((await net.run('curl -s http://10.0.0.2:8181/ready')).output).toBe('OK')
    expect((await net.run('curl -s http://10.0.0.2:9153/metrics')).output).toContain('coredns_build_info{')
    await net.end()
  })
})
