/** `bridge fdb` in all its words, `bridge mdb`, `vni`, `monitor`: texts and codes of iproute2 6.1 on Linux 6.18. */
import { describe, expect, it } from 'vitest'
import { Node } from './node.ts'

const PORT = 'dev vethpod master'
const OWN =
  'fe:58:0a:f4:01:02 master cni0 permanent\n33:33:00:00:00:01 self permanent\n01:00:5e:00:00:01 self permanent\n'

const station = (last: string) => `02:00:00:00:00:${last}`

async function filled(): Promise<Node> {
  const node = new Node()
  for (const [last, words] of [
    ['10', ''],
    ['11', ' static'],
    ['12', ' dynamic'],
    ['13', ' temp'],
    ['16', ' extern_learn'],
    ['18', ' static sticky'],
    ['19', ' use'],
    ['1a', ' static extern_learn'],
    ['2a', ' router'],
    ['2d', ' port 99 vni 3 via eth0 dst 1.2.3.4'],
  ]) {
    await node.prints(`bridge fdb add ${station(last)} ${PORT}${words}`)
  }
  return node
}

describe('bridge fdb add', () => {
  it('makes entries of every kind', async () => {
    const node = await filled()
    expect(await node.prints('bridge fdb show brport vethpod')).toBe(
      '02:00:00:00:00:2d master cni0 permanent\n02:00:00:00:00:2a master cni0 permanent\n' +
        '02:00:00:00:00:1a extern_learn master cni0 \n02:00:00:00:00:19 master cni0 \n' +
        '02:00:00:00:00:18 sticky master cni0 static\n02:00:00:00:00:16 extern_learn master cni0 \n' +
        '02:00:00:00:00:13 master cni0 static\n02:00:00:00:00:12 master cni0 \n' +
        `02:00:00:00:00:11 master cni0 static\n02:00:00:00:00:10 master cni0 permanent\n${OWN}`,
    )
    const [, , foreign] = JSON.parse(await node.prints('bridge -j -s fdb show brport vethpod'))
    expect(foreign).toEqual({
      ...{ mac: '02:00:00:00:00:1a', used: 0, updated: 0, flags: ['extern_learn'], master: 'cni0', state: '' },
    })
  })

  it('has the bridge itself, and the filters of devices, as places', async () => {
    const node = new Node()
    await node.prints('bridge fdb add 02:00:00:00:00:20 dev cni0 self')
    await node.prints('bridge fdb add 02:00:00:00:00:1c dev eth0')
    await node.prints('bridge fdb add 01:00:5e:01:02:04 dev eth0 self')
    expect(await node.prints('bridge fdb show dev eth0')).toBe(
      '02:00:00:00:00:1c self permanent\n33:33:00:00:00:01 self permanent\n' +
        '01:00:5e:00:00:01 self permanent\n01:00:5e:01:02:04 self permanent\n',
    )
    expect(await node.prints('bridge fdb show dev cni0')).toContain('02:00:00:00:00:20 master cni0 permanent\n')
    await node.prints('bridge fdb del 01:00:5e:01:02:04 dev eth0 self')
    expect(await node.fails('bridge fdb del 01:00:5e:01:02:04 dev eth0')).toBe(
      '255 RTNETLINK answers: No such file or directory',
    )
  })

  it('refuses as the kernel does', async () => {
    const node = await filled()
    const invalid = '255 RTNETLINK answers: Invalid argument'
    for (const [words, said] of [
      [`add ${station('17')} ${PORT} sticky`, invalid],
      [`add ${station('1e')} ${PORT} static self`, invalid],
      [`add ${station('1f')} dev eth0 dynamic`, invalid],
      [`add ${station('26')} ${PORT} vlan 10`, invalid],
      [`add ${station('26')} ${PORT} vlan 4095`, '255 Error: invalid vlan id.'],
      [`add 00:00:00:00:00:00 ${PORT}`, invalid],
      [`add ${station('21')} dev cni0 master`, '255 RTNETLINK answers: Operation not supported'],
      [`add ${station('21')} dev cni0 self static`, invalid],
      [`add ${station('10')} ${PORT}`, '255 RTNETLINK answers: File exists'],
      [`add ${station('10')} dev lo`, '255 Error: FDB add only supported for Ethernet devices.'],
      [`del ${station('99')} ${PORT}`, '255 RTNETLINK answers: No such file or directory'],
      [`change ${station('10')} ${PORT}`, '255 Command "change" is unknown, try "bridge fdb help".'],
      [
        `add ${station('10')} ${station('11')} dev eth0`,
        '255 Error: either "to" is duplicate, or "02:00:00:00:00:11" is a garbage.',
      ],
      [`add ${station('79')} dev flannel.1 dst 10.0.0.2 port 9`, '2 podwire: bridge fdb port is not modelled'],
    ]) {
      expect(await node.fails(`bridge fdb ${words}`), words).toBe(said)
    }
  })

  it('replaces and appends where an entry is, which keeps its place', async () => {
    const node = await filled()
    await node.prints(`bridge fdb replace ${station('13')} ${PORT} dynamic`)
    await node.prints(`bridge fdb replace ${station('12')} ${PORT} static`)
    await node.prints(`bridge fdb append ${station('11')} ${PORT}`)
    expect(await node.prints('bridge fdb show brport vethpod')).toContain(
      '02:00:00:00:00:13 master cni0 \n02:00:00:00:00:12 master cni0 static\n02:00:00:00:00:11 master cni0 permanent\n',
    )
  })

  it('puts an entry into every VLAN of its port where VLANs are told apart', async () => {
    const node = new Node()
    await node.prints('ip link set cni0 type bridge vlan_filtering 1')
    await node.prints('bridge vlan add vid 10 dev vethpod')
    await node.prints(`bridge fdb add ${station('30')} ${PORT} static`)
    await node.prints(`bridge fdb add ${station('31')} ${PORT} static vlan 10`)
    expect(await node.prints('bridge fdb show state static vlan 10')).toBe(
      '02:00:00:00:00:31 dev vethpod vlan 10 master cni0 static\n' +
        '02:00:00:00:00:30 dev vethpod vlan 10 master cni0 static\n',
    )
    expect((await node.prints('bridge fdb show state static')).split('\n').length - 1).toBe(4)
    await node.prints(`bridge fdb del ${station('30')} ${PORT}`)
    expect((await node.prints('bridge fdb show state static')).split('\n').length - 1).toBe(1)
  })
})

