/** What a program writes becomes buffers, and buffers become segments (tcp_sendmsg of net/ipv4/tcp.c). */
import { currentMss, sizeGoal } from './burst.ts'
import type { Connection } from './connection.ts'
import { Msg } from './message.ts'
import { push } from './output.ts'
import { PUSHED } from './write-queue.ts'

/**
 * Takes as much as there is memory for, a buffer at a time: the last may go beyond SO_SNDBUF, since a buffer is begun as
 * long as there is any room. Returns how many bytes were taken. `flags`: those of send().
 */
export function sendmsg(connection: Connection, bytes: Uint8Array, at: number, length: number, flags: number): number {
  const { send } = connection
  const { queue } = send
  connection.writing()
  const urgent = (flags & Msg.OOB) !== 0
  const goal = urgent ? currentMss(connection) : sizeGoal(connection)
  let taken = 0
  while (taken < length) {
    let room = send.tailRoom(goal)
    if (room === 0) {
      if (!send.memoryFree) break
      queue.add(send.end)
      room = goal
    }
    const part = Math.min(room, length - taken)
    // The end of an earlier call is none any more; what this call marked moves on with the buffer's end.
    if (taken === 0) queue.unmark(PUSHED)
    send.append(bytes, at + taken, part)
    taken += part
    if (part < room || urgent || taken === length) continue
    // A full buffer: it leaves when it is the only one, or when much was written that nobody was told to read.
    if (send.forced) {
      send.markPush()
      push(connection, true)
    } else if (queue.size === 1) push(connection, true, true)
  }
  if (taken < length) {
    connection.wantsRoom = true
    if (taken > 0) pushTail(connection, flags & ~Msg.MORE, true)
  } else if ((flags & Msg.EOR) !== 0) send.endRecord()
  if (taken > 0) pushTail(connection, flags, false)
  return taken
}

/** The call is over, or sleeps (tcp_push). */
function pushTail(connection: Connection, flags: number, atOnce: boolean): void {
  const { send } = connection
  if (send.queue.size === 0) return
  const more = (flags & Msg.MORE) !== 0
  if (!more || send.forced) send.markPush()
  if ((flags & Msg.OOB) !== 0) send.urge()
  connection.more = more
  push(connection, atOnce)
  connection.more = false
}
