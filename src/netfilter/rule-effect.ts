/** What a rule did, in words; iptables' rules and nft's share them. */
import type { Ipv4 } from '../wire/address.ts'
import { Hook, Verdict } from './hook.ts'
import type { Packet } from './packet.ts'
import { CtInfo } from './status.ts'
import { placeText } from './tuple-text.ts'
import { hex } from './words.ts'

/** What a rule did to the packet and to its flow. */
export class Effect {
  readonly #mark: number
  readonly #flowMark: number
  #newMark = 0
  #untracked = false
  #newFlowMark = 0
  #reject = ''
  /** Where the flow leads now. */
  #entering = false
  #protocol = 0
  #address = 0 as Ipv4
  #port = 0

  /** Before the rule acts. */
  constructor({ frame, flow }: Packet) {
    this.#mark = frame.mark
    this.#flowMark = flow === null ? 0 : flow.mark
  }

  /** Behind it. */
  settle({ frame, flow, reject, hook }: Packet): void {
    this.#newMark = frame.mark
    this.#untracked = frame.tracked === null && frame.trackedInfo === CtInfo.UNTRACKED
    this.#reject = reject ?? ''
    if (flow === null) return
    this.#newFlowMark = flow.mark
    this.#entering = hook === Hook.PREROUTING || hook === Hook.OUTPUT
    const { protocol, source, sourcePort, destination, destinationPort } = flow.reply
    this.#protocol = protocol
    this.#address = this.#entering ? source : destination
    this.#port = this.#entering ? sourcePort : destinationPort
  }

  /** What came of the verdict, or of a target that lets the packet go on. */
  text(verdict: number, goal: string, translates: boolean): string {
    if (translates) {
      if (verdict !== Verdict.ACCEPT) return `${goal} ${verdict === Verdict.DROP ? 'drops the packet' : 'does nothing'}`
      const place = placeText(this.#protocol, this.#address, this.#port)
      return `${goal} gives the flow the ${this.#entering ? 'destination' : 'source'} ${place}`
    }
    switch (verdict) {
      case Verdict.ACCEPT:
        return 'accepts the packet'
      case Verdict.DROP:
        return 'drops the packet'
      case Verdict.REJECT:
        return `refuses the packet with ${this.#reject}`
      case Verdict.RETURN:
        return 'returns'
      case Verdict.JUMP:
        return `jumps to ${goal}`
      case Verdict.GOTO:
        return `goes on in ${goal}`
      default: {
        const changes: string[] = []
        if (this.#newMark !== this.#mark) changes.push(`sets the mark ${hex(this.#mark)} to ${hex(this.#newMark)}`)
        if (this.#newFlowMark !== this.#flowMark) {
          changes.push(`sets the flow's mark ${hex(this.#flowMark)} to ${hex(this.#newFlowMark)}`)
        }
        if (changes.length > 0) return changes.join(' and ')
        if (this.#untracked && goal === 'CT') return 'takes the packet out of tracking'
        return goal === '' ? 'counts the packet' : `applies ${goal}`
      }
    }
  }
}
