/** Sends one probe in a lab, and finds what became of it: its packet's journey, the answer's, and a verdict. */
import type { Told } from '../capture/explainer.ts'
import type { Pod } from '../kube/objects.ts'
import { isReady } from '../kube/ownership.ts'
import { MILLISECOND, SECOND } from '../sim/scheduler.ts'
import type { Lab } from '../topology/lab.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import { endpoint, type Headers, headersOf, type IpHeader, innermost } from './headers.ts'
import { type Journey, journeyOf } from './journey.ts'
import { duration } from './journey-text.ts'
import { reasonOf, recordingOf } from './lab-recording.ts'
import { type Answer, type Probe, type ProbeResult, prober } from './probe.ts'
import type { Sender, Target } from './probe-ends.ts'
import type { Reason, Recording, SeenFrame } from './recording.ts'

export interface Trace {
  readonly recording: Recording
  readonly from: string
  readonly to: string
  /** The first frames of ARP and DNS questions that were asked meanwhile, and their answers. */
  readonly questions: readonly { readonly frame: SeenFrame; readonly answer: SeenFrame | null }[]
  /** Null: it was never on any interface. */
  readonly request: Journey | null
  readonly reply: Journey | null
  /** First frames of copies that were sent later, since no answer came. */
  readonly again: readonly SeenFrame[]
  /** Decisions about it where no interface saw it. */
  readonly unseen: readonly Reason[]
  readonly reached: boolean
  /** In one line. */
  readonly verdict: string
}

/** What the probe left on its way: the end of its connection. */
const AFTERMATH = 200 * MILLISECOND

/** A person waits for the pods before sending anything. */
const STARTING = 30 * SECOND

/** Waits until every pod is ready, or has ended; for those that never will, not for ever. */
export async function settle(lab: Lab): Promise<void> {
  const { cluster } = lab
  const stands = (pod: Pod) => isReady(pod) || pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed'
  await cluster?.until(() => cluster.store.list<Pod>('Pod').every(stands), STARTING)
}

export async function trace(lab: Lab, sender: Sender, target: Target): Promise<Trace> {
  const { recorder } = lab
  if (recorder === null) throw new Error('podwire bug: nothing was captured')
  const explainer = recorder.capture.explainer ?? recorder.explain()
  const told: Told[] = []
  explainer.onTold = (each) => void told.push(each)
  const began = recorder.capture.frames
  let sent = began
  let toldBefore = 0
  let result: ProbeResult | null = null
  const sends = () => {
    sent = recorder.capture.frames
    toldBefore = told.length
  }
  const program = prober(target.probe, sends, (found) => {
    result = found
  })
  try {
    await lab.runner.until(sender.place.launch(program, ['podwire-trace'], { out: () => {}, err: () => {} }).exit)
    await lab.runner.runFor(AFTERMATH)
  } finally {
    explainer.onTold = null
    recorder.stopExplaining()
  }
  if (result === null) throw new RangeError(`podwire: ${sender.name} went away while the probe was sent`)
  const found: ProbeResult = result
  const recording = recordingOf(lab, lab.topology.name ?? 'the topology')
  const { netns } = sender.place
  const own = told.slice(toldBefore).find(({ where }) => where === netns.name)?.packetId ?? null
  const copies =
    found.address === null ? [] : probes(recording, { row: sent, place: netns.name }, target.probe, found, own)
  const request = copies.length === 0 ? null : journeyOf(recording, copies[0])
  const answer = copies.map((copy) => journeyOf(recording, copy).partners.answer).find((frame) => frame !== null)
  const reply = answer === undefined || answer === null ? null : journeyOf(recording, answer)
  const zero = recording.frames[0]?.time ?? 0
  const seen = new Set(recording.frames.map(({ packetId }) => packetId))
  const unseen = told
    .filter(({ packetId, where }) => !seen.has(packetId) && where === netns.name)
    .map((each) => reasonOf(each, zero))
  const parts = { request, reply, unseen, from: netns.name }
  return {
    recording,
    from: sender.name,
    to: target.name,
    questions: questionsOf(recording, began),
    request,
    reply,
    again: copies.slice(1),
    unseen,
    ...judge(recording, found, parts),
  }
}

/**
 * The probe and what was sent again: the first frame of each packet. `own`: the first packet that its namespace decided about;
 * a node gives its own packets other addresses and ports before anybody sees them.
 */
function probes(
  recording: Recording,
  from: { readonly row: number; readonly place: string },
  probe: Probe,
  { identity }: ProbeResult,
  own: number | null,
): SeenFrame[] {
  const frames = firstFrames(recording, from.row)
  const like = (frame: SeenFrame, port: number | null) => {
    const headers = headersOf(frame.bytes)
    const ip = headers === null ? null : innermost(headers).ip
    return ip !== null && isProbe(ip, probe, port)
  }
  const alike = frames.filter((frame) => like(frame, identity))
  if (alike.length > 0) return alike
  const decided = frames.filter(({ packetId }) => packetId !== null && packetId === own)
  if (decided.length > 0) return decided
  // Nobody decided anything: the first of its kind that leaves its namespace.
  const place = (frame: SeenFrame) => recording.interfaces[frame.interface].place
  const leaves = frames.find((frame) => place(frame) === from.place && frame.direction === 'out' && like(frame, null))
  return leaves === undefined ? [] : [leaves]
}

