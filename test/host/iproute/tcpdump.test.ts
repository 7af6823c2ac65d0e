import { describe, expect, it } from 'vitest'
import type { Running } from '../../../src/host/process.ts'
import { transcript } from '../box.ts'
import { Node } from './node.ts'

function start(node: Node, line: string): { running: Running; text: () => string } {
  const { io, text } = transcript()
  return { running: node.podPlace.spawn(line.split(' '), io), text }
}

const BEGIN =
  'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n' +
  'listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n'

describe('tcpdump', () => {
  it('prints frames with the time of day, and ends after as many as it was told', async () => {
    const node = new Node()
    const { running, text } = start(node, 'tcpdump -i eth0 -nn -c 2 icmp')
    await node.ping(node.pod, '10.244.1.1')
    expect(await node.runner.until(running.exit)).toBe(0)
    expect(text()).toMatch(
      new RegExp(
        `^${BEGIN.replace(/[[\].()]/g, '\\$&')}` +
          '00:00:00\\.\\d{6} IP 10\\.244\\.1\\.2 > 10\\.244\\.1\\.1: ICMP echo request, id 7, seq 1, length 64\n' +
          '00:00:00\\.\\d{6} IP 10\\.244\\.1\\.1 > 10\\.244\\.1\\.2: ICMP echo reply, id 7, seq 1, length 64\n' +
          '2 packets captured\n2 packets received by filter\n0 packets dropped by kernel\n$',
      ),
    )
    expect(node.pod.devices.get('eth0')?.tap).toBeNull()
  })

  it('sums up when it is interrupted', async () => {
    const node = new Node()
    const { running, text } = start(node, 'tcpdump -t -e arp')
    await node.ping(node.pod, '10.244.1.1')
    running.process.kill(2)
    expect(await node.runner.until(running.exit)).toBe(0)
    expect(text()).toContain(
      '\n0a:58:0a:f4:01:02 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: ' +
        'Request who-has 10.244.1.1 tell 10.244.1.2, length 28\n',
    )
    expect(text()).toMatch(/\n\n3 packets captured\n3 packets received by filter\n0 packets dropped by kernel\n$/)
  })

  it('watches all devices at once, and says where and which way', async () => {
    const node = new Node()
    const { running, text } = start(node, 'tcpdump -i any -t -c 2 icmp')
    await node.ping(node.pod, '10.244.1.1')
    await node.runner.until(running.exit)
    expect(text()).toContain('tcpdump: data link type LINUX_SLL2\n')
    expect(text()).toContain('\neth0  Out IP 10.244.1.2 > 10.244.1.1: ICMP echo request,')
    expect(text()).toContain('\neth0  In  IP 10.244.1.1 > 10.244.1.2: ICMP echo reply,')
  })

  it('leaves other listeners alone, whoever stops first', async () => {
    const node = new Node()
    const eth0 = node.pod.devices.get('eth0')!
    let heard = 0
    const mine = () => void heard++
    eth0.tap = mine
    const first = start(node, 'tcpdump -t icmp')
    const second = start(node, 'tcpdump -t icmp')
    await node.runner.runFor(1)
    first.running.process.kill(2)
    await node.runner.until(first.running.exit)
    await node.ping(node.pod, '10.244.1.1')
    second.running.process.kill(2)
    await node.runner.until(second.running.exit)
    expect(first.text()).toContain('0 packets captured')
    expect(second.text()).toContain('2 packets captured')
    expect(heard).toBe(5)
    expect(eth0.promiscuous).toBe(false)
    await node.rest()
  })

  it('writes a file and reads it again', async () => {
    const node = new Node()
    const { running } = start(node, 'tcpdump -w /tmp/x.pcap -c 5')
    await node.ping(node.pod, '10.244.1.1')
    await node.runner.until(running.exit)
    const said = await node.run('tcpdump -t -r /tmp/x.pcap icmp and src 10.244.1.2', node.podPlace)
    expect(said.err).toBe('reading from file /tmp/x.pcap, link-type EN10MB (Ethernet), snapshot length 262144\n')
    expect(said.out).toBe('IP 10.244.1.2 > 10.244.1.1: ICMP echo request, id 7, seq 1, length 64\n')
    const dump = await node.run('tcpdump -t -x -c 1 -r /tmp/x.pcap icmp', node.podPlace)
    expect(dump.out).toContain('\n\t0x0000:  4500 0054 ')
  })

  it('refuses what it cannot do', async () => {
    const node = new Node()
    expect(await node.fails('tcpdump -i eth9')).toBe('1 tcpdump: eth9: No such device exists\n(No such device exists)')
    expect(await node.fails('tcpdump foo bar')).toBe("1 tcpdump: can't parse filter expression: syntax error")
    expect(await node.fails('tcpdump -C 5')).toBe('2 podwire: tcpdump -C is not modelled')
    expect(await node.fails('tcpdump -c 0')).toBe('1 tcpdump: invalid packet count 0')
    expect(await node.fails('tcpdump -s x')).toBe('1 tcpdump: invalid snaplen x (must be >= 0 and <= 262144)')
    expect(await node.fails('tcpdump -i 77')).toBe('1 tcpdump: Invalid adapter index')
    expect(await node.fails('tcpdump -y FOO')).toBe('1 tcpdump: invalid data link type FOO')
    expect(await node.prints('tcpdump -D', node.podPlace)).toBe(
      '1.eth0 [Up, Running, Connected]\n2.any (Pseudo-device that captures on all interfaces) [Up, Running]\n' +
        '3.lo [Up, Running, Loopback]\n',
    )
  })
})
