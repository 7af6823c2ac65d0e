/**
 * Runs the rules of a base chain and of the chains it jumps to (nft_do_chain). Nothing is made on the way: registers
 * and the way back are arrays, verdicts small integers.
 */
import { journal } from '../link/flow-cache.ts'
import type { Flow } from './flow.ts'
import { Verdict } from './hook.ts'
import { logLine } from './log-line.ts'
import { NftElementDecision, NftPolicyDecision, NftRuleDecision, stateless } from './nft-decisions.ts'
import { dynset, touch } from './nft-dynset.ts'
import { hashOfParts, symhash } from './nft-hash.ts'
import { fib, loadCt, loadMeta, loadPayload } from './nft-load.ts'
import { NftNat } from './nft-nat.ts'
import type { NftChain, NftRule } from './nft-objects.ts'
import { Compare, type LogStep, type NftProgram, Op, REGISTERS, STRIDE } from './nft-program.ts'
import type { NftElement, NftSet } from './nft-set.ts'
import type { PrintOptions } from './nft-value-text.ts'
import type { Packet } from './packet.ts'
import { Effect } from './rule-effect.ts'
import { CtInfo } from './status.ts'

/** NFT_JUMP_STACK_SIZE */
const DEPTH = 16
/** The rule does not apply: the next one's turn. */
const BREAK = -1
const GO_ON = -2

export class NftMachine {
  readonly #registers = new Int32Array(REGISTERS)
  readonly #rules: NftRule[][] = new Array<NftRule[]>(DEPTH).fill([])
  readonly #places = new Int32Array(DEPTH)
  readonly #nat = new NftNat()
  /** Where JUMP and GOTO lead. */
  #to: NftChain | null = null
  /** While traced: the elements of named sets that the last rule found. */
  readonly #found: (readonly [NftSet, NftElement])[] = []
  /** How the namespace calls its devices, for whoever traces. */
  deviceName: (index: number) => string | null = () => null

  /** ACCEPT, DROP or REJECT. */
  run(base: NftChain, packet: Packet): Verdict {
    let rules = base.rules
    let place = 0
    let depth = 0
    for (;;) {
      if (place >= rules.length) {
        if (depth === 0) return this.#policy(base, packet)
        depth--
        rules = this.#rules[depth]
        place = this.#places[depth]
        continue
      }
      const rule = rules[place++]
      const verdict = journal.open ? this.#aloud(rule, place, packet) : this.#execute(rule.program, packet)
      switch (verdict) {
        case BREAK:
        case Verdict.CONTINUE:
          continue
        case Verdict.RETURN:
          place = rules.length
          continue
        case Verdict.JUMP:
          if (depth === DEPTH) return Verdict.DROP
          this.#rules[depth] = rules
          this.#places[depth] = place
          depth++
          rules = (this.#to as NftChain).rules
          place = 0
          continue
        case Verdict.GOTO:
          rules = (this.#to as NftChain).rules
          place = 0
          continue
        default:
          return verdict as Verdict
      }
    }
  }

  #policy(base: NftChain, packet: Packet): Verdict {
    if (journal.open && (base.policy !== Verdict.ACCEPT || base.type !== 'route')) {
      packet.tell(new NftPolicyDecision(base, this.#options(packet)))
    }
    return base.policy
  }

  /** Runs a rule and tells what came of it. */
  #aloud(rule: NftRule, number: number, packet: Packet): number {
    const effect = new Effect(packet)
    this.#found.length = 0
    const verdict = this.#execute(rule.program, packet)
    if (verdict === BREAK) return verdict
    effect.settle(packet)
    const options = this.#options(packet)
    const goal = verdict === Verdict.JUMP || verdict === Verdict.GOTO ? this.#to : null
    packet.tell(new NftRuleDecision(rule, number, verdict, goal, effect, options))
    for (const [set, element] of this.#found) packet.tell(new NftElementDecision(set, element, options))
    return verdict
  }

  #options({ world }: Packet): PrintOptions {
    return stateless(world.scheduler.now, this.deviceName)
  }

  #note(set: NftSet, element: NftElement): void {
    if (!set.anonymous) this.#found.push([set, element])
  }

  #execute(program: NftProgram, packet: Packet): number {
    const { code } = program
    if (journal.open && !program.steady) journal.refuse()
    for (let at = 0; at < code.length; at += STRIDE) {
      const verdict = this.#step(program, packet, at)
      if (verdict !== GO_ON) return verdict
    }
    return Verdict.CONTINUE
  }

