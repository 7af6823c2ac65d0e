/** ss, netstat and /proc/net over the same sockets: texts of iproute2 6.1, net-tools 2.10 and Linux 6.18. */
import { describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import type { Place } from '../../../src/host/place.ts'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { Box } from '../box.ts'

/** b listens on TCP 5000 and UDP 5002; a has said hello on one connection. */
async function talking(control = 'cubic') {
  const box = new Box(linuxCommands())
  const [a, b] = box.pair(30_000)
  await box.say(a.place, `sysctl -w net.ipv4.tcp_congestion_control=${control}`)
  const quiet = { out: () => {}, err: () => {} }
  const started: [Place, string][] = [
    [b.place, 'nc -l -k 5000'],
    [b.place, 'nc -u -l 5002'],
    [a.place, '(sleep 1; echo hello; sleep 90) | nc -p 40000 10.0.0.2 5000'],
  ]
  for (const [place, line] of started) {
    place.shell(line, quiet).exit.catch(() => {})
    await box.runner.runFor(SECOND / 10)
  }
  await box.runner.runFor(2 * SECOND)
  const end = async () => {
    for (const machine of [a, b]) machine.place.killAll(9)
    await box.rest()
  }
  return { box, a, b, end }
}

/** What differs from run to run of the real tools. */
const blank = (text: string) =>
  text
    .replace(/pid=\d+/g, 'pid=P')
    .replace(/ino:\d+ sk:[0-9a-f]+/g, 'ino:I sk:S')
    .replace(/^ +$/gm, '')

describe('ss', () => {
  it('names the process and the descriptor of a socket', async () => {
    const { box, b, end } = await talking()
    const said = await box.say(b.place, 'ss -H -tanp')
    expect(blank(said.out)).toBe(
      'LISTEN 0      1       0.0.0.0:5000  0.0.0.0:*     users:(("nc",pid=P,fd=3))\n' +
        'ESTAB  0      0      10.0.0.2:5000 10.0.0.1:40000 users:(("nc",pid=P,fd=4))\n',
    )
    await end()
  })

  it('prints numbers, marks and memory of a connection in the order of iproute2', async () => {
    const { box, a, end } = await talking()
    const said = await box.say(a.place, 'ss -H -O -tnoemi')
    expect(blank(said.out).replace(/(lastsnd|lastrcv|lastack):\d+/g, '$1:T')).toBe(
      'ESTAB 0      0      10.0.0.1:40000 10.0.0.2:5000 ino:I sk:S <-> ' +
        'skmem:(r0,rb131072,t0,tb46080,f0,w0,o0,bl0,d0) ts sack cubic wscale:7,7 rto:204 rtt:0.12125/0.065 mss:1448 ' +
        'pmtu:1500 rcvmss:536 advmss:1448 cwnd:10 bytes_sent:6 bytes_acked:7 segs_out:3 segs_in:2 data_segs_out:1 ' +
        'send 955381443bps lastsnd:T lastrcv:T lastack:T pacing_rate 1910762880bps delivery_rate 193066664bps delivered:2 app_limited ' +
        'rcv_space:14480 rcv_ssthresh:64088 minrtt:0.06 snd_wnd:65280\n',
    )
    await end()
  })

  it('prints what BBR knows of the path before the send rate', async () => {
    const { box, a, end } = await talking('bbr')
    const said = await box.say(a.place, 'ss -H -O -tni')
    expect(said.out).toMatch(
      / bbr wscale:7,7 .* data_segs_out:1 bbr:\(bw:193066480bps,mrtt:0\.06,pacing_gain:2\.88672,cwnd_gain:2\.88672\) send \d+bps /,
    )
    expect(said.out).toMatch(/ pacing_rate \d+bps delivery_rate 193066664bps delivered:2 app_limited /)
    await end()
  })

  it('tells which timer runs', async () => {
    const { box, a, b, end } = await talking()
    await box.say(b.place, 'ip link set eth0 down')
    a.place.shell('echo x | nc -p 40001 10.0.0.2 5000', { out: () => {}, err: () => {} }).exit.catch(() => {})
    await box.runner.runFor(SECOND / 2)
    const said = await box.say(a.place, 'ss -H -tno state syn-sent')
    expect(said.out).toMatch(/^0 {6}1 {6}10\.0\.0\.1:40001 10\.0\.0\.2:5000 timer:\(on,[45]\d\dms,0\)\n$/)
    await end()
  })

  it('filters by expression, in one word or many', async () => {
    const { box, b, end } = await talking()
    const listener = 'LISTEN 0      1      0.0.0.0:5000 0.0.0.0:*\n'
    for (const words of [
      "'( sport = :5000 )' and not dst 10.0.0.1",
      'sport eq 5000 dport lt :1',
      "'src 0.0.0.0:5000'",
    ]) {
      const said = await box.say(b.place, `ss -H -tan ${words}`)
      expect(said.out.replace(/ +$/gm, '')).toBe(listener)
    }
    const wrong = await box.say(b.place, 'ss -tan sport = :nosuch')
    expect(wrong).toMatchObject({
      code: 1,
      err: 'Error: "nosuch" does not look like a port.\nCannot parse dst/src address.\n',
    })
    await end()
  })

  it('shows empty tables of what nobody has, and hides the columns that say nothing', async () => {
    const { box, b, end } = await talking()
    expect((await box.say(b.place, 'ss -u')).out).toBe('Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n')
    expect((await box.say(b.place, 'ss -x')).out).toBe(
      'Netid State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n',
    )
    expect((await box.say(b.place, 'ss -tn6')).out).toBe(
      'State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n',
    )
    const bad = await box.say(b.place, 'ss -A bogus')
    expect(bad.code).toBe(255)
    expect(bad.err).toContain('ss: "bogus" is illegal socket table id\nUsage: ss [ OPTIONS ]\n')
    await end()
  })
})

describe('netstat', () => {
  it('lists sockets with owner, inode and timer', async () => {
    const { box, b, end } = await talking()
    const said = await box.say(b.place, 'netstat -tanpeo')
    expect(said.out.replace(/\d+\/nc {1,2}/g, 'P/nc ').replace(/ 0 {10}\d+ +/g, ' 0 INODE ')).toBe(
      'Active Internet connections (servers and established)\n' +
        'Proto Recv-Q Send-Q Local Address           Foreign Address         State       User       Inode      PID/Program name     Timer\n' +
        'tcp        0      0 0.0.0.0:5000            0.0.0.0:*               LISTEN      0 INODE P/nc                off (0.00/0/0)\n' +
        'tcp        0      0 10.0.0.2:5000           10.0.0.1:40000          ESTABLISHED 0 INODE P/nc                off (0.00/0/0)\n',
    )
    await end()
  })

  it('counts by protocol', async () => {
    const { box, b, end } = await talking()
    const said = await box.say(b.place, 'netstat -st')
    expect(said.out).toBe(
      'Tcp:\n    0 active connection openings\n    1 passive connection openings\n    0 failed connection attempts\n' +
        '    0 connection resets received\n    1 connections established\n    3 segments received\n' +
        '    2 segments sent out\n    0 segments retransmitted\n    0 bad segments received\n    0 resets sent\n' +
        'UdpLite:\nTcpExt:\n    0 packet headers predicted\nIpExt:\n    InOctets: 170\n    OutOctets: 112\n' +
        '    InNoECTPkts: 3\n',
    )
    await end()
  })
})

describe('/proc and /sys', () => {
  it('shows sockets, routes, neighbours and devices in the columns of the kernel', async () => {
    const { box, b, end } = await talking()
    const files = await box.say(b.place, 'cat /proc/net/tcp /proc/net/route /proc/net/arp /proc/net/dev')
    const lines = files.out.split('\n')
    expect(lines[0]).toHaveLength(149)
    expect(lines.slice(1, 3).map((line) => line.replace(/ \d+ 1 0{8}[0-9a-f]{8}/, ' I 1 P').trimEnd())).toEqual([
      '   0: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 I 1 P 100 0 0 10 0',
      '   1: 0200000A:1388 0100000A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 I 1 P 20 4 30 10 -1',
    ])
    expect(lines.slice(3, 6).map((line) => line.trimEnd())).toEqual([
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    ])
    expect(lines[7]).toBe('10.0.0.1         0x1         0x2         02:42:0a:00:00:01     *        eth0')
    expect(lines[11]).toBe(
      '  eth0:     254       4    0    0    0     0          0         0      182       3    0    0    0     0       0          0',
    )
    await end()
  })

  it('has a directory for each device', async () => {
    const { box, b, end } = await talking()
    const read = async (line: string) => {
      const { out, err } = await box.say(b.place, line)
      return out + err
    }
    expect(await read('ls /sys/class/net')).toBe('eth0\nlo\n')
    expect(
      await read('cd /sys/class/net/eth0; cat mtu address ifindex iflink carrier operstate flags type speed'),
    ).toBe('1500\n02:42:0a:00:00:02\n2\n2\n1\nup\n0x1003\n1\n10000\n')
    expect(await read('cat /sys/class/net/eth0/statistics/rx_packets')).toBe('4\n')
    expect(await read('cat /sys/class/net/lo/speed')).toBe('cat: /sys/class/net/lo/speed: Invalid argument\n')
    expect(await read('cat /sys/class/net')).toBe('cat: /sys/class/net: Is a directory\n')
    expect(await read('cat /proc/net/fib_trie')).toBe('podwire: /proc/net/fib_trie is not modelled\n')
    await end()
  })

  it('reads and writes sysctls', async () => {
    const { box, b, end } = await talking()
    expect(b.netns.forwarding).toBe(false)
    const said = await box.say(
      b.place,
      'echo 1 > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/nosuch',
    )
    expect(said.out).toBe('1\n')
    expect(said.err).toBe('sh: 1: cannot create /proc/sys/net/ipv4/nosuch: Directory nonexistent\n')
    expect(b.netns.forwarding).toBe(true)
    await end()
  })
})
