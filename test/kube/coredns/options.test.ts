/**
 * glibc's options in resolv.conf, on the wire. The order of packets, the ports and the bytes of what is sent were read
 * off Debian 12's glibc 2.36 (getent) with tcpdump, an IPv6 address on the host so that both families are asked for.
 */
import { describe, expect, it } from 'vitest'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { type DnsLab, dnsLab } from './lab.ts'

const NAME = 'hello.default.svc.cluster.local.'

/** Lines of tcpdump with the client's ports as letters, in the order in which they appear. */
async function capture(net: DnsLab, options: string, filter = 'udp port 53'): Promise<string[]> {
  net.client.place.files.set('/etc/resolv.conf', `nameserver 10.0.0.2\noptions ${options}\n`)
  await net.run(`tcpdump -ni eth0 -v -l ${filter} > /tmp/cap & sleep 0.1`)
  await net.run(`curl -sm 1 http://${NAME}`)
  await net.runner.runFor(SECOND)
  await net.run('pkill tcpdump')
  const { output } = await net.run('cat /tmp/cap')
  const ports = new Map<string, string>()
  const letter = (port: string) => {
    if (!ports.has(port)) ports.set(port, String.fromCharCode(97 + ports.size))
    return ports.get(port)
  }
  return output
    .split('\n')
    .map((line) => /10\.0\.0\.1\.(\d+) > 10\.0\.0\.2\.53: (.*)/.exec(line))
    .filter((found) => found !== null)
    .map(
      ([, port, rest]) =>
        `${letter(port)} ${rest.startsWith('Flags') ? rest : rest.replace(/^.*?(\[1au\] )?(A+\?) .*\((\d+)\)$/, '$1$2 $3')}`,
    )
}

async function asked(options: string): Promise<string[]> {
  const net = dnsLab()
  net.start()
  await net.runner.runFor(SECOND)
  const lines = await capture(net, options)
  await net.end()
  return lines
}

describe('resolv.conf', () => {
  it('without options: both questions at once from one socket', async () => {
    expect(await asked('')).toEqual(['a A? 49', 'a AAAA? 49'])
  })

  it('single-request: one after the other from one socket, reopen: from two', async () => {
    expect(await asked('single-request')).toEqual(['a A? 49', 'a AAAA? 49'])
    expect(await asked('single-request-reopen')).toEqual(['a A? 49', 'b AAAA? 49'])
  })

  it('edns0 sends an OPT record, no-aaaa asks for A only', async () => {
    expect(await asked('edns0')).toEqual(['a [1au] A? 60', 'a [1au] AAAA? 60'])
    expect(await asked('no-aaaa')).toEqual(['a A? 49'])
  })

  it('use-vc asks both in one segment of one connection', async () => {
    const net = dnsLab()
    net.start()
    await net.runner.runFor(SECOND)
    const lines = await capture(net, 'use-vc', 'tcp port 53')
    expect(lines.filter((line) => line.includes('Flags [P.]'))).toHaveLength(1)
    expect(lines.find((line) => line.includes('Flags [P.]'))).toMatch(/length 102/)
    expect((await net.run(`getent hosts ${NAME}`)).output).toContain('10.96.0.80')
    await net.end()
  })

  it('single-request waits for the answer before it asks again', async () => {
    const net = dnsLab()
    net.start()
    await net.runner.runFor(SECOND)
    const seen: string[] = []
    net.near.tap = (frame) => {
      if (frame.bytes[frame.start + 23] === 17) seen.push(frame.bytes[frame.start + 35] === 53 ? 'answer' : 'question')
    }
    net.client.place.files.set('/etc/resolv.conf', 'nameserver 10.0.0.2\noptions single-request\n')
    await net.run(`curl -sm 1 http://${NAME}`)
    expect(seen).toEqual(['question', 'answer', 'question', 'answer'])
    await net.end()
  })
})

describe('musl', () => {
  it('takes what fits into a datagram before Alpine 3.18, and asks again by TCP since', async () => {
    for (const [release, count] of [
      ['3.17.3', 29],
      ['3.18.0', 40],
    ] as const) {
      const net = dnsLab()
      net.start()
      net.client.place.files.set('/etc/alpine-release', `${release}\n`)
      const { output } = await net.run('getent ahostsv4 many.default.svc.cluster.local')
      expect(output.match(/STREAM/g)).toHaveLength(count)
      await net.end()
    }
  })
})
