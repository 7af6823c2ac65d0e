/** arp, route and nstat: texts of net-tools 2.10 and iproute2 6.1 in a namespace of a Linux kernel. */
import { describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import { Box } from '../box.ts'

async function pair() {
  const box = new Box(linuxCommands())
  const [a, b] = box.pair(30_000)
  b.place.files.set('/etc/hosts', '10.0.0.1\ta.lab\n10.0.0.2\tb.lab\n')
  await box.say(a.place, 'ping -c 1 10.0.0.2')
  const say = async (line: string) => {
    const { out, err, code } = await box.say(b.place, line)
    return `${out}${err}[${code}]`
  }
  return { box, say }
}

describe('arp', () => {
  it('names hosts unless -n', async () => {
    const { say } = await pair()
    expect(await say('arp -a')).toBe('a.lab (10.0.0.1) at 02:42:0a:00:00:01 [ether] on eth0\n[0]')
    expect(await say('arp')).toContain(
      '\na.lab                    ether   02:42:0a:00:00:01   C                     eth0\n',
    )
    expect(await say('arp -an')).toBe('? (10.0.0.1) at 02:42:0a:00:00:01 [ether] on eth0\n[0]')
  })

  it('says what is not there, and how well that is', async () => {
    const { say } = await pair()
    expect(await say('arp 10.0.0.55')).toBe('10.0.0.55 (10.0.0.55) -- no entry\n[0]')
    expect(await say('arp -a 10.0.0.55')).toBe('arp: in 1 entries no match found.\n[0]')
    expect(await say('arp -i eth9')).toBe('arp: in 1 entries no match found.\n[0]')
    expect(await say('arp -d 10.0.0.99')).toBe('No ARP entry for 10.0.0.99\n[255]')
    expect(await say('arp -H bogus')).toBe('arp: bogus: unknown hardware type.\n[255]')
  })

  it('answers for others with -D and pub', async () => {
    const { say } = await pair()
    expect(await say('arp -Ds 10.0.0.54 eth0 pub')).toBe('[0]')
    expect(await say('ip neigh show proxy')).toBe('10.0.0.54 dev eth0 proxy \n[0]')
    expect(await say('arp -Ds 10.0.0.56 eth9 pub')).toBe("arp: cant get HW-Address for `eth9': No such device.\n[255]")
    expect(await say('arp -s 10.0.0.53 02:00:00:00:00:53 pub')).toBe('SIOCSARP: No such device\n[255]')
    expect(await say('arp -d 10.0.0.54 pub')).toBe('[0]')
  })
})

describe('route', () => {
  it('puts a second way before the first, and shows refusals', async () => {
    const { say } = await pair()
    expect(await say('route add default gw 10.0.0.3')).toBe('[0]')
    expect(await say('route add default gw 10.0.0.3')).toBe('SIOCADDRT: File exists\n[7]')
    expect(await say('route add -host 10.24.1.1 reject')).toBe('[0]')
    expect(await say('route -nee')).toBe(
      'Kernel IP routing table\n' +
        'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface    MSS   Window irtt\n' +
        '0.0.0.0         10.0.0.3        0.0.0.0         UG    0      0        0 eth0     0     0      0\n' +
        '0.0.0.0         10.0.0.1        0.0.0.0         UG    0      0        0 eth0     0     0      0\n' +
        '10.0.0.0        0.0.0.0         255.255.255.0   U     0      0        0 eth0     0     0      0\n' +
        '10.24.1.1       -               255.255.255.255 !H    0      -        0 -        -     -      -\n[0]',
    )
    expect(await say('route add -host 10.29.0.0/16 gw 10.0.0.1')).toMatch(
      /^route: netmask 0000ffff doesn't make sense with host route\nUsage: inet_route [\s\S]*\[3\]$/,
    )
  })
})

describe('nstat', () => {
  it('tells what is new since it was asked', async () => {
    const { box, say } = await pair()
    expect(await say("nstat 'Icmp*'")).toBe(
      '#kernel\nIcmpInMsgs                      1                  0.0\n' +
        'IcmpInEchos                     1                  0.0\n' +
        'IcmpOutMsgs                     1                  0.0\n' +
        'IcmpOutEchoReps                 1                  0.0\n' +
        'IcmpMsgInType8                  1                  0.0\n' +
        'IcmpMsgOutType0                 1                  0.0\n[0]',
    )
    expect(await say('nstat')).toBe('#kernel\n[0]')
    expect(await say('nstat -az IcmpInEchos')).toBe(
      '#kernel\nIcmpInEchos                     1                  0.0\n[0]',
    )
    await box.rest()
  })
})
