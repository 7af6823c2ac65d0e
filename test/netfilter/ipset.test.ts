/** Texts and exit codes are those of ipset 7.17 and iptables 1.8.9 on Linux 6. */
import { describe, expect, it } from 'vitest'
import { Hook } from '../../src/netfilter/netfilter.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { Node } from '../host/iproute/node.ts'
import { Box } from './box.ts'

function say(box: Box, line: string, stdin = ''): string {
  const { out, err, code } = box.netfilter.ipset(line === '' ? [] : line.split(' '), stdin)
  return `${out}${err}= ${code}`
}

const HELP = "\nTry `ipset help' for more information.\n= 2"

function fine(box: Box, ...lines: string[]): void {
  for (const line of lines) expect(say(box, line), line).toBe('= 0')
}

describe('ipset', () => {
  it('makes, fills, asks, prints and destroys', () => {
    const box = new Box()
    fine(box, 'create a hash:ip initval 0x9f58b804', 'create -exist a hash:ip', 'add a 10.0.0.1')
    fine(box, '-exist add a 10.0.0.1', 'add a 10.0.0.4/30', 'add a 10.0.1.1-10.0.1.2', 'del -exist a 10.0.0.9')
    expect(say(box, 'test a 10.0.0.1')).toBe('Warning: 10.0.0.1 is in set a.\n= 0')
    expect(say(box, 'test a 10.0.0.9')).toBe('10.0.0.9 is NOT in set a.\n= 1')
    expect(say(box, 'list a')).toBe(`Name: a
Type: hash:ip
Revision: 6
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x9f58b804
Size in memory: 496
References: 0
Number of entries: 7
Members:
10.0.0.1
10.0.0.4
10.0.0.5
10.0.0.6
10.0.0.7
10.0.1.1
10.0.1.2
= 0`)
    fine(box, 'create b bitmap:port range 0-1024', 'add b 80')
    expect(say(box, 'list -n')).toBe('a\nb\n= 0')
    expect(say(box, 'save b')).toBe('create b bitmap:port range 0-1024\nadd b 80\n= 0')
    fine(box, 'flush a', 'rename a c', 'destroy c', 'destroy')
    expect(say(box, 'list')).toBe('= 0')
  })

  it('ages elements, counts, comments and cuts to a netmask', () => {
    const box = new Box()
    fine(box, 'create n hash:net timeout 60', 'add n 10.0.0.0/8', 'add n 10.1.0.0/16 nomatch timeout 0')
    fine(box, 'add n 1.2.3.4 timeout 10', 'create q hash:ip netmask 24 initval 1', 'add q 10.1.2.3')
    expect(say(box, 'test n 10.2.2.2')).toBe('Warning: 10.2.2.2 is in set n.\n= 0')
    expect(say(box, 'test n 10.1.2.3')).toBe('10.1.2.3 is NOT in set n.\n= 1')
    box.world.scheduler.call(15e9, () => {})
    box.world.scheduler.run()
    expect(say(box, 'save n').split('\n').slice(1, -1)).toEqual([
      'add n 10.0.0.0/8 timeout 45',
      'add n 10.1.0.0/16 timeout 0 nomatch',
    ])
    expect(say(box, 'save q')).toContain('netmask 24 bucketsize 12 initval 0x00000001\nadd q 10.1.2.0\n')
    const text = 'create s hash:net counters comment\nadd s 10.0.0.0/24 packets 3 bytes 4 comment "a b"\n'
    expect(say(box, 'restore', text)).toBe('= 0')
    const saved = say(box, 'save s').replace(/= 0$/, '')
    expect(saved).toContain('add s 10.0.0.0/24 packets 3 bytes 4 comment "a b"\n')
    fine(box, 'destroy s')
    expect(say(box, 'restore', saved)).toBe('= 0')
    expect(say(box, 'save s')).toBe(`${saved}= 0`)
  })

  it.each([
    ['create a hash:ip', 'Set cannot be created: set with the same name already exists\n= 1'],
    ['add a 1.1.1.1', "Element cannot be added to the set: it's already added\n= 1"],
    ['del a 10.0.0.9', "Element cannot be deleted from the set: it's not added\n= 1"],
    ['add b 2000', 'Element is out of the range of the set\n= 1'],
    ['list nope', 'The set with the given name does not exist\n= 1'],
    ['add a foo', 'Syntax error: cannot parse foo: resolving to IPv4 address failed\n= 1'],
    ['create z foo', "Syntax error: typename 'foo' is unknown\n= 1"],
    ['create z', `Missing second mandatory argument to command create${HELP}`],
    ['foo', `No command specified: unknown argument foo${HELP}`],
    ['', `No command specified.${HELP}`],
    ['swap a b', 'The sets cannot be swapped: their type does not match\n= 1'],
    ['swap a nope', 'Sets cannot be swapped: the second set does not exist\n= 1'],
    ['rename a b', 'Set cannot be renamed: a set with the new name already exists\n= 1'],
    ['add n 1.2.3.4/33', "Syntax error: '33' is out of range 0-32\n= 1"],
    ['add n 0.0.0.0/0', 'The value of the CIDR parameter of the IP address is invalid\n= 1'],
    ['add a 1.1.1.2 timeout 5', 'Timeout cannot be used: set was created without timeout support\n= 1'],
    ['add a 1.1.1.2 comment hi', 'Comment cannot be used: set was created without comment support\n= 1'],
    ['add a 1.1.1.9 extra', `Unknown argument: \`extra'${HELP}`],
    ['create z bitmap:port', `Mandatory option \`range' is missing${HELP}`],
    ['add p 10.0.0.1', 'Syntax error: Second element is missing from 10.0.0.1.\n= 1'],
    ['add p 10.0.0.1,foo:0', "Syntax error: cannot parse 'foo' as a protocol\n= 1"],
    ['add a 1.1.1.2-1.1.1.3', 'Hash is full, cannot add more elements\n= 1'],
  ])('ipset %s', (line, text) => {
    const box = new Box()
    fine(box, 'create a hash:ip maxelem 2', 'add a 1.1.1.1', 'create n hash:net', 'create p hash:ip,port')
    fine(box, 'create b bitmap:port range 0-1024')
    expect(say(box, line)).toBe(`ipset v7.17: ${text}`)
  })

  it('stops a restore at the line that fails', () => {
    const box = new Box()
    const text = 'create r hash:ip\nadd r 1.1.1.1\n\n# c\nadd r 1.1.1.1\nadd r 1.1.1.2\n'
    const error = "ipset v7.17: Error in line 5: Element cannot be added to the set: it's already added\n= 1"
    expect(say(box, 'restore', text)).toBe(error)
    expect(say(box, 'restore -exist', text)).toBe('= 0')
  })

  it('finds many elements and forgets them again', () => {
    const box = new Box()
    fine(box, 'create p hash:ip,port', 'add p 10.0.0.0/24,tcp:1-8', 'del p 10.0.0.128/25,tcp:1-8')
    expect(say(box, 'list -t p')).toContain('Number of entries: 1024\n')
    expect(say(box, 'test p 10.0.0.127,8')).toBe('Warning: 10.0.0.127,tcp:8 is in set p.\n= 0')
    expect(say(box, 'test p 10.0.0.128,8')).toBe('10.0.0.128,tcp:8 is NOT in set p.\n= 1')
  })
})

