import { describe, expect, it } from 'vitest'
import { Node } from './node.ts'

describe('ip neigh and arp', () => {
  it('show who answered and who did not', async () => {
    const node = new Node()
    await node.ping(node.pod, '10.244.1.1')
    await node.ping(node.pod, '10.244.1.99')
    expect(await node.prints('ip neigh', node.podPlace)).toBe(
      '10.244.1.1 dev eth0 lladdr 0a:58:0a:f4:01:01 REACHABLE \n10.244.1.99 dev eth0 INCOMPLETE \n',
    )
    await node.runner.runFor(3e9)
    expect(await node.prints('ip neigh show dev eth0', node.podPlace)).toContain('10.244.1.99 FAILED \n')
    expect(await node.prints('arp -n', node.podPlace)).toBe(
      'Address                  HWtype  HWaddress           Flags Mask            Iface\n' +
        '10.244.1.1               ether   0a:58:0a:f4:01:01   C                     eth0\n' +
        '10.244.1.99                      (incomplete)                              eth0\n',
    )
    expect(await node.prints('arp -an', node.podPlace)).toBe(
      '? (10.244.1.1) at 0a:58:0a:f4:01:01 [ether] on eth0\n? (10.244.1.99) at <incomplete> on eth0\n',
    )
    await node.rest()
  })

  it('are set by hand', async () => {
    const node = new Node()
    await node.prints('ip neigh add 10.244.2.0 lladdr 06:f1:0a:f4:02:00 dev flannel.1')
    expect(await node.prints('ip n')).toBe('10.244.2.0 dev flannel.1 lladdr 06:f1:0a:f4:02:00 PERMANENT \n')
    expect(await node.fails('ip neigh add 10.244.2.0 lladdr 06:f1:0a:f4:02:00 dev flannel.1')).toBe(
      '2 RTNETLINK answers: File exists',
    )
    await node.prints('ip neigh replace 10.244.2.0 lladdr 06:f1:0a:f4:02:01 dev flannel.1')
    await node.prints('ip neigh replace 192.168.14.9 lladdr 2:0:0:0:0:9 dev eth0 nud stale')
    await node.prints('ip neigh flush all')
    expect(await node.prints('ip neigh')).toBe('10.244.2.0 dev flannel.1 lladdr 06:f1:0a:f4:02:01 PERMANENT \n')
    expect(await node.prints('arp -n')).toContain(
      '10.244.2.0               ether   06:f1:0a:f4:02:01   CM                    flannel.1\n',
    )
    await node.prints('ip neigh del 10.244.2.0 dev flannel.1')
    expect(await node.prints('ip neigh')).toBe('')
    await node.prints('arp -s 192.168.14.44 02:00:00:00:00:44')
    expect(await node.prints('arp -an 192.168.14.44')).toBe(
      '? (192.168.14.44) at 02:00:00:00:00:44 [ether] PERM on eth0\n',
    )
    await node.prints('arp -d 192.168.14.44')
    expect(await node.run('arp -d 192.168.14.44')).toMatchObject({ code: 255, out: 'No ARP entry for 192.168.14.44\n' })
  })

  it('refuse what makes no sense', async () => {
    const node = new Node()
    expect(await node.fails('ip neigh add 1.1.1.1')).toBe('255 Device and destination are required arguments.')
    expect(await node.fails('ip neigh add 1.1.1.1 dev eth0')).toBe('2 Error: No link layer address given.')
    expect(await node.fails('ip neigh add 1.1.1.1 lladdr zz dev eth0')).toBe('1 "zz" is invalid lladdr.')
    expect(await node.fails('ip neigh del 1.1.1.9 dev eth0')).toBe('2 RTNETLINK answers: No such file or directory')
    expect(await node.fails('arp -s 10.66.0.44 02:00:00:00:00:44')).toBe('255 SIOCSARP: Network is unreachable')
  })

  // Layouts are those of iproute2 6.1 and net-tools 2.10 on Linux 6.18.
  it('count how often and when', async () => {
    const node = new Node()
    await node.ping(node.pod, '10.244.1.1')
    await node.ping(node.pod, '10.244.1.99')
    expect(await node.prints('ip -s neigh', node.podPlace)).toBe(
      '10.244.1.1 dev eth0 lladdr 0a:58:0a:f4:01:01  ref 1 used 2/2/2probes 4 REACHABLE \n' +
        '10.244.1.99 dev eth0  ref 1 used 1/61/1probes 4 INCOMPLETE \n',
    )
    expect(await node.prints('ip -s -j neigh show 10.244.1.99', node.podPlace)).toBe(
      '[{"dst":"10.244.1.99","dev":"eth0","refcnt":1,"used":1,"confirmed":61,"updated":1,"probes":4,' +
        '"state":["INCOMPLETE"]}]\n',
    )
    expect(await node.prints('ip -s neigh flush 10.244.1.1', node.podPlace)).toBe(
      '\n*** Round 1, deleting 1 entries ***\n*** Flush is complete after 1 round ***\n',
    )
    expect(await node.prints('ip -s neigh flush 10.244.1.1', node.podPlace)).toBe('Nothing to flush.\n')
    await node.rest()
  })

  it('answer for others, and show every state', async () => {
    const node = new Node()
    await node.prints('ip neigh add proxy 192.168.14.50 dev eth0')
    expect(await node.prints('ip neigh show proxy')).toBe('192.168.14.50 dev eth0 proxy \n')
    expect(await node.prints('ip neigh show proxy dev eth0')).toBe('192.168.14.50 proxy \n')
    expect(await node.prints('ip -j neigh show proxy')).toBe('[{"dst":"192.168.14.50","dev":"eth0","proxy":null}]\n')
    expect(await node.prints('arp -n')).toContain(
      '192.168.14.50            *       <from_interface>    MP                    eth0\n',
    )
    expect(await node.prints('arp -an')).toBe('? (192.168.14.50) at <from_interface> PERM PUB on eth0\n')
    await node.prints('ip neigh del proxy 192.168.14.50 dev eth0')
    expect(await node.fails('ip neigh del proxy 192.168.14.50 dev eth0')).toBe(
      '2 RTNETLINK answers: No such file or directory',
    )
    await node.prints('ip neigh add 192.168.14.61 dev eth0 lladdr 2:0:0:0:0:1 nud noarp')
    await node.prints('ip neigh add 192.168.14.62 dev eth0 nud none')
    await node.prints('ip neigh add 192.168.14.64 dev eth0 nud failed')
    expect(await node.prints('ip neigh')).toBe('192.168.14.64 dev eth0 FAILED \n')
    expect(await node.prints('ip neigh show nud all')).toBe(
      '192.168.14.61 dev eth0 lladdr 02:00:00:00:00:01 NOARP \n' +
        '192.168.14.62 dev eth0 \n192.168.14.64 dev eth0 FAILED \n',
    )
    expect(await node.fails('ip neigh get 192.168.14.61')).toBe('1 Device and address are required arguments.')
  })
})
