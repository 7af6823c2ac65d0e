import { describe, expect, it } from 'vitest'
import { ping } from '../../../src/host/commands/ping.ts'
import { socketTable } from '../../../src/host/commands/ss-table.ts'
import { Ends } from '../../../src/socket/socket-decisions.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import { ANY, parseIpv4 } from '../../../src/wire/address.ts'
import { Node } from './node.ts'

/** A pod that serves TCP 8080 and UDP 53, and a node that has called it. */
async function served(): Promise<Node> {
  const node = new Node()
  const server = Sockets.of(node.pod).tcp()
  server.bind(ANY, 8080)
  const listener = server.listen(128)
  if (typeof listener !== 'string') listener.onAccept = () => {}
  Sockets.of(node.pod).udp().bind(ANY, 53)
  const client = Sockets.of(node.node.netns).tcp()
  client.bind(ANY, 40000)
  client.connect(parseIpv4('10.244.1.2'), 8080)
  await node.runner.runFor(1e9)
  return node
}

describe('ss', () => {
  it('prints only titles when there is nothing', async () => {
    const node = new Node()
    expect(await node.prints('ss -tan', node.podPlace)).toBe(
      'State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n',
    )
  })

  it('makes columns as wide as they must be', async () => {
    const node = await served()
    expect(await node.prints('ss -tln', node.podPlace)).toBe(
      'State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n' +
        'LISTEN 0      128          0.0.0.0:8080      0.0.0.0:*          \n',
    )
    expect(await node.prints('ss -uan', node.podPlace)).toBe(
      'State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n' +
        'UNCONN 0      0            0.0.0.0:53        0.0.0.0:*          \n',
    )
    expect(await node.prints('ss -tuan', node.podPlace)).toBe(
      'Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n' +
        'udp   UNCONN 0      0            0.0.0.0:53        0.0.0.0:*           \n' +
        'tcp   LISTEN 0      128          0.0.0.0:8080      0.0.0.0:*           \n' +
        'tcp   ESTAB  0      0         10.244.1.2:8080   10.244.1.1:40000       \n',
    )
    expect(await node.prints('ss -Htn', node.podPlace)).toBe('ESTAB 0      0      10.244.1.2:8080 10.244.1.1:40000\n')
    expect(await node.prints('ss -tl', node.podPlace)).toContain('0.0.0.0:http-alt ')
  })

  it('measures the last row too late, as ss does', () => {
    const row = (extra: string) => ['tcp', 'LISTEN', '0', '128', '0.0.0.0:', '80', '0.0.0.0:', '*', extra]
    const hidden = new Set([0])
    expect(socketTable([row('\n\t cubic cwnd:10')], hidden, true)).toBe(
      'State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n' +
        'LISTEN 0      128          0.0.0.0:80        0.0.0.0:*   \n\t cubic cwnd:10\n',
    )
    expect(socketTable([row('\n\t cubic cwnd:10'), row('\n\t')], hidden, true)).toBe(
      'State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess         \n' +
        'LISTEN 0      128          0.0.0.0:80        0.0.0.0:*   \n\t cubic cwnd:10\n' +
        'LISTEN 0      128          0.0.0.0:80        0.0.0.0:*   \n\t              \n',
    )
  })

  it('filters by state, port and address, and drops the column of the only state', async () => {
    const node = await served()
    expect(await node.prints('ss -tn state established', node.podPlace)).toBe(
      'Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n' +
        '0      0         10.244.1.2:8080   10.244.1.1:40000       \n',
    )
    const rows = async (filter: string) =>
      (await node.prints(`ss -Htan ${filter}`, node.podPlace)).split('\n').length - 1
    expect(await rows('sport = :8080')).toBe(2)
    expect(await rows('dport = :40000')).toBe(1)
    expect(await rows('( sport = :8080 or dport = :9 ) and dst 10.244.1.0/24')).toBe(1)
    expect(await rows('not sport = :8080')).toBe(0)
    expect(await node.fails('ss -tan state foo')).toBe('255 ss: wrong state name: foo')
    expect(await node.fails('ss -E')).toBe('2 podwire: ss -E is not modelled')
  })

  it('shows the sockets that decisions name, by the command that they name', async () => {
    const node = await served()
    const ends = [
      new Ends('tcp', parseIpv4('10.244.1.2'), 8080, parseIpv4('10.244.1.1'), 40000),
      new Ends('tcp', ANY, 8080),
      new Ends('udp', ANY, 53),
    ]
    for (const { command, entry } of ends) {
      const lines = (await node.prints(command, node.podPlace)).trimEnd().split('\n')
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain(entry)
    }
  })

  it('name the program that holds them, when they tell what they do', async () => {
    const node = await served()
    node.podPlace.programs.set('ping', ping)
    const said: string[] = []
    node.node.netns.world.trace({
      decided: (_frame, _where, decision) => said.push(decision.sentence()),
      dropped: () => {},
    })
    await node.prints('ping -c 1 10.244.1.1', node.podPlace)
    node.node.netns.world.untrace()
    expect(said.filter((line) => line.startsWith('raw ICMP socket'))).toEqual([
      expect.stringMatching(/^raw ICMP socket of ping \(pid [0-9]+\) sends an echo request, id [0-9]+, seq 1$/),
    ])
  })

  it('tells what TCP knows with -i', async () => {
    const node = await served()
    const text = await node.prints('ss -tin', node.podPlace)
    expect(text).toMatch(/10\.244\.1\.1:40000\n\t \w+ wscale:7,7 rto:\d+ rtt:[\d.]+\/[\d.]+ .*mss:1398 pmtu:1450 /)
    expect(await node.prints('ss -tiln', node.podPlace)).toContain('\n\t cubic cwnd:10\n')
  })

  it('sums up with -s', async () => {
    const node = await served()
    expect(await node.prints('ss -s', node.podPlace)).toBe(
      'Total: 3\nTCP:   2 (estab 1, closed 0, orphaned 0, timewait 0)\n\nTransport Total     IP        IPv6\n' +
        'RAW\t  0         0         0        \nUDP\t  1         1         0        \nTCP\t  2         2         0        \n' +
        'INET\t  3         3         0        \nFRAG\t  0         0         0        \n\n',
    )
  })
})

