/** What `bridge link` and `ip link … type bridge_slave` set on a port and say about it. */
import type { BridgePort } from '../../link/bridge.ts'
import { logChosen } from '../../link/bridge-log.ts'
import { PortState } from '../../link/bridge-state.ts'
import { installBridgeNeighbours } from '../../net/bridge-neighbours.ts'
import { namespaceOf } from '../../net/lower-link.ts'
import type { Json } from './ip-json.ts'
import { notModelled, refused, ToolError, takeNumber, type Words } from './ip-words.ts'

type Switch = (port: BridgePort, on: boolean) => void

/** The switches in the order in which `bridge -d link` prints them; null stands where mcast_router has its number. */
const READ: readonly [string, ((port: BridgePort) => boolean) | null][] = [
  ['hairpin', (port) => port.hairpin],
  ['guard', (port) => port.notes.guard],
  ['root_block', (port) => port.notes.rootBlock],
  ['fastleave', (port) => port.notes.fastLeave],
  ['learning', (port) => port.learning],
  ['flood', (port) => port.flooding],
  ['mcast_flood', (port) => port.mcastFlood],
  ['bcast_flood', (port) => port.bcastFlood],
  ['mcast_router', null],
  ['mcast_to_unicast', (port) => port.notes.mcastToUnicast],
  ['neigh_suppress', (port) => port.neighSuppress],
  ['vlan_tunnel', (port) => port.notes.vlanTunnel],
  ['isolated', (port) => port.isolated],
  ['locked', (port) => port.locked],
]

const WRITE: Readonly<Record<string, Switch>> = {
  hairpin: (port, on) => {
    port.hairpin = on
  },
  guard: (port, on) => {
    port.notes.guard = on
  },
  root_block: (port, on) => {
    port.notes.rootBlock = on
  },
  fastleave: (port, on) => {
    port.notes.fastLeave = on
  },
  mcast_fast_leave: (port, on) => {
    port.notes.fastLeave = on
  },
  learning: (port, on) => {
    port.learning = on
  },
  flood: (port, on) => {
    port.flooding = on
  },
  mcast_flood: (port, on) => {
    port.mcastFlood = on
  },
  bcast_flood: (port, on) => {
    port.bcastFlood = on
  },
  mcast_to_unicast: (port, on) => {
    port.notes.mcastToUnicast = on
  },
  neigh_suppress: suppressNeighbours,
  vlan_tunnel: (port, on) => {
    port.notes.vlanTunnel = on
  },
  isolated: (port, on) => {
    port.isolated = on
  },
  locked: (port, on) => {
    port.locked = on
  },
}

function suppressNeighbours(port: BridgePort, on: boolean): void {
  const netns = namespaceOf(port.bridge)
  if (netns !== null && port.bridge.neighbours === null) installBridgeNeighbours(netns, port.bridge)
  port.neighSuppress = on
}

/** By number, as BR_STATE_* are. */
const STATES: readonly string[] = ['disabled', 'listening', 'learning', 'forwarding', 'blocking']

export function takeSwitch(words: Words, name: string, status: number): boolean {
  const value = words.take()
  if (value === 'on') return true
  if (value === 'off') return false
  throw new ToolError(`Error: argument of "${name}" must be one of "off", "on", not "${value}"`, status)
}

function takeState(words: Words): PortState {
  const text = words.take()
  const state = /^[0-9]+$/.test(text) ? Number(text) : STATES.indexOf(text)
  if (state < 0) throw new ToolError('Error: invalid STP port state', 255)
  return state as PortState
}

/**
 * Reads what `word` sets on a port; null: it is no setting of a port. `status` is the exit code for a switch that is
 * neither on nor off.
 */
export function takePortSetting(word: string, words: Words, status: number): ((port: BridgePort) => void) | null {
  if (word in WRITE) {
    const on = takeSwitch(words, word, status)
    return (port) => WRITE[word](port, on)
  }
  switch (word) {
    case 'state': {
      const state = takeState(words)
      return (port) => setState(port, state)
    }
    case 'cost': {
      const cost = takeNumber(words, 'cost')
      return (port) => {
        if (cost < 1 || cost > 65_535) throw refused('Numerical result out of range', status === 2 ? 2 : 255)
        port.notes.cost = cost
      }
    }
    case 'priority': {
      const priority = takeNumber(words, 'priority')
      return (port) => {
        if (priority > 63) throw refused('Numerical result out of range', status === 2 ? 2 : 255)
        port.notes.priority = priority
      }
    }
    case 'mcast_router': {
      const router = takeNumber(words, 'mcast_router')
      return (port) => {
        port.notes.mcastRouter = router
      }
    }
    case 'backup_port': {
      const name = words.take()
      return (port) => {
        const other = port.bridge.ports.find(({ device }) => device.name === name)
        if (other === undefined) throw refused('No such file or directory', status === 1 ? 2 : 255)
        throw notModelled(`bridge link set ${word}`)
      }
    }
    case 'nobackup_port':
      return () => {}
    default:
      return null
  }
}

/** br_set_port_state: without spanning tree nothing keeps a port blocking, it forwards at once. */
function setState(port: BridgePort, state: PortState): void {
  if (state > PortState.blocking) throw refused('Invalid argument', 255)
  if (!port.device.up || (!port.device.carrier && state !== PortState.disabled)) throw refused('Network is down', 255)
  port.state = state === PortState.blocking ? PortState.forwarding : state
  logChosen(port, state)
}

/** br_state as rtnetlink names it. */
export function portState(port: BridgePort): string {
  return port.bridge.up && port.device.up && port.device.carrier ? STATES[port.state] : 'disabled'
}

/** port_cost: by link speed, which a veth gives as 10 Gbit/s and a tunnel not at all. */
export function portCost(port: BridgePort): number {
  return port.notes.cost ?? (port.device.kind === 'veth' ? 2 : 100)
}

/** The second line of `bridge -d link`. */
export function portFlags(port: BridgePort): string {
  return READ.map(([name, read]) =>
    read === null ? `${name} ${port.notes.mcastRouter} ` : `${name} ${read(port) ? 'on' : 'off'} `,
  ).join('')
}

export function portFlagsJson(port: BridgePort): { [key: string]: Json } {
  return Object.fromEntries(READ.map(([name, read]) => [name, read === null ? port.notes.mcastRouter : read(port)]))
}

/** Priority (6 bits) and number of a port. */
export function portId(port: BridgePort): number {
  return (port.notes.priority << 10) | port.number
}
