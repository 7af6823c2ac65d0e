/** tc: texts and errors as iproute2 6.1 on Linux 6.18 gives them; netem's text was read back through the real tc. */
import { describe, expect, test } from 'vitest'
import { Node } from './node.ts'

const NETEM = 'tc qdisc add dev eth0 root netem'

/** What `show` says for options that were given. */
async function shown(node: Node, options: string): Promise<string> {
  await node.prints(`tc qdisc replace dev eth0 root handle 1: ${options}`)
  const text = (await node.prints('tc qdisc show dev eth0')).replace(/ ?\n$/, '')
  await node.prints('tc qdisc del dev eth0 root')
  return text.replace(/^qdisc (\S+) 1: root refcnt 3 /, '$1: ')
}

describe('tc qdisc', () => {
  test('nothing but noqueue at first; what is added is listed, and ip link says so too', async () => {
    const node = new Node()
    expect(await node.prints('tc qdisc show dev eth0')).toBe('qdisc noqueue 0: root refcnt 2 \n')
    await node.prints(`${NETEM} delay 10ms 2ms 25% loss 1%`)
    expect(await node.prints('tc -s qdisc show dev eth0')).toBe(
      'qdisc netem 8001: root refcnt 3 limit 1000 delay 10ms  2ms 25% loss 1%\n' +
        ' Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) \n backlog 0b 0p requeues 0\n',
    )
    expect(await node.prints('ip link show eth0')).toContain('mtu 1500 qdisc netem state UP')
    expect(await node.prints('tc -j qdisc show dev eth0')).toBe(
      '[{"kind":"netem","handle":"8001:","root":true,"refcnt":3,"options":{"limit":1000,' +
        '"delay":{"delay":0.01,"jitter":0.002,"correlation":0.25},"loss-random":{"loss":0.01,"correlation":0},' +
        '"ecn":false,"gap":0}}]\n',
    )
    expect(await node.prints('tc qdisc')).toBe(
      'qdisc netem 8001: dev eth0 root refcnt 3 limit 1000 delay 10ms  2ms 25% loss 1%\n' +
        ['flannel.1', 'cni0', 'vethpod'].map((name) => `qdisc noqueue 0: dev ${name} root refcnt 2 \n`).join(''),
    )
    await node.prints('tc qdisc del dev eth0 root')
    expect(await node.prints('ip link show eth0')).toContain('qdisc noqueue')
  })

  test('netem says its options as the real one does', async () => {
    const node = new Node()
    const says = async (given: string) => (await shown(node, `netem ${given}`)).replace('netem: limit 1000 ', '')
    expect(await says('delay 100 10')).toBe('delay 99us  9us')
    expect(await says('delay 1500us loss 1% 25%')).toBe('delay 1.5ms loss 1% 25%')
    expect(await says('delay 1.5s')).toBe('delay 1.5s')
    expect(await says('duplicate 1% corrupt 0.1% 5%')).toBe('duplicate 1% corrupt 0.1% 5%')
    expect(await says('delay 1ms reorder 33.3333333%')).toBe('delay 1ms reorder 33.3333% gap 1')
    expect(await says('rate 1mbit -10')).toBe('rate 1Mbit packetoverhead -10')
    expect(await says('rate 5kbps 20 100 5 limit 7')).toBe(
      'netem: limit 7 rate 40Kbit packetoverhead 20 cellsize 100 celloverhead 5',
    )
    expect(await says('loss 0.0001%')).toBe('loss 0.000100001%')
    expect(await says('delay 10ms loss 5% duplicate 1% corrupt 2% reorder 3% rate 1mbit')).toBe(
      'delay 10ms loss 5% duplicate 1% reorder 3% corrupt 2% rate 1Mbit gap 1',
    )
    expect(await says('delay 10ms 2ms distribution normal loss 1')).toBe('delay 10ms  2ms loss 1%')
  })

  test('tbf and the fifos say theirs', async () => {
    const node = new Node()
    const tbf = 'tbf rate'
    expect(await shown(node, `${tbf} 1mbit burst 32kbit latency 400ms`)).toBe('tbf: rate 1Mbit burst 4Kb lat 400ms')
    expect(await shown(node, `${tbf} 1gbit burst 10k limit 20k`)).toBe('tbf: rate 1Gbit burst 10125b lat 82us')
    expect(await shown(node, `${tbf} 100 burst 1k limit 1`)).toBe('tbf: rate 96bit burst 1023b limit 1b')
    expect(await shown(node, `${tbf} 10mbps burst 5000 latency 1s`)).toBe('tbf: rate 80Mbit burst 4990b lat 1s')
    expect(await shown(node, `${tbf} 999kbit burst 5000 latency 1500us`)).toBe(
      'tbf: rate 999Kbit burst 4999b lat 1.5ms',
    )
    expect(await shown(node, `${tbf} 1.5mibit burst 3mb latency 1.25ms`)).toBe(
      'tbf: rate 1572Kbit burst 3Mb lat 1.25ms',
    )
    expect(await shown(node, 'pfifo')).toBe('pfifo: limit 1000p')
    expect(await shown(node, 'bfifo')).toBe('bfifo: limit 1514000b')
    await node.prints('tc qdisc add dev eth0 root tbf rate 2mbit burst 10kb latency 50ms')
    expect(await node.prints('tc -d qdisc show dev eth0')).toContain(
      'rate 2Mbit burst 10Kb/1 mpu 0b lat 50ms linklayer ethernet \n',
    )
    expect(await node.prints('tc -j -d qdisc show dev eth0')).toContain(
      '"options":{"rate":250000,"burst":"10Kb/1","mpu":0,"lat":50000,"linklayer":"ethernet"}',
    )
  })

  test('the kernel says no', async () => {
    const node = new Node()
    expect(await node.fails('tc qdisc del dev eth0 root')).toBe('2 Error: Cannot delete qdisc with handle of zero.')
    expect(await node.fails('tc qdisc change dev eth0 root pfifo')).toBe(
      '2 Error: Qdisc not found. To create specify NLM_F_CREATE flag.',
    )
    expect(await node.fails('tc qdisc add dev eth0')).toBe('2 Error: Handle cannot be zero.')
    expect(await node.fails('tc qdisc add dev eth0 parent 1:1 pfifo')).toBe('2 Error: Failed to find specified qdisc.')
    expect(await node.fails('tc qdisc add dev eth0 root nonsense')).toBe('2 Error: Specified qdisc kind is unknown.')
    expect(await node.fails('tc qdisc add')).toBe('2 RTNETLINK answers: No such device')
    expect(await node.fails('tc qdisc add dev nope root pfifo')).toBe('1 Cannot find device "nope"')
    await node.prints('tc qdisc add dev eth0 root pfifo')
    expect(await node.fails('tc qdisc add dev eth0 root pfifo')).toBe('2 Error: Exclusivity flag on, cannot modify.')
    expect(await node.fails('tc qdisc change dev eth0 root handle 7: pfifo')).toBe(
      '2 Error: NLM_F_REPLACE needed to override.',
    )
    expect(await node.fails('tc qdisc del dev eth0 root handle 9:')).toBe('2 Error: Invalid handle.')
    await node.prints('tc qdisc change dev eth0 root pfifo limit 5')
    expect(await node.prints('tc qdisc show dev eth0')).toBe('qdisc pfifo 8001: root refcnt 3 limit 5p\n')
    await node.prints('tc qdisc replace dev eth0 root handle 9: bfifo')
    expect(await node.fails('tc qdisc replace dev eth0 root handle 9: pfifo')).toBe(
      '2 Error: Invalid qdisc name: must match existing qdisc.',
    )
    await node.prints('tc qdisc change dev eth0 root pfifo')
    expect(await node.prints('tc qdisc show dev eth0')).toBe('qdisc pfifo 8002: root refcnt 3 limit 1000p\n')
  })

  test('tc itself says no, before the kernel is asked', async () => {
    const node = new Node()
    const no = async (options: string) => (await node.fails(`${NETEM} ${options}`)).split('\n')[0]
    expect(await no('delay')).toBe('255 Command line is not complete. Try option "help"')
    expect(await no('delay foo')).toBe('1 Illegal "latency"')
    expect(await no('delay 10ms 2ms 200%')).toBe('1 Illegal "latency"')
    expect(await no('delay 10ms foo')).toBe('1 What is "foo"?')
    expect(await no('loss x')).toBe('1 Unknown loss parameter: x')
    expect(await no('loss 100.5%')).toBe('1 Illegal "loss percent"')
    expect(await no('loss 1% 200%')).toBe('1 Illegal "loss correlation"')
    expect(await no('loss gemodel 1% 1% 1% 200%')).toBe('1 Illegal "loss gemodel k"')
    expect(await no('loss state 1% 1% 200%')).toBe('1 Illegal "loss p32"')
    expect(await no('reorder 5%')).toBe('1 reordering not possible without specifying some delay')
    expect(await no('gap 5')).toBe('1 gap specified without reorder probability')
    expect(await no('rate 1mbit 1x')).toBe('1 Illegal "rate"')
    expect(await no('delay 10ms distribution normal')).toBe('1 distribution specified but no latency and jitter values')
    expect(await no('delay 1ms 1ms distribution nope')).toBe(
      '1 No distribution data for nope (/usr/lib/x86_64-linux-gnu/tc//nope.dist: No such file or directory)',
    )
    expect(await no('slot 1ms')).toBe('2 podwire: netem slot is not modelled')
    expect(await no('loss 1% ecn')).toBe('2 podwire: netem ecn is not modelled')
    const root = 'tc qdisc add dev eth0 root'
    expect((await node.fails(`${root} tbf rate 1mbit`)).split('\n').slice(0, 2)).toEqual([
      '1 tbf: the "burst" parameter is mandatory.',
      'tbf: either "limit" or "latency" is required.',
    ])
    expect(await node.fails(`${root} tbf rate x`)).toBe('1 tbf: illegal value for "rate": "x"')
    expect(await node.fails(`${root} pfifo limit x`)).toBe('1 pfifo: Illegal value for "limit": "x"')
    expect(await node.fails(`${root} handle zz pfifo`)).toMatch(/^255 Error: argument "zz" is wrong: invalid qdisc ID/)
    expect(await node.fails(`${root} fq_codel`)).toBe('2 podwire: qdisc fq_codel is not modelled')
    expect(await node.fails('tc filter show dev eth0')).toBe('2 podwire: tc filter is not modelled')
    expect(await node.fails('tc foo')).toBe('255 Object "foo" is unknown, try "tc help".')
    expect(await node.fails('tc qdisc foo')).toBe('255 Command "foo" is unknown, try "tc qdisc help".')
    expect(await node.prints('tc qdisc show dev eth0')).toBe('qdisc noqueue 0: root refcnt 2 \n')
  })

  test('what netem does shows in the counters, and a device that goes down keeps nothing', async () => {
    const node = new Node()
    await node.prints(`${NETEM} delay 300ms`)
    await node.ping(node.node.netns, '192.168.14.1')
    // An ARP request of 42 bytes and the echo request of 98.
    expect(await node.prints('tc -s qdisc show dev eth0')).toContain(' Sent 140 bytes 2 pkt (dropped 0,')
    await node.prints('tc qdisc change dev eth0 root netem loss 100%')
    await node.ping(node.node.netns, '192.168.14.1')
    expect(await node.prints('tc -s qdisc show dev eth0')).toMatch(/ Sent 140 bytes 2 pkt \(dropped [1-9]/)
    await node.prints('tc qdisc replace dev eth0 root netem delay 10s')
    await node.ping(node.node.netns, '192.168.14.1')
    expect(await node.prints('tc -s qdisc show dev eth0')).toMatch(/ backlog [0-9]+b [1-9]p requeues 0/)
    await node.prints('ip link set eth0 down')
    expect(node.world.frames.inUse).toBe(0)
  })
})
