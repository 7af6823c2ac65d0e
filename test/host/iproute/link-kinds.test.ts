/** `ip link … type macvlan` and `dummy`: the texts of iproute2 6.1 on Linux 6.18 (dummy: by its source). */
import { describe, expect, it } from 'vitest'
import { Node } from './node.ts'

describe('ip link type macvlan', () => {
  it('makes devices upon another, here and in other namespaces', async () => {
    const node = new Node()
    await node.prints('ip netns add a')
    await node.prints('ip link add link eth0 name m0 address 02:00:00:00:00:01 type macvlan mode bridge')
    await node.prints('ip link add link m0 name m1 address 02:00:00:00:00:02 netns a type macvlan')
    expect(await node.prints('ip link show m0')).toMatch(
      /^[0-9]+: m0@eth0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 1000\n/,
    )
    await node.prints('ip link set m0 up')
    expect(await node.prints('ip -d link show m0')).toMatch(
      /: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP .*\n.* promiscuity 0 {2}allmulti 0 minmtu 68 maxmtu 65535 \n {4}macvlan mode bridge bcqueuelen 1000 usedbcqueuelen 1000 addrgenmode eui64 numtxqueues 1 /,
    )
    expect(await node.prints('ip -d link show eth0')).toContain(' promiscuity 1 ')
    expect(await node.prints('ip -n a -d link show m1')).toMatch(/: m1@if2: .*link-netnsid 0.* {4}macvlan mode vepa /s)
    await node.prints('ip link set eth0 down')
    expect(await node.prints('ip link show m0')).toMatch(
      /<NO-CARRIER,BROADCAST,MULTICAST,UP,M-DOWN> mtu 1500 qdisc noqueue state LOWERLAYERDOWN /,
    )
    await node.prints('ip link set eth0 mtu 1400')
    expect(await node.prints('ip link show m0')).toContain(' mtu 1400 ')
    await node.prints('ip link set m0 type macvlan mode private')
    expect(JSON.parse(await node.prints('ip -j -d link show m0'))[0].linkinfo).toEqual({
      info_kind: 'macvlan',
      info_data: { mode: 'private', bcqueuelen: 1000, usedbcqueuelen: 1000 },
    })
    await node.prints('ip link del eth0')
    expect(await node.fails('ip link show m0')).toBe('1 Device "m0" does not exist.')
    expect(await node.fails('ip -n a link show m1')).toBe('1 Device "m1" does not exist.')
  })

  it('refuses what the kernel refuses', async () => {
    const node = new Node()
    await node.prints('ip link add link eth0 name m0 type macvlan mode bridge')
    expect(await node.fails('ip link add link eth0 name m1 type macvlan mode passthru')).toBe(
      '2 RTNETLINK answers: Invalid argument',
    )
    expect(await node.fails('ip link add link eth0 name m1 type macvlan mode foo')).toBe(
      '1 Error: argument of "mode" must be "private", "vepa", "bridge", "passthru" or "source", not "foo"',
    )
    expect(await node.fails('ip link add name m9 type macvlan')).toBe('2 RTNETLINK answers: Invalid argument')
    expect(await node.fails('ip link add link nope name m9 type macvlan')).toBe('1 Cannot find device "nope"')
    expect(await node.fails('ip link add link vethpod name m9 type macvlan')).toBe(
      '2 RTNETLINK answers: Device or resource busy',
    )
    expect(await node.fails('ip link set eth0 master cni0')).toBe('2 RTNETLINK answers: Device or resource busy')
    expect(await node.fails('ip link set m0 type macvlan mode passthru')).toBe('2 RTNETLINK answers: Invalid argument')
  })
})

it('a dummy is up without a cable', async () => {
  const node = new Node()
  await node.prints('ip link add dummy0 address 02:00:00:00:00:05 type dummy')
  await node.prints('ip link set dummy0 up')
  expect(await node.prints('ip -d link show dummy0')).toMatch(
    /: dummy0: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\n {4}link\/ether 02:00:00:00:00:05 brd ff:ff:ff:ff:ff:ff promiscuity 0 {2}allmulti 0 minmtu 0 maxmtu 0 \n {4}dummy addrgenmode eui64 /,
  )
})
