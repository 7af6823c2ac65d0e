/** A segment is dealt with while somebody traces. */
import type { Frame } from '../../link/frame.ts'
import type { Connection } from './connection.ts'
import { receive } from './input.ts'
import type { Segment } from './segment.ts'
import { TcpTaken } from './tcp-decisions.ts'
import { TAKEN, type Verdict } from './verdict.ts'

export function takeAloud(connection: Connection, segment: Segment, frame: Frame): Verdict {
  const { world, name } = connection.netns
  const taken = new TcpTaken(connection, segment)
  const verdict = receive(connection, segment)
  world.frames.tell(frame, name, taken.settle(connection, verdict === TAKEN))
  return verdict
}
