/** W5: one TCP connection from A to the Service through W4's path, as much as it takes; every payload byte is checked. */
import { MICROSECOND, Timer } from '../src/sim/scheduler.ts'
import { Sockets } from '../src/socket/sockets.ts'
import type { TcpSocket } from '../src/socket/tcp/socket.ts'
import { ANY, parseIpv4 } from '../src/wire/address.ts'
import { BACKEND_PORT, overlay, SERVICE_PORT, VIP } from './networks.ts'
import type { Result } from './run.ts'

const CHUNK = 65_536
const STEP = 1_000_000
/** From one write to the next: 52 Gbit/s at most. */
const WRITING = 10 * MICROSECOND

export function bulk(seconds: number, flowCache = false): Result {
  const network = overlay(flowCache)
  const { world } = network
  const server = Sockets.of(network.b).tcp()
  server.bind(ANY, BACKEND_PORT)
  const listener = server.listen(16)
  if (typeof listener === 'string') throw new Error(`W5: listen: ${listener}`)
  const inbox = new Uint8Array(CHUNK)
  let received = 0
  let wrong = 0
  listener.onAccept = (socket: TcpSocket) => {
    socket.onReadable = () => {
      for (let length = socket.read(inbox); length > 0; length = socket.read(inbox)) {
        if (inbox[0] !== (received & 255) || inbox[length - 1] !== ((received + length - 1) & 255)) wrong++
        received += length
      }
    }
  }
  const client = Sockets.of(network.a).tcp()
  // The pattern repeats every 256 bytes, so a chunk may begin anywhere in it.
  const outbox = Uint8Array.from({ length: CHUNK + 256 }, (_, i) => i)
  let sent = 0
  // As a real client does: one write, then the time that a program needs for the next. Without it everything that the
  // windows allow would leave in one instant, and the bench would measure the processor's cache.
  const next = new Timer({
    run: () => {
      sent += client.write(outbox, sent & 255, CHUNK)
      world.scheduler.after(next, WRITING)
    },
  })
  client.onConnect = () => world.scheduler.after(next, 0)
  client.connect(parseIpv4(VIP), SERVICE_PORT)
  const warmUntil = performance.now() + 3000
  while (performance.now() < warmUntil) world.scheduler.run(world.scheduler.now + STEP)
  const bytes = received
  const packets = network.bDevice.rxPackets + network.aDevice.rxPackets
  const cpu = process.cpuUsage()
  const began = performance.now()
  while (performance.now() - began < seconds * 1000) world.scheduler.run(world.scheduler.now + STEP)
  const elapsed = (performance.now() - began) / 1000
  const used = process.cpuUsage(cpu)
  if (wrong > 0 || received === bytes) throw new Error(`W5: ${wrong} wrong reads, ${received - bytes} bytes`)
  const frames = network.bDevice.rxPackets + network.aDevice.rxPackets - packets
  return {
    peer: 'podwire',
    workload: 'W5',
    variant: flowCache ? 'cache' : 'hop',
    frame: 1450,
    frames,
    seconds: elapsed,
    fps: Math.round(frames / elapsed),
    cpu_s: (used.user + used.system) / 1e6,
    gbps: ((received - bytes) * 8) / elapsed / 1e9,
  }
}
