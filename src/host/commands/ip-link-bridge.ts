/** The words of `type bridge`: `ip link add` and `ip link set`. */
import { Bridge } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { takePortSetting } from './bridge-port.ts'
import { portOf } from './ip-device.ts'
import { notModelled, refused, ToolError, type Words } from './ip-words.ts'

function takeValue(words: Words, name: string): number {
  const text = words.take()
  if (!/^[0-9]+$/.test(text)) throw new ToolError(`Error: argument "${text}" is wrong: invalid ${name}\n`, 255)
  return Number(text)
}

/** What each setting is while nobody changed it: what podwire has no model of may only be set to that. */
const FIXED: Readonly<Record<string, number>> = {
  forward_delay: 1500,
  hello_time: 200,
  max_age: 2000,
  group_fwd_mask: 0,
  no_linklocal_learn: 0,
  vlan_stats_enabled: 0,
  vlan_stats_per_port: 0,
  mcast_snooping: 1,
  mcast_vlan_snooping: 0,
  mcast_router: 1,
  mcast_query_use_ifaddr: 0,
  mcast_querier: 0,
  mcast_stats_enabled: 0,
  mcast_igmp_version: 2,
  mcast_mld_version: 1,
}

/** Reads the rest of the line: what it does to a bridge. */
export function takeBridgeSettings(words: Words): (bridge: Bridge) => void {
  const acts: ((bridge: Bridge) => void)[] = []
  while (!words.done) acts.push(takeSetting(words.take(), words))
  return (bridge) => {
    for (const act of acts) act(bridge)
  }
}

function takeSetting(word: string, words: Words): (bridge: Bridge) => void {
  switch (word) {
    case 'fdb_flush':
      return (bridge) => bridge.fdb.flush((entry) => !entry.permanent)
    case 'ageing_time': {
      const ageing = takeValue(words, word)
      return (bridge) => {
        bridge.fdb.ageing = (ageing * SECOND) / 100
      }
    }
    case 'stp_state':
      if (takeValue(words, word) !== 0) throw notModelled('spanning tree (stp_state 1)')
      return () => {}
    case 'priority': {
      const priority = takeValue(words, word)
      return (bridge) => {
        bridge.priority = priority & 0xffff
      }
    }
    case 'vlan_filtering': {
      const on = takeValue(words, word) !== 0
      return (bridge) => {
        bridge.vlanFiltering = on
      }
    }
    case 'vlan_default_pvid': {
      const pvid = takeValue(words, word)
      return (bridge) => bridge.setDefaultPvid(pvid)
    }
    case 'vlan_protocol': {
      const protocol = words.take()
      if (protocol.toLowerCase() !== '802.1q') throw notModelled(`ip link type bridge vlan_protocol ${protocol}`)
      return () => {}
    }
    case 'nf_call_iptables': {
      const on = takeValue(words, word) !== 0
      return (bridge) => {
        bridge.nfCallIptables = on
        bridge.configured()
      }
    }
    // Without ip6tables and arptables there are no rules that it could call.
    case 'nf_call_ip6tables':
    case 'nf_call_arptables': {
      const on = takeValue(words, word) !== 0
      return ({ uncalled }) => {
        if (on) uncalled.add(word)
        else uncalled.delete(word)
      }
    }
    default: {
      if (!(word in FIXED)) throw new ToolError(`bridge: unknown command "${word}"?`, 1)
      if (takeValue(words, word) !== FIXED[word]) throw notModelled(`ip link type bridge ${word}`)
      return () => {}
    }
  }
}

/** `ip link set PORT type bridge_slave …`. */
export function takeSlaveSettings(words: Words): (device: NetDevice) => void {
  const acts: ((device: NetDevice) => void)[] = []
  while (!words.done) {
    const word = words.take()
    const act = takePortSetting(word, words, 1)
    if (act === null) throw new ToolError(`bridge_slave: unknown option "${word}"?`, 1)
    acts.push((device) => {
      const port = portOf(device)
      if (port !== null) act(port)
    })
  }
  return (device) => {
    if (portOf(device) === null) throw refused('Operation not supported')
    for (const act of acts) act(device)
  }
}

export function setBridge(device: NetDevice, act: (bridge: Bridge) => void): void {
  if (!(device instanceof Bridge)) throw refused('Operation not supported')
  act(device)
}
