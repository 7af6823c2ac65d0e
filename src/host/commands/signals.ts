/** Signals by name, and who does not hear them. */
import { type Process, SIGKILL, SIGTERM } from '../process.ts'

const signals: Readonly<Record<string, number>> = { HUP: 1, INT: 2, QUIT: 3, KILL: SIGKILL, USR1: 10, TERM: SIGTERM }

/** `9`, `KILL`, `SIGKILL`; null for no signal. */
export function signalNamed(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : (signals[text.replace(/^SIG/, '')] ?? null)
}

/** PID 1 of a container never hears SIGKILL from inside, nor a signal that it has no handler for, as shells have. */
export function isDeaf(self: Process, process: Process, signal: number): boolean {
  if (process.pid !== 1 || self.place === self.place.machine.place) return false
  return signal === SIGKILL || isDeafFirst(process)
}

/** As PID 1, which the kernel shields from default actions, it does not die of SIGTERM: nobody handles it there. */
export function isDeafFirst(process: Process): boolean {
  return process.pid === 1 && /(^|\/)(sh|ash|bash|zsh|sleep|cat|tail)$/.test(process.args[0] ?? '')
}
