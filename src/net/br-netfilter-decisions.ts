/** What br_netfilter decides about bridged frames, for whoever traces (see link/decision.ts). */
import { Decision } from '../link/decision.ts'
import { LastingDecisions } from '../link/lasting-decisions.ts'
import { formatMac, type Mac } from '../wire/address.ts'
import { SwitchDecision } from './sysctl-decision.ts'

const CALL = 'net.bridge.bridge-nf-call-iptables'

interface Named {
  readonly name: string
}

interface Switches {
  get(name: string): string | null
}

const ports = new LastingDecisions<Named>()

abstract class BridgedDecision extends Decision {
  override readonly kind = 'bridge'
}

/** PREROUTING runs at the port. `byBridge`: the bridge's own switch says so, not the sysctl. */
export function atPort(sysctl: Switches, bridge: Named, port: Named, byBridge: boolean): Decision {
  return ports.get(port) ?? ports.keep(port, beginsAtPort(sysctl, bridge, port, byBridge))
}

function beginsAtPort(sysctl: Switches, bridge: Named, port: Named, byBridge: boolean): Decision {
  const text = `br_netfilter: PREROUTING runs at port ${port.name}, before ${bridge.name} decides where the frame goes`
  return byBridge ? new ByBridge(text, bridge) : new SwitchDecision('bridge', sysctl, CALL, text)
}

/** The sysctl is off. */
export function notAtPort(sysctl: Switches, bridge: Named): Decision {
  return new SwitchDecision('bridge', sysctl, CALL, `iptables do not see what ${bridge.name} forwards`)
}

/** nf_call_iptables of the bridge. */
class ByBridge extends BridgedDecision {
  readonly #sentence: string
  readonly #bridge: string

  constructor(sentence: string, bridge: Named) {
    super()
    this.#sentence = sentence
    this.#bridge = bridge.name
  }

  override sentence(): string {
    return this.#sentence
  }

  override entry(): string {
    return 'nf_call_iptables 1'
  }

  override command(): string {
    return `ip -d link show dev ${this.#bridge}`
  }
}

/** DNAT sent it beyond the bridge: it goes up to the host, to be routed. */
export class ToBridgeMac extends BridgedDecision {
  readonly #bridge: string
  readonly #mac: Mac

  constructor(bridge: Named & { readonly mac: Mac }) {
    super()
    this.#bridge = bridge.name
    this.#mac = bridge.mac
  }

  override sentence(): string {
    return `the new destination is beyond ${this.#bridge}: the frame gets the bridge's own MAC, so that it is routed`
  }

  override entry(): string {
    return `link/ether ${formatMac(this.#mac)}`
  }

  override command(): string {
    return `ip link show dev ${this.#bridge}`
  }
}

/** The new destination is a station here, whose MAC ARP must find first. */
export class WaitsAtPort extends BridgedDecision {
  readonly #bridge: string

  constructor(bridge: Named) {
    super()
    this.#bridge = bridge.name
  }

  override sentence(): string {
    return `the new destination is a station on ${this.#bridge} itself, whose MAC must be sure first`
  }
}

/** It comes back from ARP. */
export class Resumes extends BridgedDecision {
  readonly #port: string

  constructor(port: Named) {
    super()
    this.#port = port.name
  }

  override sentence(): string {
    return `with the MAC of its new destination it goes on at port ${this.#port}, where it came in`
  }
}

/** FORWARD and POSTROUTING between ports. */
export class BetweenPorts extends BridgedDecision {
  readonly #from: string
  readonly #to: string

  constructor(from: Named, to: Named) {
    super()
    this.#from = from.name
    this.#to = to.name
  }

  override sentence(): string {
    return `br_netfilter: FORWARD and POSTROUTING run between the ports ${this.#from} and ${this.#to}`
  }
}