describe('-m set and -j SET', () => {
  const sets = ['create a hash:ip', 'create n hash:net', 'create p hash:ip,port', 'create b bitmap:port range 0-99']

  it('are spelled as iptables spells them, and hold the set', () => {
    const box = new Box()
    fine(box, ...sets)
    const rules = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:cali-from-wl - [0:0]
-A INPUT -m comment --comment "cali:abc" -m set --match-set a src -m conntrack --ctstate NEW -j cali-from-wl
-A INPUT -m set ! --match-set p src,dst -j DROP
-A INPUT -m set ! --match-set n dst --return-nomatch -j DROP
-A INPUT -m set --match-set a src ! --update-counters -j DROP
-A INPUT -j SET --add-set a src --exist --timeout 5
-A INPUT -j SET --add-set a src --exist --del-set n dst
COMMIT
`
    box.netfilter.restore(rules)
    const saved = box.netfilter.save().replace(/^#.*\n/gm, '')
    expect(saved).toBe(rules)
    expect(box.netfilter.list('filter', { chain: 'INPUT', numeric: true })).toContain(
      '! match-set n dst return-nomatch',
    )
    expect(say(box, 'list -t a')).toContain('References: 4\n')
    const busy = 'ipset v7.17: Set cannot be destroyed: it is in use by a kernel component\n= 1'
    expect(say(box, 'destroy a')).toBe(busy)
    expect(say(box, 'destroy')).toBe(busy)
    expect(say(box, 'rename a z')).toBe('ipset v7.17: Set cannot be renamed: it is in use by another system\n= 1')
    box.netfilter.iptables(['-F'])
    fine(box, 'destroy a')
  })

  it.each([
    ['-m set --match-set nope src', "Set nope doesn't exist.\n"],
    ['-m set', "You must specify `--match-set' with proper arguments"],
    ['-m set --match-set a', '--match-set requires two args.'],
    ['-m set --match-set a foo', "You must spefify (the comma separated list of) 'src' or 'dst'."],
    ['-j SET', "You must specify either `--add-set' or `--del-set' or `--map-set'"],
  ])('%s', (rule, sentence) => {
    const box = new Box()
    fine(box, ...sets)
    expect(() => box.netfilter.iptables(['-A', 'INPUT', ...rule.split(' ')])).toThrow(sentence)
  })

  it.each([
    ['-m set --match-set a src', ['add a 10.244.1.2'], true],
    ['-m set --match-set a dst', ['add a 10.244.1.2'], false],
    ['-m set ! --match-set a dst', ['add a 10.244.1.2'], true],
    ['-m set --match-set n src', ['add n 10.0.0.0/8', 'add n 10.244.0.0/16 nomatch'], false],
    ['-m set --match-set n src --return-nomatch', ['add n 10.0.0.0/8', 'add n 10.244.0.0/16 nomatch'], true],
    ['-m set --match-set n src', ['add n 10.0.0.0/8 nomatch', 'add n 10.244.0.0/16'], true],
    ['-m set --match-set p src,dst', ['add p 10.244.1.2,80'], true],
    ['-m set --match-set p src,src', ['add p 10.244.1.2,80'], false],
    ['-m set --match-set p src', ['add p 10.244.1.2,80'], false],
    ['-m set --match-set b dst', ['add b 80'], true],
    ['-m set --match-set b src', ['add b 80'], false],
  ])('%s with %j', (rule, adds, dropped) => {
    const box = new Box(`*filter\nCOMMIT\n`)
    fine(box, ...sets, ...adds)
    box.netfilter.iptables(['-A', 'INPUT', ...rule.split(' '), '-j', 'DROP'])
    const frame = box.tcp('10.244.1.2:4000', '10.244.1.1:80', tcp.SYN)
    const passed = box.netfilter.run(Hook.INPUT, frame, box.eth0, null)
    if (passed) box.world.frames.consume(frame)
    expect(passed).toBe(!dropped)
    expect(box.world.frames.inUse).toBe(0)
  })

  it('adds, lets age, and deletes what packets bring', () => {
    const box = new Box()
    fine(box, 'create t hash:ip timeout 60 counters', 'create p hash:ip,port')
    const iptables = (line: string) => box.netfilter.iptables(line.split(' '))
    iptables('-A INPUT -m set --match-set t src')
    iptables('-A INPUT -p tcp -j SET --add-set t src --timeout 5')
    iptables('-A INPUT -j SET --add-set p src,dst')
    iptables('-A INPUT -p udp -j SET --del-set p src,dst')
    const send = (frame: ReturnType<Box['tcp']>) => {
      expect(box.input(frame)).toBe(true)
      box.world.frames.consume(frame)
    }
    send(box.tcp('10.244.1.2:4000', '10.244.1.1:80', tcp.SYN))
    send(box.tcp('10.244.1.2:4000', '10.244.1.1:80', tcp.SYN))
    send(box.udp('10.244.1.3:4000', '10.244.1.1:53'))
    send(box.echo('10.244.1.3', '10.244.1.1', 5))
    const members = (name: string) => say(box, `list ${name}`).split('Members:\n')[1]
    expect(members('t')).toBe('10.244.1.2 timeout 5 packets 1 bytes 40\n= 0')
    expect(members('p')).toBe('10.244.1.2,tcp:80\n10.244.1.3,icmp:echo-request\n= 0')
    box.world.scheduler.call(5e9, () => {})
    box.world.scheduler.run()
    expect(members('t')).toBe('= 0')
    expect(box.world.frames.inUse).toBe(0)
  })

  it('swaps what stands under two names, rules included', async () => {
    const node = new Node()
    for (const line of ['create a hash:ip', 'create b hash:ip', 'add b 1.2.3.4']) await node.prints(`ipset ${line}`)
    await node.prints('iptables -A INPUT -m set --match-set a src -j DROP')
    await node.prints('ipset swap a b')
    expect(await node.prints('ipset list a')).toMatch(/References: 1\nNumber of entries: 1\nMembers:\n1\.2\.3\.4\n$/)
    expect(await node.fails('ipset destroy a')).toContain('it is in use by a kernel component')
    expect(await node.fails('ipset create l hash:mac')).toContain('podwire: set type hash:mac is not modelled')
  })
})
