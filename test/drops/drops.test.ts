/**
 * Every reason of the table is provoked once. That the kernel gives the same packets up at the same places, under the names
 * of the table, was read from skb:kfree_skb of Linux 6.18 (CONFIG_NET_SCH_NETEM and vlan_filtering were not in it).
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dropReasons } from '../../src/link/drop-reason.ts'
import { ip } from './scenes-ip.ts'
import { link } from './scenes-link.ts'
import { neighbour } from './scenes-neighbour.ts'
import { transport } from './scenes-transport.ts'
import { type Scenes, Site } from './site.ts'

/** These have tests of their own, with a connection. */
const ELSEWHERE = ['TcpTtl', 'SocketBacklog']

const scenes: Scenes = { ...link, ...ip, ...neighbour, ...transport }

let site = new Site()
beforeEach(() => {
  site = new Site()
})
afterEach(() => site.end())

describe('a frame is dropped', () => {
  it.each(dropReasons.filter(({ name }) => !ELSEWHERE.includes(name)))('because $words', ({ name }) => {
    const scene = scenes[name]
    expect(scene, `nothing provokes ${name}`).toBeDefined()
    scene?.play(site)
    expect([...new Set(site.drops)]).toEqual([`${name} in ${scene?.where}`])
  })
})
