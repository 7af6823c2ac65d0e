/** What a bridge says of its ports in the kernel's log (br_set_state, br_add_if, del_nbp). */
import type { NetDevice } from './device.ts'
import { type KernelLog, LogLevel } from './kernel-log.ts'

const states = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'] as const
type StateName = (typeof states)[number]

interface LoggedPort {
  readonly bridge: NetDevice
  readonly device: NetDevice
  readonly number: number
  readonly state: number
  readonly notes: { running: boolean }
}

interface Ported extends NetDevice {
  readonly ports: readonly LoggedPort[]
  portOf(device: NetDevice): LoggedPort | null
}

function say({ bridge, device, number }: LoggedPort, state: StateName): void {
  logOf(bridge, device)?.print(LogLevel.INFO, `${bridge.name}: port ${number}(${device.name}) entered ${state} state`)
}

function logOf(bridge: NetDevice, device: NetDevice): KernelLog | null {
  return bridge.kernelLog ?? device.kernelLog
}

/** `ip link set DEVICE master BRIDGE`: a bridge hears all that its ports do. */
export function logJoined(port: LoggedPort): void {
  const { bridge, device } = port
  say(port, 'blocking')
  say(port, 'disabled')
  const log = logOf(bridge, device)
  if (!device.settings.allMulticast) log?.print(LogLevel.INFO, `${device.name}: entered allmulticast mode`)
  if (!device.promiscuous) log?.print(LogLevel.INFO, `${device.name}: entered promiscuous mode`)
  logState(port)
}

/** `dying`: because the device is going away altogether. */
export function logLeft(port: LoggedPort, dying: boolean): void {
  const { bridge, device } = port
  const log = logOf(bridge, device)
  const name = dying ? `${device.name} (unregistering)` : device.name
  if (!device.settings.allMulticast) log?.print(LogLevel.INFO, `${name}: left allmulticast mode`)
  if (!device.promiscuous) log?.print(LogLevel.INFO, `${name}: left promiscuous mode`)
  say(port, 'disabled')
}

/** A port runs while bridge and port are up and the cable has another end; without spanning tree it forwards at once. */
export function logState(port: LoggedPort): void {
  const running = port.bridge.up && port.device.carrier && port.state !== 0
  if (running === port.notes.running) return
  port.notes.running = running
  if (!running) return say(port, 'disabled')
  say(port, 'blocking')
  say(port, 'forwarding')
}

/** A port or the bridge itself went up or down: said even of a port that did not run (br_stp_disable_port). */
export function logSwitched(bridge: Ported, device: NetDevice): void {
  if (device === bridge) return bridge.ports.forEach(logState)
  const port = bridge.portOf(device)
  if (port !== null && !device.up && bridge.up) {
    port.notes.running = false
    say(port, 'disabled')
  } else if (port !== null) logState(port)
}

/** `bridge link set dev PORT state N`: without spanning tree nothing keeps a port blocking. */
export function logChosen(port: LoggedPort, state: number): void {
  port.notes.running = state !== 0
  say(port, states[state])
  if (states[state] === 'blocking') say(port, 'forwarding')
}