/** `identity` null: whatever the port or the identifier. */
function isProbe(ip: IpHeader, { protocol }: Probe, identity: number | null): boolean {
  const same = (found: number | null) => identity === null || found === identity
  if (protocol === 'icmp') return ip.icmp?.type === icmp.ECHO_REQUEST && same(ip.icmp.identifier)
  if (!same(ip.sourcePort)) return false
  if (protocol === 'udp') return ip.protocol === ipv4.IPPROTO_UDP
  return ip.tcp !== null && (ip.tcp.flags & (tcp.SYN | tcp.ACK)) === tcp.SYN
}

/** The first frame of each packet that nobody saw before row `from`. */
function firstFrames(recording: Recording, from: number): SeenFrame[] {
  const known = new Set<number | null>()
  for (let row = 0; row < from; row++) known.add(recording.frames[row].packetId)
  return recording.frames.slice(from).filter(({ packetId }) => {
    if (packetId === null || known.has(packetId)) return false
    known.add(packetId)
    return true
  })
}

function questionsOf(recording: Recording, from: number): Trace['questions'] {
  const asked = firstFrames(recording, from).filter((frame) => {
    const headers = headersOf(frame.bytes)
    return headers !== null && isQuestion(innermost(headers))
  })
  return asked.map((frame) => ({ frame, answer: journeyOf(recording, frame).partners.answer }))
}

function isQuestion({ arp, ip }: Headers): boolean {
  if (arp !== null) return arp.request
  return ip !== null && ip.dnsId !== null && ip.destinationPort === 53
}

interface Parts {
  readonly request: Journey | null
  readonly reply: Journey | null
  readonly unseen: readonly Reason[]
  readonly from: string
}

type Verdict = Pick<Trace, 'reached' | 'verdict'>

function judge(recording: Recording, { answer, sent, ended }: ProbeResult, parts: Parts): Verdict {
  const { request, reply } = parts
  const failed = (verdict: string): Verdict => ({ reached: false, verdict })
  if (answer.kind === 'unresolved') return failed(`not sent: the name does not resolve (${answer.message})`)
  const at = request === null ? null : arrival(recording, request)
  if (answer.kind === 'answer') {
    return { reached: true, verdict: `reached ${at ?? 'its destination'} in ${duration(ended - sent)}` }
  }
  if (request === null) {
    const why = parts.unseen.findLast(({ kind }) => kind === 'drop')
    if (why !== undefined) return failed(dropText(why, parts.from))
    return failed(`not sent: ${messageOf(answer)}`)
  }
  if (answer.kind === 'error') {
    const by = reply === null ? parts.from : placeOf(recording, reply.stops[0].frame)
    const verb = answer.errno === 'ECONNREFUSED' ? `refused by ${by}` : `${answer.message}, says ${by}`
    const drop = lostAt(request)
    return failed(drop === null ? verb : `${verb}: ${words(drop)}`)
  }
  const drop = lostAt(request)
  if (drop !== null) return failed(dropText(drop, placeOf(recording, lastFrame(request))))
  if (reply !== null) {
    const lost = lostAt(reply)
    if (lost !== null) return failed(`its answer was ${dropText(lost, placeOf(recording, lastFrame(reply)))}`)
  }
  const taken = request.ends.some(({ kind }) => kind === 'socket')
  if (taken && innermostProtocol(request) === ipv4.IPPROTO_UDP) {
    return { reached: true, verdict: `reached ${at}, which did not answer` }
  }
  return failed(taken ? `no answer from ${at}` : `no answer; last seen at ${at}`)
}

/** The drop that ended it; null when a socket took it. A flooded copy that nobody wanted is no loss. */
function lostAt({ ends }: Journey): Reason | null {
  if (ends.some(({ kind }) => kind === 'socket')) return null
  return ends.findLast(({ kind }) => kind === 'drop') ?? null
}

/** `dropped on w2.example.com: no route leads to its destination (SKB_DROP_REASON_IP_INNOROUTES)`. */
function dropText(drop: Reason, fallback: string): string {
  return `dropped on ${drop.where ?? fallback}: ${words(drop)}`
}

function words(drop: Reason): string {
  return drop.sentence.replace(/^dropped: /, '')
}

function messageOf(answer: Answer): string {
  return 'message' in answer ? answer.message : 'it never came to an interface'
}

function lastFrame(journey: Journey): SeenFrame {
  return journey.stops[journey.stops.length - 1].frame
}

function placeOf(recording: Recording, frame: SeenFrame): string {
  return recording.interfaces[frame.interface].place
}

/** Where it was last, and under which address: `default/web 10.244.1.2:80`. */
function arrival(recording: Recording, journey: Journey): string {
  const frame = lastFrame(journey)
  const headers = headersOf(frame.bytes)
  const ip = headers === null ? null : innermost(headers).ip
  const address = ip === null ? '' : ` ${endpoint(ip.destination, ip.destinationPort)}`
  return `${placeOf(recording, frame)}${address}`
}

function innermostProtocol(journey: Journey): number | null {
  const { headers } = journey.stops[0]
  return headers === null ? null : (innermost(headers).ip?.protocol ?? null)
}
