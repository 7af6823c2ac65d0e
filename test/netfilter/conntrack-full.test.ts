import { describe, expect, it } from 'vitest'
import { procFile } from '../../src/host/proc.ts'
import { Status } from '../../src/netfilter/status.ts'
import { transcript } from '../host/box.ts'
import { Node } from '../host/iproute/node.ts'
import { Box } from './box.ts'

const TRACK = '*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n'

function full(max: number, packets: number): Box {
  const box = new Box(TRACK)
  box.netfilter.conntrack.settings.set('nf_conntrack_max', String(max))
  for (let port = 1; port <= packets; port++) box.through(box.udp('10.244.1.2:9', `10.9.0.2:${20_000 + port}`))
  return box
}

describe('a full table', () => {
  // Linux 6.18, 262144 buckets: of 2000 packets beyond a limit of 2000 it refused 1753 and made room 247 times.
  it('makes room by one unassured flow near the new one, or refuses the packet', () => {
    const box = full(2000, 4000)
    const { count, full: refused, earlyDrops } = box.netfilter.conntrack
    expect(count).toBe(2000)
    expect(refused + earlyDrops).toBe(2000)
    expect(earlyDrops).toBeGreaterThan(150)
    expect(earlyDrops).toBeLessThan(350)
    expect(box.world.frames.inUse).toBe(0)
  })

  it('spares assured flows, and tells of each packet it refuses', () => {
    const box = new Box(TRACK)
    const { conntrack } = box.netfilter
    let told = 0
    conntrack.onFull = () => told++
    conntrack.settings.set('nf_conntrack_max', '3')
    for (const port of [1, 2, 3]) box.through(box.udp('10.244.1.2:9', `10.9.0.2:${port}`))
    for (const flow of conntrack.list()) flow.status |= Status.ASSURED
    for (let port = 4; port < 2000; port++) expect(box.through(box.udp('10.244.1.2:9', `10.9.0.2:${port}`))).toBe(null)
    expect([conntrack.count, conntrack.earlyDrops, told]).toEqual([3, 0, 1996])
  })

  it('is relieved by the next sweep: unassured flows go until 95 % are left', () => {
    const box = full(100, 300)
    const { conntrack } = box.netfilter
    expect(conntrack.full).toBeGreaterThan(0)
    conntrack.list()[0].due = box.world.scheduler.now + 1e9
    conntrack.flows.hasten(conntrack.list()[0])
    box.world.scheduler.run(box.world.scheduler.now + 3e9)
    expect(conntrack.count).toBeLessThan(95)
    expect(conntrack.count).toBeGreaterThan(90)
  })

  it('has no limit when the limit is 0', () => {
    expect(full(0, 300).netfilter.conntrack.count).toBe(300)
  })
})

describe('conntrack -E', () => {
  async function events(options: string): Promise<string[]> {
    const node = new Node()
    await node.prints('iptables -A INPUT -m conntrack --ctstate ESTABLISHED')
    const { io, text } = transcript()
    const { process, exit } = node.node.place.spawn(`conntrack -E ${options}`.trim().split(' '), io)
    await node.runner.runFor(1e6)
    await node.ping(node.node.netns, '192.168.14.1')
    const tuple = '-s 1.1.1.1 -d 2.2.2.2 -p udp --sport 10 --dport 20'
    await node.run(`conntrack -I ${tuple} -t 100 -g 3.3.3.3`)
    await node.runner.runFor(1e6)
    await node.run(`conntrack -U ${tuple} -m 3`)
    await node.run('conntrack -D -p udp')
    process.kill(2)
    await node.runner.until(exit)
    return text()
      .replace(/portid=[0-9]+/g, 'portid=P')
      .replace(/<id>[0-9]+/g, '<id>N')
      .trimEnd()
      .split('\n')
  }

  const there = 'src=1.1.1.1 dst=2.2.2.2 sport=10 dport=20 [UNREPLIED] src=3.3.3.3 dst=1.1.1.1 sport=20 dport=10'
  const ping = 'src=192.168.14.11 dst=192.168.14.1 type=8 code=0 id=7'
  const pong = 'src=192.168.14.1 dst=192.168.14.11 type=0 code=0 id=7'

  // Layout and fields as conntrack 1.4.7 printed them for the same commands on Linux 6.18.
  it('tells what the kernel and what programs do', async () => {
    expect(await events('')).toEqual([
      `    [NEW] icmp     1 30 ${ping} [UNREPLIED] ${pong}`,
      ` [UPDATE] icmp     1 30 ${ping} ${pong}`,
      `    [NEW] udp      17 100 ${there} mark=0 [USERSPACE] portid=P progname=conntrack`,
      ` [UPDATE] udp      17 99 ${there} mark=3 [USERSPACE] portid=P`,
      `[DESTROY] udp      17 99 ${there} mark=3 [USERSPACE] portid=P`,
      'conntrack v1.4.7 (conntrack-tools): 5 flow events have been shown.',
    ])
  })

  it('takes a mask, and prints commands', async () => {
    expect(await events('-e NEW,DESTROY -o save')).toEqual([
      '-A -t 30 -u UNSET -s 192.168.14.11 -d 192.168.14.1 -r 192.168.14.1 -q 192.168.14.11 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 7',
      '-A -t 100 -u UNSET -s 1.1.1.1 -d 2.2.2.2 -g 3.3.3.3 -q 1.1.1.1 -p udp --sport 10 --dport 20 --reply-port-src 20 --reply-port-dst 10 [USERSPACE] portid=P progname=conntrack',
      '-D -t 99 -u UNSET -s 1.1.1.1 -d 2.2.2.2 -g 3.3.3.3 -q 1.1.1.1 -p udp --sport 10 --dport 20 --reply-port-src 20 --reply-port-dst 10 [USERSPACE] portid=P',
      'conntrack v1.4.7 (conntrack-tools): 3 flow events have been shown.',
    ])
  })

  it('prints elements with the time they were read', async () => {
    const lines = await events('-e DESTROY -o xml,timestamp')
    expect(lines.slice(0, 2)).toEqual(['<?xml version="1.0" encoding="utf-8"?>', '<conntrack>'])
    expect(lines[2]).toBe(
      '<flow type="destroy"><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>1.1.1.1</src>' +
        '<dst>2.2.2.2</dst></layer3><layer4 protonum="17" protoname="udp"><sport>10</sport><dport>20</dport></layer4></meta>' +
        '<meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>3.3.3.3</src><dst>1.1.1.1</dst></layer3>' +
        '<layer4 protonum="17" protoname="udp"><sport>20</sport><dport>10</dport></layer4></meta>' +
        '<meta direction="independent"><timeout>99</timeout><mark>3</mark><id>N</id><unreplied/></meta>' +
        '<when><hour>0</hour><min>0</min><sec>1</sec><wday>5</wday><day>1</day><month>1</month><year>2026</year></when>' +
        '</flow> [USERSPACE] portid=P',
    )
  })

  it('hears nothing of flows that began before it listened (nf_conntrack_events 2), unless they all tell (1)', async () => {
    for (const [value, heard] of [
      [2, 0],
      [1, 1],
      [0, 0],
    ]) {
      const node = new Node()
      await node.prints('iptables -A INPUT -m conntrack --ctstate ESTABLISHED')
      await node.prints(`sysctl -qw net.netfilter.nf_conntrack_events=${value}`)
      await node.ping(node.node.netns, '192.168.14.1')
      const { io, text } = transcript()
      const { process, exit } = node.node.place.spawn(['conntrack', '-E'], io)
      await node.runner.runFor(1e6)
      await node.run('conntrack -D')
      process.kill(2)
      await node.runner.until(exit)
      expect(text()).toContain(`${heard} flow events have been shown.`)
    }
  })
})