  #step(program: NftProgram, packet: Packet, at: number): number {
    const { code, pool } = program
    const registers = this.#registers
    const register = code[at + 1]
    const a = code[at + 2]
    const b = code[at + 3]
    switch (code[at]) {
      case Op.META:
        return loadMeta(packet, a, registers, register) ? GO_ON : BREAK
      case Op.CT:
        return loadCt(packet, a, b, registers, register) ? GO_ON : BREAK
      case Op.PAYLOAD:
        return loadPayload(packet, a, b, code[at + 4], registers, register) ? GO_ON : BREAK
      case Op.COMPARE:
        return compares(registers, register, a, pool, b, code[at + 4]) ? GO_ON : BREAK
      case Op.RANGE: {
        const words = code[at + 4]
        const within =
          order(registers, register, pool, b, words) >= 0 && order(registers, register, pool, b + words, words) <= 0
        return within === (a === 0) ? GO_ON : BREAK
      }
      case Op.IMMEDIATE:
        for (let i = 0; i < b; i++) registers[register + i] = pool[a + i]
        return GO_ON
      case Op.BITWISE:
        for (let i = 0; i < b; i++) registers[register + i] = (registers[register + i] & pool[a + i]) ^ pool[a + b + i]
        return GO_ON
      case Op.SHIFT:
        registers[register] = a >= 0 ? registers[register] << a : registers[register] >>> -a
        return GO_ON
      case Op.LOOKUP: {
        const element = program.sets[a].lookup(registers, register, packet.world.scheduler.now)
        if ((element === null) !== (b !== 0)) return BREAK
        if (element !== null) {
          touch(element, packet)
          if (journal.open) this.#note(program.sets[a], element)
        }
        return GO_ON
      }
      case Op.MAP: {
        const element = program.sets[a].lookup(registers, register, packet.world.scheduler.now)
        if (element === null || element.data === null) return BREAK
        if (journal.open) this.#note(program.sets[a], element)
        for (let i = 0; i < element.data.length; i++) registers[b + i] = element.data[i]
        return GO_ON
      }
      case Op.VMAP: {
        const element = program.sets[a].lookup(registers, register, packet.world.scheduler.now)
        if (element === null) return BREAK
        if (journal.open) this.#note(program.sets[a], element)
        this.#to = element.chain as NftChain | null
        return element.verdict
      }
      case Op.DYNSET:
        return dynset(program.dynsets[a], registers, register, packet) ? GO_ON : BREAK
      case Op.RANDOM:
        registers[register] = Math.floor(((packet.world.random.int32() >>> 0) * a) / 4_294_967_296) + b
        return GO_ON
      case Op.TURN:
        registers[register] = program.turns[a].next()
        return GO_ON
      case Op.HASH:
        registers[register] = b === 0 ? symhash(packet, program.hashes[a]) : hashOfParts(registers, program.hashes[a])
        return GO_ON
      case Op.FIB:
        return fib(packet, a, b, code[at + 4], code[at + 5], registers, register) ? GO_ON : BREAK
      case Op.COUNTER: {
        const counter = program.counters[a]
        counter.packets++
        counter.bytes += packet.length
        if (journal.open) journal.count(packet.frame, counter)
        return GO_ON
      }
      case Op.LIMIT:
        return program.limits[a].holds(packet.world.scheduler.now, packet.length) ? GO_ON : BREAK
      case Op.QUOTA:
        return program.quotas[a].holds(packet.length) ? GO_ON : BREAK
      case Op.SET_MARK:
        packet.frame.mark = registers[register]
        return GO_ON
      case Op.SET_CT_MARK: {
        const flow = packet.frame.tracked as Flow | null
        if (flow === null) return BREAK
        flow.mark = registers[register]
        return GO_ON
      }
      case Op.NAT:
        return this.#nat.apply(program.nats[a], registers, packet)
      case Op.REJECT:
        packet.reject = program.rejects[a]
        return Verdict.REJECT
      case Op.LOG:
        log(program.logs[a], packet)
        return GO_ON
      case Op.NOTRACK:
        if (packet.frame.tracked === null) packet.frame.trackedInfo = CtInfo.UNTRACKED
        return GO_ON
      default:
        if (b >= 0) this.#to = program.chains[b] as NftChain
        return a
    }
  }
}

function log({ group, level, prefix, flags }: LogStep, packet: Packet): void {
  if (group >= 0) {
    if (packet.onLog !== null) packet.onLog(prefix + logLine(packet, 0), group)
    return
  }
  const kernel = packet.host.packetLog()
  if (kernel !== null) kernel.print(level, prefix + logLine(packet, flags))
}

/** How the value in the registers stands to the constant, as unsigned numbers. */
function order(registers: Int32Array, register: number, pool: Int32Array, at: number, words: number): number {
  for (let i = 0; i < words; i++) {
    const value = registers[register + i] >>> 0
    const constant = pool[at + i] >>> 0
    if (value !== constant) return value < constant ? -1 : 1
  }
  return 0
}

function compares(
  registers: Int32Array,
  register: number,
  how: number,
  pool: Int32Array,
  at: number,
  words: number,
): boolean {
  const stands = order(registers, register, pool, at, words)
  switch (how) {
    case Compare.EQ:
      return stands === 0
    case Compare.NE:
      return stands !== 0
    case Compare.LT:
      return stands < 0
    case Compare.GT:
      return stands > 0
    case Compare.LE:
      return stands <= 0
    default:
      return stands >= 0
  }
}
