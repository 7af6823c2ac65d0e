/** A measurement in a process of its own: V8 compiles for what it has seen, and must not have seen another point. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Measurement, measure } from './measure.ts'
import type { Order } from './order.ts'
import { choose } from './points.ts'

/** What the build makes of child.ts; the sources have no such file. */
const CHILD = fileURLToPath(new URL('./child.cjs', import.meta.url))

/** `core`: the only one it may use. @throws Error with what the process said when it failed. */
export async function measureApart(order: Order, v8Flags: readonly string[], core?: number): Promise<Measurement> {
  if (!existsSync(CHILD)) return measure(choose([order.point])[0], order.variant, order.effort)
  const line = [process.execPath, ...v8Flags, CHILD, JSON.stringify(order)]
  const [command, ...args] = core === undefined ? line : ['taskset', '-c', String(core), ...line]
  const { code, out } = await outputOf(command, args)
  if (code !== 0) throw new Error(`${order.point} ${order.variant}: the measuring process ended with ${code}`)
  return JSON.parse(out) as Measurement
}

function outputOf(command: string, args: readonly string[]): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    // A bench that is stopped does not go on measuring.
    const stop = () => void child.kill()
    process.once('exit', stop)
    child.on('error', reject)
    child.on('close', (code) => {
      process.off('exit', stop)
      resolve({ code, out })
    })
  })
}
