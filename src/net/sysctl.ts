/**
 * A namespace's sysctls: the names below /proc/sys that podwire knows, as text. What the path of a frame reads
 * is kept as plain fields by whoever reads it; `watch` tells them of changes. The switches of one device live
 * with it, in `InetDevices`.
 */
import { configurationChanged } from '../link/flow-cache.ts'
import { PREFIX as IPVS } from '../netfilter/ipvs/settings.ts'
import { InetDevices, READ_ONLY } from './inet-device.ts'
import { NeighbourParameters } from './neighbour-parameters.ts'
import { kernelInteger, ofMachine, parsed, switches } from './sysctl-names.ts'

const CONF = 'net.ipv4.conf.'
const NEIGH = 'net.ipv4.neigh.'
/** Two names for one switch. */
const FORWARD = 'net.ipv4.ip_forward'
const FORWARD_ALL = 'net.ipv4.conf.all.forwarding'
/** What algorithms there are. */
const AVAILABLE = 'net.ipv4.tcp_available_congestion_control'

export class Sysctl {
  readonly inet = new InetDevices()
  /** Is this the machine's own namespace, which has some switches alone? */
  ofMachine = false
  /** Is ip_vs loaded? Its switches are there from then on. */
  hasIpvs = false
  #values = new Map<string, string>()
  #watchers: ((name: string, value: string) => void)[] = []

  /** Null when podwire does not know the name. */
  get(name: string): string | null {
    const key = canonical(name)
    if (key === FORWARD) return String(this.inet.all.get('forwarding'))
    if (key.startsWith(CONF)) {
      const [device, last] = halves(key, CONF)
      return asText(this.inet.conf(device)?.find(last))
    }
    if (key.startsWith(NEIGH)) {
      const [device, last] = halves(key, NEIGH)
      return device !== 'default' && last.startsWith('gc_') && last !== 'gc_stale_time'
        ? null
        : asText(this.inet.parameters(device)?.get(last))
    }
    if (!this.#here(key)) return null
    return this.#values.get(key) ?? switches[key]?.initial ?? null
  }

  /** 0 when the value is not a number. */
  number(name: string): number {
    return Number.parseInt(this.get(name) ?? '0', 10) || 0
  }

  /** False when podwire does not know the name, or the kernel would refuse the value. */
  set(name: string, value: string): boolean {
    const key = canonical(name)
    if (this.get(key) === null) return false
    const device = key === FORWARD || key.startsWith(CONF) || key.startsWith(NEIGH)
    const stored = device ? this.#setDevice(key, value) : this.#set(key, value)
    if (stored === null) return false
    configurationChanged()
    for (const watcher of this.#watchers) watcher(key, stored)
    return true
  }

  /** May nobody write it? */
  readOnly(name: string): boolean {
    const key = canonical(name)
    return key === AVAILABLE || (key.startsWith(CONF) && key.endsWith(`.${READ_ONLY}`))
  }

  names(): string[] {
    const own = Object.keys(switches).filter((name) => this.#here(name))
    return [...own, ...this.inet.names()].sort()
  }

  watch(watcher: (name: string, value: string) => void): void {
    this.#watchers.push(watcher)
  }

  #here(key: string): boolean {
    if (ofMachine.has(key)) return this.ofMachine
    return this.hasIpvs || !key.startsWith(IPVS)
  }

  #set(key: string, given: string): string | null {
    const stored = parsed(given, switches[key])
    if (stored === null || this.readOnly(key) || !this.#sensible(key, stored)) return null
    this.#values.set(key, stored)
    return stored
  }

  #setDevice(key: string, given: string): string | null {
    const value = kernelInteger(given.trim().split(/\s+/)[0])
    if (value === null || this.readOnly(key)) return null
    if (key.startsWith(NEIGH)) {
      const [device, last] = halves(key, NEIGH)
      const parameters = this.inet.parameters(device)
      if (parameters === null || !NeighbourParameters.takes(last, value)) return null
      this.inet.setParameter(parameters, last, value)
      return String(value)
    }
    const [device, last] = halves(key === FORWARD ? FORWARD_ALL : key, CONF)
    const conf = this.inet.conf(device)
    if (conf === null) return null
    this.inet.set(conf, last, value)
    return String(value)
  }

  /** Limits that lie in another switch. */
  #sensible(key: string, value: string): boolean {
    switch (key) {
      case 'net.ipv4.ip_local_port_range': {
        const [low, high] = value.split('\t').map(Number)
        return low <= high
      }
      // Algorithms that are there; another name is a module that is not loaded.
      case 'net.ipv4.tcp_congestion_control':
        return (this.get(AVAILABLE) ?? '').split(' ').includes(value)
      case 'net.ipv4.ipfrag_high_thresh':
        return Number(value) >= this.number('net.ipv4.ipfrag_low_thresh')
      case 'net.ipv4.ipfrag_low_thresh':
        return Number(value) <= this.number('net.ipv4.ipfrag_high_thresh')
      default:
        return true
    }
  }
}

/**
 * The name with dots, a dot inside of it as a slash. What stands first says which is which, as sysctl(8) reads
 * it: net.ipv4.conf.eth0/100.tag is net/ipv4/conf/eth0.100/tag.
 */
export function dotted(name: string): string {
  const first = /[./]/.exec(name)
  return first !== null && first[0] === '/' ? swapped(name) : name
}

function canonical(name: string): string {
  const key = dotted(name)
  return key === FORWARD_ALL ? FORWARD : key
}

/** Dots for slashes, and slashes for dots. */
export function swapped(name: string): string {
  return name.replace(/[./]/g, (each) => (each === '.' ? '/' : '.'))
}

/** The device of a name, in its own spelling, and what follows it. A dot in the middle names no device. */
function halves(key: string, prefix: string): [string, string] {
  const end = key.lastIndexOf('.')
  const device = key.slice(prefix.length, Math.max(end, prefix.length))
  return [device.includes('.') ? '' : device.replaceAll('/', '.'), key.slice(end + 1)]
}

function asText(value: number | null | undefined): string | null {
  return value === null || value === undefined ? null : String(value)
}
