/** A recording of a lab that was traced while it ran. */
import type { Told } from '../capture/explainer.ts'
import type { Service } from '../kube/objects-service.ts'
import type { Nanos } from '../sim/scheduler.ts'
import type { Lab } from '../topology/lab.ts'
import { type Ipv4, tryParseIpv4 } from '../wire/address.ts'
import { type Reason, type Recording, recordedInterface, type SeenFrame, uniqueNames } from './recording.ts'

const nothing = { because: [], became: [] }

/** What the lab's recorder has seen up to now: the bytes are lent until it sees more. */
export function recordingOf(lab: Lab, source: string): Recording {
  const { recorder } = lab
  if (recorder === null) throw new Error('podwire bug: nothing was captured')
  const { capture } = recorder
  const captured = capture.interfaces()
  const numbers = new Map(captured.map((each, number) => [each, number]))
  const own = new Int32Array(captured.length)
  const frames: SeenFrame[] = []
  let zero: Nanos | null = null
  capture.each((seen, time, inbound, bytes, at, end) => {
    const row = frames.length
    zero ??= time
    const since = zero
    const number = numbers.get(seen) ?? 0
    const sighting = capture.sighting(row)
    const reasons = () =>
      sighting === null
        ? nothing
        : {
            because: sighting.because.map((told) => reasonOf(told, since)),
            became: sighting.became.map((told) => reasonOf(told, since)),
          }
    frames.push({
      number: row + 1,
      ownNumber: ++own[number],
      interface: number,
      time: time - since,
      direction: inbound ? 'in' : 'out',
      packetId: sighting?.packetId ?? null,
      bytes: bytes.subarray(at, end),
      reasons,
    })
  })
  return {
    source,
    interfaces: uniqueNames(captured.map(({ name }) => name)).map(recordedInterface),
    frames,
    names: new Map([...serviceNames(lab), ...capture.names]),
    explained: capture.explainer !== null,
  }
}

/** Services by their addresses. */
function serviceNames(lab: Lab): Map<Ipv4, string> {
  const names = new Map<Ipv4, string>()
  for (const { metadata, spec } of lab.cluster?.store.list<Service>('Service') ?? []) {
    const address = tryParseIpv4(spec.clusterIP ?? '')
    if (address !== null) names.set(address, `svc ${metadata.namespace}/${metadata.name}`)
  }
  return names
}

/** `since`: when the recording's first frame was seen. */
export function reasonOf(told: Told, since: Nanos): Reason {
  const { time, where, decision } = told
  return {
    told,
    time: time - since,
    where,
    kind: decision.kind,
    sentence: decision.sentence(),
    entry: decision.entry(),
    command: decision.command(),
  }
}
