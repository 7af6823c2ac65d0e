/** What a running emulator answers, to its own terminal and to other processes alike. */
import type { Emulator } from './emulator.ts'
import type { Message } from './lines.ts'

/** Speeds that a world may be given. */
const FASTEST = 1000

/** `{"ok":true,…}`, or `{"error":"a sentence"}`. */
export async function answer(emulator: Emulator, request: Message): Promise<Message> {
  const { pace } = emulator
  switch (request.do) {
    case 'status':
      break
    case 'interfaces':
      return { ok: true, interfaces: emulator.interfaces() }
    case 'pause':
      await pace.pause()
      break
    case 'resume':
      pace.resume()
      break
    case 'speed': {
      const { speed } = request
      if (typeof speed !== 'number' || !(speed > 0 && speed <= FASTEST))
        return { error: `podwire: a speed is a number above 0, at most ${FASTEST}` }
      pace.speed = speed
      break
    }
    case 'step': {
      const goal = String(request.goal ?? 'event')
      const stepped = await emulator.step(goal)
      if (stepped !== null) return { ok: true, ...stepped }
      return {
        error: `podwire: a step is an event, a frame, or a duration such as 10ms, not ${JSON.stringify(goal)}`,
      }
    }
    case 'stop':
      emulator.stop()
      return { ok: true }
    default:
      return { error: `podwire: nobody knows how to do ${JSON.stringify(request.do)}` }
  }
  return { ok: true, ...emulator.status() }
}
