/** A journey for programs; the README tells what is in it. */
import { textsOf } from './frame-text.ts'
import type { Journey } from './journey.ts'
import type { Reason, Recording, SeenFrame } from './recording.ts'

export function journeyJson(recording: Recording, journey: Journey): unknown {
  const { asked, packetId, stops, ends, partners } = journey
  const texts = textsOf(
    recording,
    stops.map(({ frame }) => frame),
  )
  const place = (frame: SeenFrame) => ({
    frame: frame.number,
    interface: recording.interfaces[frame.interface].name,
    interfaceFrame: frame.ownNumber,
  })
  const other = (frame: SeenFrame | null) => (frame === null ? null : { packet: frame.packetId, ...place(frame) })
  return {
    source: recording.source,
    packet: packetId,
    asked: place(asked),
    answers: other(partners.question),
    answeredBy: other(partners.answer),
    sightings: stops.map((stop) => ({
      ...place(stop.frame),
      time: stop.frame.time / 1e9,
      direction: stop.frame.direction,
      text: texts.get(stop.frame.number) ?? '',
      headers: stop.headers,
      changes: stop.changes,
      before: stop.before.map(reasonJson),
      after: stop.after.map(reasonJson),
    })),
    ends: ends.map(reasonJson),
  }
}

export function reasonJson({ time, where, kind, sentence, entry, command }: Reason): unknown {
  return { time: time === null ? null : time / 1e9, where, kind, sentence, entry, command }
}
