/**
 * Every reason of the table is provoked once. That the kernel gives the same packets up at the same places, under the names
 * of the table, was read from skb:kfree_skb of Linux 6.18 (CONFIG_NET_SCH_NETEM and vlan_filtering were not in it).
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dropReasons } from '../../src/link/drop-reason.ts'
import * as icmp from '../../src/wire/icmp.ts'
import { ip } from './scenes-ip.ts'
import { link, unroutable } from './scenes-link.ts'
import { neighbour } from './scenes-neighbour.ts'
import { segments } from './scenes-tcp.ts'
import { transport } from './scenes-transport.ts'
import { type Scenes, Site } from './site.ts'

const scenes: Scenes = { ...link, ...ip, ...neighbour, ...transport, ...segments }

let site = new Site()
beforeEach(() => {
  site = new Site()
})
afterEach(() => site.end())

describe('a frame is dropped', () => {
  it.each(dropReasons)('because $words', ({ name }) => {
    const scene = scenes[name]
    expect(scene, `nothing provokes ${name}`).toBeDefined()
    scene?.play(site)
    expect([...new Set(site.drops)]).toEqual([`${name} in ${scene?.where}`])
  })

  it('by the host that found no route, when DNAT at a bridge port chose the destination', () => {
    unroutable.play(site)
    expect(site.drops).toEqual(['NoRoute in host'])
    expect(site.host.counters.icmpOut[icmp.DESTINATION_UNREACHABLE]).toBe(1)
  })
})
