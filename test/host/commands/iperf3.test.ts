/** iperf3: what both sides print, as iperf 3.12 does on a real kernel; the numbers that time makes are left out. */
import { describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import type { Machine } from '../../../src/host/machine.ts'
import { type Netem, Veth } from '../../../src/link/veth.ts'
import { parseIpv4, parseMac } from '../../../src/wire/address.ts'
import { Box } from '../box.ts'

class Cable extends Box {
  readonly a: Machine
  readonly b: Machine

  constructor(netem: Netem = {}) {
    super(linuxCommands())
    this.a = this.machine('a')
    this.b = this.machine('b')
    const ends = Veth.pair(this.world, 'v0', parseMac('02:00:00:00:00:0a'), 'v0', parseMac('02:00:00:00:00:0b'), netem)
    for (const [i, { netns }] of [this.a, this.b].entries()) {
      netns.adopt(ends[i])
      netns.addAddress(ends[i], parseIpv4(`10.9.0.${i + 1}`), 24)
      netns.setUp(ends[i])
    }
  }

  /** What client and server print of one test. */
  async measure(options: string): Promise<[string, string]> {
    let heard = ''
    const keep = (text: string) => void (heard += text)
    const server = this.b.place.spawn(['iperf3', '-s', '-1'], { out: keep, err: keep })
    const { code, out, err } = await this.say(this.a.place, `iperf3 -c 10.9.0.2 ${options}`)
    expect(err).toBe('')
    expect(code).toBe(0)
    await this.rest()
    expect(await server.exit).toBe(0)
    return [steady(out), steady(heard)]
  }

  async types(line: string): Promise<string> {
    const { code, out, err } = await this.say(this.a.place, line)
    return `${code}\n${plain(`${out}${err}`)}`
  }
}

/** Ephemeral ports and windows; rates and ends stay. */
function steady(text: string): string {
  return text.replace(/(10\.9\.0\.1,? port) \d{5}/g, '$1 P').replace(/( {3}0) {3}[ \d.]{4} [KM]Bytes {7}$/gm, '$1 CWND')
}

/** Ephemeral ports, rates, ends of intervals and windows as letters. */
function plain(text: string): string {
  return text
    .replace(/(10\.9\.0\.1,? port) \d{5}/g, '$1 P')
    .replace(/ [ \d.]{4} [KMG]?bits\/sec/g, ' RATE')
    .replace(/-0\.\d\d /g, '-0.0N ')
    .replace(/( {3}0) {3}[ \d.]{4} [KM]Bytes {7}$/gm, '$1 CWND')
}

describe('iperf3', () => {
  it('sends in blocks, and both sides say how much came', async () => {
    const cable = new Cable()
    let heard = ''
    const server = cable.b.place.spawn(['iperf3', '-s', '-1'], { out: (t) => (heard += t), err: (t) => (heard += t) })
    expect(await cable.types('iperf3 -c 10.9.0.2 -n 100K')).toBe(`0
Connecting to host 10.9.0.2, port 5201
[  5] local 10.9.0.1 port P connected to 10.9.0.2 port 5201
[ ID] Interval           Transfer     Bitrate         Retr  Cwnd
[  5]   0.00-0.0N   sec   128 KBytes  RATE    0 CWND
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-0.0N   sec   128 KBytes  RATE    0             sender
[  5]   0.00-0.0N   sec   128 KBytes  RATE                  receiver

iperf Done.
`)
    await cable.rest()
    expect(await server.exit).toBe(0)
    expect(plain(heard)).toBe(`-----------------------------------------------------------
Server listening on 5201 (test #1)
-----------------------------------------------------------
Accepted connection from 10.9.0.1, port P
[  5] local 10.9.0.2 port 5201 connected to 10.9.0.1 port P
[ ID] Interval           Transfer     Bitrate
[  5]   0.00-0.0N   sec   128 KBytes  RATE                  
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate
[  5]   0.00-0.0N   sec   128 KBytes  RATE                  receiver
`)
  })

  it('many streams have a sum, and every interval its lines', async () => {
    const cable = new Cable()
    const [client, server] = await cable.measure('-P 2 -t 2 -b 8M')
    expect(client).toBe(`Connecting to host 10.9.0.2, port 5201
[  5] local 10.9.0.1 port P connected to 10.9.0.2 port 5201
[  7] local 10.9.0.1 port P connected to 10.9.0.2 port 5201
[ ID] Interval           Transfer     Bitrate         Retr  Cwnd
[  5]   0.00-1.00   sec  1.00 MBytes  8.39 Mbits/sec    0 CWND
[  7]   0.00-1.00   sec  1.00 MBytes  8.39 Mbits/sec    0 CWND
[SUM]   0.00-1.00   sec  2.00 MBytes  16.8 Mbits/sec    0             
- - - - - - - - - - - - - - - - - - - - - - - - -
[  5]   1.00-2.00   sec  1.00 MBytes  8.39 Mbits/sec    0 CWND
[  7]   1.00-2.00   sec  1.00 MBytes  8.39 Mbits/sec    0 CWND
[SUM]   1.00-2.00   sec  2.00 MBytes  16.8 Mbits/sec    0             
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-2.00   sec  2.00 MBytes  8.39 Mbits/sec    0             sender
[  5]   0.00-2.00   sec  2.00 MBytes  8.38 Mbits/sec                  receiver
[  7]   0.00-2.00   sec  2.00 MBytes  8.39 Mbits/sec    0             sender
[  7]   0.00-2.00   sec  2.00 MBytes  8.38 Mbits/sec                  receiver
[SUM]   0.00-2.00   sec  4.00 MBytes  16.8 Mbits/sec    0             sender
[SUM]   0.00-2.00   sec  4.00 MBytes  16.8 Mbits/sec                  receiver

iperf Done.
`)
    expect(server).toContain('[  5] local 10.9.0.2 port 5201 connected to 10.9.0.1 port P\n[  8] local 10.9.0.2')
  })

  it('UDP at a megabit, its jitter and its losses', async () => {
    const cable = new Cable()
    const [client, server] = await cable.measure('-u -t 2')
    expect(client).toBe(`Connecting to host 10.9.0.2, port 5201
[  5] local 10.9.0.1 port P connected to 10.9.0.2 port 5201
[ ID] Interval           Transfer     Bitrate         Total Datagrams
[  5]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  91  
[  5]   1.00-2.00   sec   127 KBytes  1.04 Mbits/sec  90  
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5]   0.00-2.00   sec   256 KBytes  1.05 Mbits/sec  0.000 ms  0/181 (0%)  sender
[  5]   0.00-2.00   sec   256 KBytes  1.05 Mbits/sec  0.000 ms  0/181 (0%)  receiver

iperf Done.
`)
    expect(server).toContain('[  5]   0.00-1.00   sec   129 KBytes  1.05 Mbits/sec  0.000 ms  0/91 (0%)  \n')
  })

  it('what a cable loses is what the receiver misses', async () => {
    const cable = new Cable({ loss: 0.05 })
    const [client] = await cable.measure('-u -t 1 -b 10M')
    const [, lost, all] = /ms {2}(\d+)\/(\d+) \(\d+(?:\.\d)?%\) {2}receiver/.exec(client) ?? []
    expect(Number(lost) / Number(all)).toBeGreaterThan(0.02)
    expect(Number(lost) / Number(all)).toBeLessThan(0.08)
  })

  it.each(['-s -D', '-sD', '-s --daemon'])('iperf3 %s stays behind and listens', async (options) => {
    const cable = new Cable()
    expect(await cable.say(cable.b.place, `iperf3 ${options} -p 5999`)).toMatchObject({ code: 0, out: '', err: '' })
    expect((await cable.say(cable.b.place, 'ps -ef')).out).toMatch(/iperf3 -s -p 5999\n/)
    const { out } = await cable.say(cable.a.place, 'iperf3 -c 10.9.0.2 -p 5999 -n 100K')
    expect(out).toContain('iperf Done.')
  })

  it('the other way round', async () => {
    const cable = new Cable({ rate: 1e8, limit: 100 })
    const [client, server] = await cable.measure('-R -t 1')
    expect(client).toContain('Reverse mode, remote host 10.9.0.2 is sending\n')
    expect(client).toMatch(/\[ {2}5\] {3}0\.00-1\.00 {3}sec {2}11\.\d MBytes {2}9[34]\.\d Mbits\/sec {18}\n/)
    expect(server).toContain('[ ID] Interval           Transfer     Bitrate         Retr  Cwnd\n')
    expect(server.trimEnd()).toMatch(/sender$/)
  })

  it('says what is wrong with the words, and that nobody listens', async () => {
    const cable = new Cable()
    expect(await cable.types('iperf3 -c 10.9.0.2')).toBe(
      '1\niperf3: error - unable to connect to server: Connection refused\n',
    )
    expect(await cable.types('iperf3 -s -c x')).toBe(
      '1\niperf3: parameter error - cannot be both server and client\n\nUsage: iperf3 [-s|-c host] [options]\n       iperf3 [-h|--help] [-v|--version]\n\n',
    )
    for (const option of ['-J', '-w', '--bidir']) {
      expect(await cable.types(`iperf3 ${option}`)).toBe(`2\npodwire: iperf3 ${option} is not modelled\n`)
    }
    await cable.rest()
  })
})
