/** Resource quantities (`100m`, `70Mi`), added up for `kubectl describe node`. */
import { listAt, textAt } from '../field.ts'

/** CPUs in thousandths, memory in bytes. */
export interface Requests {
  readonly cpu: number
  readonly cpuLimit: number
  readonly memory: number
  readonly memoryLimit: number
}

const SUFFIXES: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

export function parseQuantity(text: string | undefined): number {
  const match = /^([\d.]+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/.exec(String(text ?? ''))
  return match === null ? 0 : Number(match[1]) * SUFFIXES[match[2] ?? '']!
}

export function milliCpu(text: string | undefined): number {
  return Math.round(parseQuantity(text) * 1000)
}

export function requestsOf(pod: unknown): Requests {
  const containers = listAt(pod, 'spec.containers')
  const sum = (path: string, parse: (text: string) => number): number =>
    containers.reduce<number>((total, container) => total + parse(textAt(container, `resources.${path}`)), 0)
  return {
    cpu: sum('requests.cpu', milliCpu),
    cpuLimit: sum('limits.cpu', milliCpu),
    memory: sum('requests.memory', parseQuantity),
    memoryLimit: sum('limits.memory', parseQuantity),
  }
}

/** `100m (5%)`, `70Mi (1%)`, `0 (0%)`. */
export function share(amount: number, total: number | string | undefined, unit: 'cpu' | 'memory'): string {
  const whole = typeof total === 'number' ? total : parseQuantity(total)
  const percent = whole === 0 ? 0 : Math.trunc((amount / whole) * 100)
  return `${unit === 'cpu' ? cpuText(amount) : memoryText(amount)} (${percent}%)`
}

function cpuText(milli: number): string {
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`
}

function memoryText(bytes: number): string {
  for (const [suffix, size] of [
    ['Gi', 2 ** 30],
    ['Mi', 2 ** 20],
    ['Ki', 2 ** 10],
  ] as const) {
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${suffix}`
  }
  return String(bytes)
}

/** The table of Allocated resources, a line each. */
export function allocated(all: readonly Requests[], total: Record<string, string>): string[] {
  const sum = (field: keyof Requests): number => all.reduce((whole, requests) => whole + requests[field], 0)
  const cpu = milliCpu(total.cpu)
  return [
    `cpu\t${share(sum('cpu'), cpu, 'cpu')}\t${share(sum('cpuLimit'), cpu, 'cpu')}`,
    `memory\t${share(sum('memory'), total.memory, 'memory')}\t${share(sum('memoryLimit'), total.memory, 'memory')}`,
    'ephemeral-storage\t0 (0%)\t0 (0%)',
  ]
}
