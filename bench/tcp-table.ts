/**
 * `npm run bench -- tcp`: what one connection gets of a lossy and long path (virtual time, so the same on every
 * machine), what an idle connection weighs, and how many can be made in a second of CPU.
 */
import { flow, listen, type Pair, PORT, pair, SERVER } from '../src/bench/tcp-flow.ts'
import { MILLISECOND, SECOND } from '../src/sim/scheduler.ts'
import { Sockets } from '../src/socket/sockets.ts'
import type { TcpSocket } from '../src/socket/tcp/socket.ts'

/** Bits per virtual second that arrive in so many seconds, after the first one. */
function goodput(control: string, loss: number, delay: number, seconds: number): number {
  const cable = { delay: delay * MILLISECOND, loss, rate: 1e9, limit: 10_000 }
  return flow({ control, cable, seconds, seed: 1 }).goodput
}

function sweep(control: string): void {
  const delays = [0.05, 1, 5, 20, 50]
  process.stdout.write(`${control}: goodput in Mbit/s of one flow over 1 Gbit/s, 10 s of virtual time\n`)
  process.stdout.write(`${'loss'.padEnd(8)}${delays.map((delay) => `${2 * delay} ms RTT`.padStart(12)).join('')}\n`)
  for (const loss of [0, 0.0001, 0.001, 0.01, 0.05]) {
    const row = delays.map((delay) => (goodput(control, loss, delay, 10) / 1e6).toFixed(1).padStart(12))
    process.stdout.write(`${`${loss * 100}%`.padEnd(8)}${row.join('')}\n`)
  }
}

function heap(): number {
  // npm run bench starts Node with --expose-gc.
  ;(globalThis as { gc?: () => void }).gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Both ends of `count` connections that have said nothing yet, a port for each at most 20,000 at a time. */
function connect(count: number, { world, a, b }: Pair): readonly TcpSocket[] {
  const all: TcpSocket[] = []
  a.sysctl.set('net.ipv4.ip_local_port_range', '1024 65535')
  listen(b, (socket) => void all.push(socket))
  for (let i = 0; i < count; i++) {
    const socket = Sockets.of(a).tcp()
    const refused = socket.connect(SERVER, PORT)
    if (refused !== null) throw new Error(`connection ${i}: ${refused}`)
    all.push(socket)
    if (i % 100 === 99) world.scheduler.run(world.scheduler.now + MILLISECOND)
  }
  world.scheduler.run(world.scheduler.now + SECOND)
  if (all.length !== 2 * count) throw new Error(`${all.length - count} of ${count} were accepted`)
  return all
}

function idle(count: number): void {
  const network = pair({ delay: MILLISECOND / 10 })
  connectOne(network)
  const before = heap()
  const sockets = connect(count, network)
  const each = (heap() - before) / sockets.length
  process.stdout.write(`idle: ${count} connections, ${sockets.length} ends, ${(each / 1024).toFixed(2)} KiB an end\n`)
}

/** What is made once is made before the first is weighed. */
function connectOne({ world, a }: Pair): void {
  Sockets.of(a)
    .tcp()
    .connect(SERVER, PORT + 1)
  world.scheduler.run(world.scheduler.now + SECOND)
}

function setups(count: number): void {
  connect(count, pair({ delay: MILLISECOND / 10 }))
  const network = pair({ delay: MILLISECOND / 10 })
  const cpu = process.cpuUsage()
  connect(count, network)
  const { user, system } = process.cpuUsage(cpu)
  process.stdout.write(`set-up: ${Math.round((count * 1e6) / (user + system))} connections per CPU-second\n`)
}

export function tcpTable(): void {
  for (const control of ['cubic', 'bbr']) sweep(control)
  idle(10_000)
  setups(20_000)
}