describe('netstat', () => {
  it('lists sockets in its own columns', async () => {
    const node = await served()
    expect(await node.prints('netstat -tuan', node.podPlace)).toBe(
      'Active Internet connections (servers and established)\n' +
        'Proto Recv-Q Send-Q Local Address           Foreign Address         State      \n' +
        'tcp        0      0 0.0.0.0:8080            0.0.0.0:*               LISTEN     \n' +
        'tcp        0      0 10.244.1.2:8080         10.244.1.1:40000        ESTABLISHED\n' +
        'udp        0      0 0.0.0.0:53              0.0.0.0:*                          \n',
    )
    expect(await node.prints('netstat -tn', node.podPlace)).not.toContain('LISTEN')
    expect(await node.prints('netstat -tln', node.podPlace)).not.toContain('ESTABLISHED')
  })

  it('shows routes, interfaces and counters', async () => {
    const node = new Node()
    await node.ping(node.pod, '10.244.1.1')
    expect(await node.prints('netstat -rn', node.podPlace)).toBe(
      'Kernel IP routing table\n' +
        'Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n' +
        '0.0.0.0         10.244.1.1      0.0.0.0         UG        0 0          0 eth0\n' +
        '10.244.1.0      0.0.0.0         255.255.255.0   U         0 0          0 eth0\n',
    )
    // The pod hears its own ARP request again: its port is in hairpin mode.
    expect(await node.prints('netstat -i', node.podPlace)).toBe(
      'Kernel Interface table\n' +
        'Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n' +
        'eth0             1450        3      0      0 0             2      0      0      0 BMRU\n' +
        'lo              65536        0      0      0 0             0      0      0      0 LRU\n',
    )
    expect(await node.prints('netstat -s', node.podPlace)).toContain(
      '    1 incoming packets delivered\n    1 requests sent out\n',
    )
  })
})
