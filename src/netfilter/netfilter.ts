/**
 * Netfilter of one network namespace: its tables, conntrack and NAT, asked at five hooks (see hook.ts). The
 * namespace calls `run` for each packet that passes a hook; `iptables` and its kin change the `rules`.
 *
 * A nat table is read for the first packet of a flow only. After that the flow's tuples say how every packet is to
 * be rewritten, so rules that vanish do not break what they began. The room may import `link`, `sim` and `wire`.
 */
import type { NetDevice } from '../link/device.ts'
import { configurationChanged, journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import type { Ipv4 } from '../wire/address.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Chain } from './chain.ts'
import { iptables } from './command.ts'
import { Conntrack } from './conntrack.ts'
import type { Flow } from './flow.ts'
import { Hook, type TableName, Verdict } from './hook.ts'
import { type HookTables, hookTables, tracks } from './hook-tables.ts'
import type { NetfilterHost } from './host.ts'
import type { Answer } from './ipset-answer.ts'
import { ipset } from './ipset-command.ts'
import { Balancer } from './ipvs/balancer.ts'
import { Ipvs } from './ipvs/ipvs.ts'
import { concerns, Nat } from './nat.ts'
import { Because, Strayed } from './nat-decisions.ts'
import { Manip } from './nat-rewrite.ts'
import { type NftAnswer, type NftRequest, nft } from './nft-command.ts'
import { NftMachine } from './nft-machine.ts'
import { NftRuleset } from './nft-ruleset.ts'
import { type NftStep, neighbours, nftSteps, Step } from './nft-steps.ts'
import { type LogReader, Packet } from './packet.ts'
import { type RestoreOptions, restore } from './restore.ts'
import type { ListOptions } from './rule-text.ts'
import { Ruleset } from './ruleset.ts'
import { list, type SaveOptions, save } from './save.ts'
import { CtInfo, isReply, Status } from './status.ts'
import { Traversal } from './traversal.ts'

export { NetfilterError } from './error.ts'
export { Hook, type TableName } from './hook.ts'
export type { AddressType, NetfilterHost, RejectWith } from './host.ts'
export type { NftAnswer, NftRequest } from './nft-command.ts'

export class Netfilter {
  readonly name: string
  readonly rules = new Ruleset()
  /** What iptables-legacy configures. */
  readonly legacy = new Ruleset(this.rules)
  /** What nft configures, besides the tables of iptables. */
  readonly nft = new NftRuleset()
  readonly conntrack: Conntrack
  #world: World
  #host: NetfilterHost
  #packet: Packet
  #nat: Nat
  #traversal = new Traversal()
  #ipvs: Ipvs | null = null
  /** Looks at packets from the first virtual service on. */
  #balancer: Balancer | null = null
  /** Told of the destination of a flow's first packet before the nat table is asked; null: nobody wants to know. */
  onNewFlow: ((destination: Ipv4) => void) | null = null
  /** The frame of the last `run` that said false is not lost: it was sent on. */
  stolen = false
  /** Why the frame at hand is dropped, if it is. */
  #why: DropReason = DropReason.Netfilter
  #dirty = false
  #tracking = false
  /** What is asked at each hook, without nft. */
  #tables: readonly HookTables[]
  /** What is asked at each hook, in the order of priorities, when nft has base chains; null: what stands in #ask. */
  #steps: (readonly NftStep[] | null)[] = [null, null, null, null, null]
  /** The nat chains of each hook in their order, when nft has base chains. */
  #choices: (readonly NftStep[])[] = [[], [], [], [], []]
  /** Is POSTROUTING asked by more than nat chains? */
  #filtersLate = false
  #machine = new NftMachine()

  constructor(world: World, name: string, host: NetfilterHost) {
    this.#world = world
    this.name = name
    this.#host = host
    this.conntrack = new Conntrack(world)
    this.#nat = new Nat(this.conntrack.flows, world.random)
    this.#packet = new Packet(world, name, host, this.#nat)
    this.#tables = hookTables(this.rules, this.legacy)
    this.rules.sets.now = () => world.scheduler.now
    this.rules.sets.seed = () => world.random.int32() >>> 0
    this.rules.sets.references = (place) => this.rules.references(place) + this.legacy.references(place)
    const changed = () => {
      this.#dirty = true
      host.filters = true
    }
    this.rules.onChange = changed
    this.legacy.onChange = changed
    this.nft.onChange = () => {
      changed()
      configurationChanged()
    }
    this.nft.neighbours = () => neighbours(this.rules, this.legacy)
  }

  /** Does this namespace track connections? Only when a rule or a nat table needs it. */
  get tracking(): boolean {
    if (this.#dirty) this.#settle()
    return this.#tracking
  }

  /** IPVS, loaded on first asking. */
  get ipvs(): Ipvs {
    const known = this.#ipvs
    if (known !== null) return known
    const ipvs = new Ipvs(this.#world, this.conntrack.flows)
    this.#ipvs = ipvs
    this.#packet.ipvs = ipvs
    ipvs.onEnable = () => {
      this.#balancer = new Balancer(ipvs, this.#host)
      this.#host.filters = true
    }
    return ipvs
  }

  /** Who reads what NFLOG writes; while nobody does, no text is made. */
  get onLog(): LogReader | null {
    return this.#packet.onLog
  }

  set onLog(reader: LogReader | null) {
    this.#packet.onLog = reader
  }

  /**
   * Asks all tables about the frame. `frame.network` and `frame.transport` are set; `frame.start` is not looked at.
   * True: go on (addresses, ports and mark may have changed). False: the frame was dropped and given back, or sent on
   * by IPVS (`stolen`).
   */
  run(hook: Hook, frame: Frame, input: NetDevice | null, output: NetDevice | null): boolean {
    if (this.#dirty) this.#settle()
    const tables = this.#tables[hook]
    if (hook === Hook.POSTROUTING && this.#leavesAsItIs(frame, tables)) return true
    const packet = this.#packet
    packet.load(hook, frame, input, output)
    const steps = this.#steps[hook]
    const verdict = steps === null ? this.#ask(hook, tables, packet) : this.#askInTurn(steps, hook, packet)
    return verdict === Verdict.ACCEPT || this.#end(frame, verdict, hook, input)
  }

  /** The frame goes no further. What was asked may have sent an answer: then `packet` is that one's by now. */
  #end(frame: Frame, verdict: Verdict, hook: Hook, input: NetDevice | null): boolean {
    const { reject } = this.#packet
    this.stolen = verdict === Verdict.STOLEN
    if (this.stolen) return false
    const why = verdict === Verdict.REJECT ? DropReason.Rejected : this.#why
    this.#why = DropReason.Netfilter
    if (verdict === Verdict.REJECT && reject !== null) this.#host.reject(frame, hook, reject, input)
    this.#world.frames.drop(frame, why, this.name)
    return false
  }

  /** iptables-restore. @throws NetfilterError */
  restore(text: string, options: RestoreOptions = {}, rules: Ruleset = this.rules): void {
    restore(rules, text, options)
  }

  /** iptables-save. */
  save(options: SaveOptions = {}, rules: Ruleset = this.rules): string {
    return save(rules, options)
  }

  /** `iptables -t table -L [chain]`. @throws NetfilterError */
  list(table: TableName, options: ListOptions & { chain?: string } = {}): string {
    return list(this.rules, table, options.chain ?? null, options)
  }

  /** The command `iptables` (or `iptables-legacy`) with its arguments: what it prints. @throws NetfilterError */
  iptables(args: readonly string[], rules: Ruleset = this.rules): string {
    return iptables(rules, args)
  }

  /** The command `ipset` with its arguments; `stdin` is what `ipset restore` reads. */
  ipset(args: readonly string[], stdin = ''): Answer {
    return ipset(this.rules.sets, args, stdin)
  }

  /** The command `nft`. */
  runNft(request: NftRequest, devices: () => Iterable<NetDevice>): NftAnswer {
    this.#machine.deviceName = (index) => {
      for (const device of devices()) if (device.index === index) return device.name
      return null
    }
    return nft(this.nft, { now: () => this.#world.scheduler.now, devices }, request)
  }

  /** POSTROUTING has nothing to do: no rules but nat's, and a flow in the table whose source stays what it is. */
  #leavesAsItIs(frame: Frame, tables: HookTables): boolean {
    if (tables.mangle !== null || tables.filter !== null || this.#filtersLate) return false
    const flow = frame.tracked as Flow | null
    if (flow === null || flow.masquerade !== null || (flow.status & SETTLED) !== SETTLED) return false
    if ((flow.status & NAT) === 0) return true
    const info = frame.trackedInfo
    if (info !== CtInfo.ESTABLISHED && info !== CtInfo.ESTABLISHED_REPLY) return false
    return !concerns(flow, info === CtInfo.ESTABLISHED_REPLY, Manip.SOURCE)
  }

  #ask(hook: Hook, tables: HookTables, packet: Packet): Verdict {
    const { entering, leaving, raw, mangle, filter, later } = tables
    let verdict: Verdict = Verdict.ACCEPT
    if (entering) {
      if (raw !== null) verdict = this.#walk(raw, later === null ? null : later.raw, packet)
      if (verdict !== Verdict.ACCEPT) return verdict
      if (tables.tracks && !this.#enter(packet)) return this.#untracked()
    }
    if (mangle !== null) {
      verdict = this.#walk(mangle, later === null ? null : later.mangle, packet)
      if (verdict !== Verdict.ACCEPT) return verdict
    }
    if (entering && tables.translates && translated(packet)) {
      verdict = this.#translate(hook, Manip.DESTINATION, packet)
      if (verdict !== Verdict.ACCEPT) return verdict
    }
    const balancer = this.#balancer
    if (balancer !== null && hook === Hook.OUTPUT) {
      verdict = balancer.pass(hook, packet)
      if (verdict !== Verdict.ACCEPT) return verdict
    }
    if (filter !== null) {
      verdict = this.#walk(filter, later === null ? null : later.filter, packet)
      if (verdict !== Verdict.ACCEPT) return verdict
    }
    if (balancer !== null && (hook === Hook.INPUT || hook === Hook.FORWARD)) {
      verdict = balancer.pass(hook, packet)
      if (verdict !== Verdict.ACCEPT) return verdict
    }
    if (!leaving) return verdict
    if (tables.translates && translated(packet)) {
      verdict = this.#translate(hook, Manip.SOURCE, packet)
      if (verdict !== Verdict.ACCEPT) return verdict
    }
    return tables.tracks && !this.conntrack.confirm(packet) ? this.#untracked() : verdict
  }

  #enter(packet: Packet): boolean {
    if (!this.conntrack.enter(packet)) return false
    if (journal.open && packet.frame.tracked === null) journal.refuse()
    return true
  }

  #untracked(): Verdict {
    this.#why = DropReason.Conntrack
    return Verdict.DROP
  }

  /** The same with nft's base chains among the tables of iptables. */
  #askInTurn(steps: readonly NftStep[], hook: Hook, packet: Packet): Verdict {
    for (let i = 0; i < steps.length; i++) {
      const verdict = this.#take(steps[i], hook, packet)
      if (verdict !== Verdict.ACCEPT) return verdict
    }
    return Verdict.ACCEPT
  }

  #take(step: NftStep, hook: Hook, packet: Packet): Verdict {
    switch (step.kind) {
      case Step.CONNTRACK:
        return this.#enter(packet) ? Verdict.ACCEPT : this.#untracked()
      case Step.BALANCE:
        return this.#balancer === null ? Verdict.ACCEPT : this.#balancer.pass(hook, packet)
      case Step.CONFIRM:
        return this.conntrack.confirm(packet) ? Verdict.ACCEPT : this.#untracked()
      case Step.DESTINATION_NAT:
        return translated(packet) ? this.#translate(hook, Manip.DESTINATION, packet) : Verdict.ACCEPT
      case Step.SOURCE_NAT:
        return translated(packet) ? this.#translate(hook, Manip.SOURCE, packet) : Verdict.ACCEPT
      default:
        return this.#read(step, packet)
    }
  }

  /** A base chain, of iptables or of nft. */
  #read({ tables, nft }: NftStep, packet: Packet): Verdict {
    if (nft !== null) return this.#machine.run(nft, packet)
    return tables === null ? Verdict.ACCEPT : this.#traversal.run(tables, packet)
  }

  /** `later`: x_tables' chain at the same place. */
  #walk(chain: Chain, later: Chain | null, packet: Packet): Verdict {
    const verdict = this.#traversal.run(chain, packet)
    return later === null || verdict !== Verdict.ACCEPT ? verdict : this.#traversal.run(later, packet)
  }

  /** nf_nat_inet_fn: the first of the two rule sets that chooses ends the question. */
  #choose(hook: Hook, { nat, later }: HookTables, packet: Packet, flow: Flow, done: number): Verdict {
    const choices = this.#choices[hook]
    for (let i = 0; i < choices.length; i++) {
      const verdict = this.#read(choices[i], packet)
      if (verdict !== Verdict.ACCEPT || (flow.status & done) !== 0) return verdict
    }
    if (choices.length > 0 || nat === null) return Verdict.ACCEPT
    const verdict = this.#traversal.run(nat, packet)
    if (later === null || verdict !== Verdict.ACCEPT || (flow.status & done) !== 0) return verdict
    return later.nat === null ? verdict : this.#traversal.run(later.nat, packet)
  }

  /** nf_nat_inet_fn: the first packet chooses, every packet is rewritten. */
  #translate(hook: Hook, manip: Manip, packet: Packet): Verdict {
    const { frame } = packet
    const flow = frame.tracked as Flow | null
    if (flow === null) return Verdict.ACCEPT
    const info = frame.trackedInfo
    const reply = isReply(info)
    let because: Because = Because.FIRST
    if (info === CtInfo.RELATED || info === CtInfo.RELATED_REPLY) {
      if (journal.open) journal.refuse()
      if (packet.protocol === ipv4.IPPROTO_ICMP) {
        const right = this.#nat.passError(packet, flow, reply, manip)
        return right ? Verdict.ACCEPT : this.#untracked()
      }
    } else if (info === CtInfo.NEW) {
      const done = manip === Manip.SOURCE ? Status.SRC_NAT_DONE : Status.DST_NAT_DONE
      if ((flow.status & done) === 0) {
        if (journal.open) journal.refuse()
        if (this.onNewFlow !== null && manip === Manip.DESTINATION) {
          this.onNewFlow(ipv4.destination(frame.bytes, frame.network))
          if (this.#dirty) this.#settle()
        }
        const verdict = this.#choose(hook, this.#tables[hook], packet, flow, done)
        if (verdict !== Verdict.ACCEPT) return verdict
        because = (flow.status & done) === 0 ? Because.TAKEN : Because.RULE
        if ((flow.status & done) === 0) this.#nat.bindNull(flow, manip)
      }
    } else if (this.#strayed(flow, hook, packet)) {
      if (journal.open) packet.tell(new Strayed(flow))
      this.conntrack.flows.remove(flow)
      return this.#untracked()
    }
    if ((flow.status & (Status.SRC_NAT | Status.DST_NAT)) !== 0) {
      this.#nat.pass(packet, flow, reply, manip, because)
    }
    return Verdict.ACCEPT
  }

  /** A masqueraded flow that now leaves by another device has the wrong address (nf_nat_oif_changed). */
  #strayed(flow: Flow, hook: Hook, packet: Packet): boolean {
    const { masquerade } = flow
    if (masquerade === null || hook !== Hook.POSTROUTING || masquerade === packet.output) return false
    return !isReply(packet.frame.trackedInfo)
  }

  #settle(): void {
    this.#dirty = false
    const tracking = tracks(this.rules) || tracks(this.legacy)
    const nft = nftSteps(this.nft, this.rules, this.legacy, tracking)
    this.#tracking = tracking || nft.tracks
    this.#steps = nft.steps
    this.#choices = nft.choices
    this.#filtersLate = nft.filtersLate
    this.#tables = hookTables(this.rules, this.legacy)
    const nat = this.rules.peek('nat') !== null || this.legacy.peek('nat') !== null
    for (const tables of this.#tables) {
      tables.tracks = this.#tracking && (tables.entering || tables.leaving)
      tables.translates = nat && (tables.entering || tables.leaving)
    }
    this.#traversal.rulesChanged()
  }
}

const NAT = Status.SRC_NAT | Status.DST_NAT
const DONE = Status.SRC_NAT_DONE | Status.DST_NAT_DONE
const SETTLED = DONE | Status.CONFIRMED

/** Has NAT anything to do with this packet? Not once its flow is settled and was left as it is. */
function translated(packet: Packet): boolean {
  const flow = packet.flow
  if (flow === null) return false
  return (flow.status & NAT) !== 0 || (flow.status & DONE) !== DONE || flow.masquerade !== null
}