describe('nf_conntrack_acct and nf_conntrack_timestamp', () => {
  it('concern flows that begin later, in lists and in /proc', async () => {
    const node = new Node()
    await node.prints('iptables -A INPUT -m conntrack --ctstate ESTABLISHED')
    await node.prints('sysctl -qw net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1')
    await node.ping(node.node.netns, '192.168.14.1')
    await node.prints('sysctl -qw net.netfilter.nf_conntrack_acct=0 net.netfilter.nf_conntrack_timestamp=0')
    await node.runner.runFor(1.2e9)
    const there = 'src=192.168.14.11 dst=192.168.14.1 type=8 code=0 id=7 packets=1 bytes=84'
    const back = 'src=192.168.14.1 dst=192.168.14.11 type=0 code=0 id=7 packets=1 bytes=84'
    expect((await node.run('conntrack -L -o ktimestamp')).out).toBe(
      `icmp     1 27 ${there} ${back} mark=0 delta-time=2 [start=Thu Jan  1 00:00:00 2026] use=1\n`,
    )
    expect(procFile(node.node.netns, '/proc/net/nf_conntrack')).toBe(
      `ipv4     2 icmp     1 27 ${there} ${back} mark=0 zone=0 delta-time=2 use=2\n`,
    )
    expect((await node.run('conntrack -L -o xml,ktimestamp')).out).toMatch(
      /<timestamp><start>1767225600[0-9]{9}<\/start><\/timestamp><deltatime>2<\/deltatime>/,
    )
    await node.run('conntrack -L -z')
    expect((await node.run('conntrack -L')).out).toContain('packets=0 bytes=0')
  })

  it('are switches with Linux’s ranges; the number of buckets cannot be written', async () => {
    const node = new Node()
    for (const name of ['acct', 'checksum', 'timestamp', 'tcp_loose', 'tcp_be_liberal', 'tcp_ignore_invalid_rst']) {
      expect(await node.fails(`sysctl -w net.netfilter.nf_conntrack_${name}=2`)).toBe(
        `1 sysctl: setting key "net.netfilter.nf_conntrack_${name}": Invalid argument`,
      )
    }
    expect(await node.prints('sysctl net.netfilter.nf_conntrack_buckets')).toBe(
      'net.netfilter.nf_conntrack_buckets = 262144\n',
    )
    await node.run('sysctl -w net.netfilter.nf_conntrack_buckets=5')
    expect(await node.prints('sysctl -n net.netfilter.nf_conntrack_buckets')).toBe('262144\n')
    expect(procFile(node.node.netns, '/proc/net/stat/nf_conntrack')).toBe(
      'entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n' +
        `00000000  ${'00000000 '.repeat(12)} ${'00000000 '.repeat(4).trimEnd()}\n`,
    )
  })
})
