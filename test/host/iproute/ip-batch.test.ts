/** Options of ip(8) that act on everything: -batch, -force, -all, -h, and the namespaces' numbers. Texts are iproute2 6.1's. */
import { afterEach, describe, expect, it } from 'vitest'
import { Node } from './node.ts'

let lab: Node

afterEach(() => {
  expect(lab.world.frames.inUse).toBe(0)
})

const LO = '1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000'

describe('ip -batch', () => {
  const LINES = '# comment\n\nlink show "lo" # more\nlink set nope up\nlink show \\\nlo\n'

  it('runs each line and stops at the first that fails', async () => {
    lab = new Node()
    const said = await lab.run('ip -o -b -', lab.node.place, LINES)
    expect(said.code).toBe(1)
    expect(said.out.split('\\')[0]).toBe(LO)
    expect(said.out.trimEnd().split('\n')).toHaveLength(1)
    expect(said.err).toBe('Cannot find device "nope"\nCommand failed -:4\n')
  })

  it('goes on with -force, and still fails', async () => {
    lab = new Node()
    const said = await lab.run('ip -o -force -b -', lab.node.place, LINES)
    expect(said.code).toBe(1)
    expect(said.out.trimEnd().split('\n')).toHaveLength(2)
    expect(said.err).toBe('Cannot find device "nope"\nCommand failed -:4\n')
  })

  it('reads a file, whose lines take effect, in the namespace of -n', async () => {
    lab = new Node()
    const { place } = lab.node
    await lab.prints('ip netns add other')
    place.files.set('/etc/lab.ip', 'link set lo up\naddr add 10.9.0.1/24 dev lo')
    expect(await lab.prints('ip -n other -b /etc/lab.ip')).toBe('')
    expect(await lab.prints('ip -n other -br addr')).toBe('lo               UNKNOWN        127.0.0.1/8 10.9.0.1/24 \n')
    place.files.set('/etc/bad.ip', 'foo\n')
    expect(await lab.fails('ip -b /etc/bad.ip')).toBe(
      '1 Object "foo" is unknown, try "ip help".\nCommand failed /etc/bad.ip:1',
    )
    expect(await lab.fails('ip -b /nope')).toBe('1 Cannot open file "/nope" for reading: No such file or directory')
    expect((await lab.run('ip -b')).code).toBe(255)
  })

  it('ends at what the command exits for, even when forced; takes any bytes', async () => {
    lab = new Node()
    const run = (text: string) => lab.run('ip -o -force -b -', lab.node.place, text)
    expect(await run('link show lo "a b"\nlink show lo\n')).toMatchObject({
      code: 255,
      out: '',
      err: 'Error: either "dev" is duplicate, or "a b" is a garbage.\n',
    })
    expect(await run('link show "lo')).toMatchObject({ code: 1, out: '', err: 'Unterminated quoted string\n' })
    expect(await run('link show \\')).toMatchObject({
      code: 1,
      err: 'Device "\\" does not exist.\nCommand failed -:1\n',
    })
    expect(await run('link show \\\n')).toMatchObject({ code: 0, out: '', err: 'Missing continuation line\n' })
    for (let i = 0; i < 200; i++) {
      const bytes = Array.from({ length: 40 }, () => String.fromCharCode(lab.world.random.below(256))).join('')
      expect([0, 1, 2, 255]).toContain((await run(bytes)).code)
    }
  })
})

describe('ip netns', () => {
  it('runs a command in all of them, whatever comes of it', async () => {
    lab = new Node()
    for (const name of ['a', 'b']) await lab.prints(`ip netns add ${name}`)
    const bare = 'lo               DOWN           00:00:00:00:00:00 <LOOPBACK> \n'
    expect(await lab.prints('ip -all netns exec ip -br link')).toBe(`\nnetns: b\n${bare}\nnetns: a\n${bare}`)
    expect(await lab.run('ip -a netns exec nosuch')).toMatchObject({
      code: 0,
      out: '\nnetns: b\n\nnetns: a\n',
      err: 'exec of "nosuch" failed: No such file or directory\n'.repeat(2),
    })
    expect(await lab.fails('ip -a netns exec')).toBe('1 No command specified')
    expect(await lab.fails('ip -a netns del')).toBe('2 podwire: ip -all netns delete is not modelled')
    expect(await lab.fails('ip netns add')).toBe('1 No netns name specified')
  })

  it('says which namespace a process is in, and the numbers that cables gave', async () => {
    lab = new Node()
    await lab.prints('ip netns add a')
    expect(await lab.prints('ip netns identify')).toBe('\n')
    expect(await lab.prints('ip netns exec a ip netns identify')).toBe('a\n')
    expect(await lab.fails('ip netns identify 999999')).toBe(
      '1 Cannot open network namespace: No such file or directory',
    )
    expect(await lab.fails('ip netns identify x')).toBe("1 Specified string 'x' is not a pid")
    expect(await lab.fails('ip netns identify 1 2')).toBe('1 extra arguments specified')
    const before = await lab.prints('ip netns list-id')
    await lab.prints('ip link add v0 type veth peer name v1 netns a')
    const after = await lab.prints('ip netns list-id')
    expect(after.startsWith(before)).toBe(true)
    expect(after.slice(before.length)).toMatch(/^nsid \d \(iproute2 netns name: a\)\n$/)
    expect(await lab.prints('ip -n a netns list-id nsid 0')).toBe('nsid 0 \n')
    expect(await lab.fails('ip netns list-id nsid 77')).toBe('2 Error: Peer netns reference is invalid.')
    expect((await lab.run('ip netns list-id x')).err).toMatch(/^Usage:\tip netns list\n/)
  })
})

describe('ip -h -s link', () => {
  it('shortens counters; -iec alone changes nothing', async () => {
    lab = new Node()
    const lo = lab.node.netns.loopback
    lo.rxBytes = lo.txBytes = 6390
    lo.rxPackets = lo.txPackets = 70_814
    const row = async (options: string) => (await lab.prints(`ip ${options} -s link show lo`)).split('\n')[3]
    expect(await row('-h')).toBe('         6.39k   70.8k      0       0       0       0 ')
    expect(await row('-h -iec')).toBe('        6.24ki  69.2ki      0       0       0       0 ')
    expect(await row('-iec')).toBe('          6390   70814      0       0       0       0 ')
    lo.rxBytes = 2_779_724_318
    expect(await row('-h')).toBe('         2.78G   70.8k      0       0       0       0 ')
  })
})

describe('ip monitor', () => {
  it('says which groups it never hears of', async () => {
    lab = new Node()
    for (const group of ['mroute', 'prefix', 'rule', 'nexthop', 'stats'])
      expect(await lab.fails(`ip monitor ${group}`)).toBe(`2 podwire: ip monitor ${group} is not modelled`)
  })
})