describe('bridge fdb show', () => {
  it('filters by state, and passes over words that it does not know', async () => {
    const node = await filled()
    expect(await node.prints('bridge fdb show state static')).toBe(
      `02:00:00:00:00:18 dev vethpod sticky master cni0 static\n02:00:00:00:00:13 ${PORT} cni0 static\n` +
        `02:00:00:00:00:11 ${PORT} cni0 static\n`,
    )
    expect((await node.prints('bridge fdb show br cni0 dynamic')).split('\n').length - 1).toBe(7)
    expect(await node.prints('bridge fdb show vlan 1')).toBe('')
    expect(await node.prints('bridge fdb show vethpod')).toBe(await node.prints('bridge fdb'))
    expect(await node.fails('bridge fdb show state foo')).toBe('255 Error: argument "foo" is wrong: invalid state')
    expect(await node.fails('bridge fdb show help')).toMatch(/^255 Usage: bridge fdb \{ add \| append /)
  })

  it('counts seconds since an entry was used and since it was heard', async () => {
    const node = new Node()
    await node.ping(node.pod, '10.244.1.1')
    await node.runner.runFor(10e9)
    await node.ping(node.pod, '10.244.1.1')
    await node.runner.runFor(3e9)
    expect(await node.prints('bridge -s fdb show brport vethpod dynamic')).toBe(
      '0a:58:0a:f4:01:02 used 15/4 master cni0 \n',
    )
  })
})

describe('bridge fdb get', () => {
  it('finds one entry', async () => {
    const node = await filled()
    const line = '02:00:00:00:00:10 dev vethpod master cni0 permanent\n'
    for (const where of ['dev vethpod master', 'br cni0', 'dev vethpod', 'brport vethpod']) {
      expect(await node.prints(`bridge fdb get ${station('10')} ${where}`), where).toBe(line)
    }
    expect(await node.prints(`bridge fdb get to ${station('13')} br cni0`)).toBe(
      '02:00:00:00:00:13 dev vethpod master cni0 static\n',
    )
    expect(await node.prints(`bridge fdb get ${station('10')} br cni0 dynamic`)).toBe('')
    expect(JSON.parse(await node.prints(`bridge -j fdb get ${station('12')} br cni0`))).toEqual([
      { mac: '02:00:00:00:00:12', ifname: 'vethpod', flags: [], master: 'cni0', state: '' },
    ])
    await node.prints(`bridge fdb add ${station('77')} dev flannel.1 dst 10.0.0.2`)
    expect(await node.prints(`bridge fdb get ${station('77')} dev flannel.1 self`)).toBe(
      '02:00:00:00:00:77 dev flannel.1 dst 10.0.0.2 self permanent\n',
    )
  })

  it('says why it finds none', async () => {
    const node = new Node()
    for (const [words, said] of [
      [`${station('99')} br cni0`, '254 Error: Fdb entry not found.'],
      [`${station('10')} dev vethpod self`, '254 Error: Fdb get operation not supported by device.'],
      [`${station('10')} dev eth0`, '254 Error: Device is not a bridge port.'],
      [`${station('10')} dev vethpod br cni0`, '254 Error: Master and device are mutually exclusive.'],
      [station('10'), '255 Device or master and address are required arguments.'],
      ['zz br cni0', '255 Invalid mac address zz'],
      [`${station('10')} br nope`, '255 Cannot find bridge device "nope"'],
      [`${station('10')} brport nope`, '255 Cannot find device "nope"'],
    ]) {
      expect(await node.fails(`bridge fdb get ${words}`), words).toBe(said)
    }
  })
})

describe('bridge fdb flush', () => {
  const left = async (node: Node, words: string) => {
    await node.prints(`bridge fdb flush ${words}`)
    const shown = await node.prints('bridge fdb show brport vethpod')
    return [...shown.matchAll(/^02:00:00:00:00:(..) .*master/gm)].map(([, last]) => last).join(' ')
  }

  it.each([
    ['dev cni0 dynamic', '2d 2a 18 13 11 10'],
    ['dev cni0 static', '2d 2a 1a 19 16 12 10'],
    ['dev cni0 permanent', '1a 19 18 16 13 12 11'],
    ['dev cni0 nopermanent', '2d 2a 10'],
    ['dev vethpod master nodynamic', '1a 19 16 12'],
    ['dev cni0 extern_learn', '2d 2a 19 18 13 12 11 10'],
    ['dev cni0 sticky', '2d 2a 1a 19 16 13 12 11 10'],
    ['dev cni0 static nosticky', '2d 2a 1a 19 18 16 12 10'],
    ['dev cni0 vlan 1', '2d 2a 1a 19 18 16 13 12 11 10'],
    ['dev cni0 brport vethpod', ''],
    ['dev cni0 brport cni0', '2d 2a 1a 19 18 16 13 12 11 10'],
    ['dev cni0', ''],
  ])('%s', async (words, stations) => {
    expect(await left(await filled(), words)).toBe(stations)
  })

  it('refuses as the kernel does', async () => {
    const node = new Node()
    for (const [words, said] of [
      ['', '255 Device is a required argument.'],
      ['dev nope', '255 Cannot find bridge device "nope"'],
      ['dev vethpod', '255 RTNETLINK answers: Operation not supported'],
      ['dev cni0 brport eth0', '255 Error: bridge: Flush device is not a bridge or bridge port.'],
      ['dev cni0 brport nope', '255 Cannot find bridge port device "nope"'],
      ['dev cni0 vlan 4095', '255 Error: integer out of range.'],
      ['dev lo', '255 Error: FDB delete only supported for Ethernet devices.'],
    ]) {
      expect(await node.fails(`bridge fdb flush ${words}`.trim()), words).toBe(said)
    }
  })
})

describe('bridge mdb, vni, monitor and help', () => {
  it('lists nothing where nobody reports', async () => {
    const node = new Node()
    expect(await node.prints('bridge mdb')).toBe('')
    expect(await node.prints('bridge -d mdb show dev cni0')).toBe('')
    expect(await node.prints('bridge -j mdb show')).toBe('[{"mdb":[],"router":{}}]\n')
    expect(await node.prints('bridge vni')).toBe('dev               vni              group/remote   \n')
  })

  it('refuses in the words of bridge, or in ours', async () => {
    const node = new Node()
    for (const [words, said] of [
      ['mdb add dev cni0 port vethpod grp 239.1.1.1', '2 podwire: bridge mdb add is not modelled'],
      ['mdb foo', '255 Command "foo" is unknown, try "bridge mdb help".'],
      ['mdb show dev nope', '255 Cannot find device "nope"'],
      ['monitor foo', '255 Argument "foo" is unknown, try "bridge monitor help".'],
      ['monitor help', '255 Usage: bridge monitor [file | link | fdb | mdb | vlan | vni | all]'],
      ['monitor fdb', '2 podwire: bridge monitor is not modelled'],
    ]) {
      expect(await node.fails(`bridge ${words}`), words).toBe(said)
    }
    expect(await node.fails('bridge vlan help')).toMatch(/^255 Usage: bridge vlan \{ add \| del \} vid VLAN_ID /)
    expect(await node.fails('bridge link help')).toMatch(/^255 Usage: bridge link set dev DEV /)
  })
})
