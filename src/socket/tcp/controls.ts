/** The congestion control algorithms that there are (net.ipv4.tcp_available_congestion_control). */
import { Bbr } from './bbr.ts'
import { type CongestionControl, reno } from './congestion.ts'
import { untriedCubic } from './cubic.ts'

const makers: Readonly<Record<string, () => CongestionControl>> = {
  reno: () => reno,
  bbr: () => new Bbr(),
  cubic: () => untriedCubic,
}

/** Others are modules that are not there. */
export function isControl(name: string): boolean {
  return Object.hasOwn(makers, name)
}

/** For one connection. */
export function controlNamed(name: string): CongestionControl {
  return isControl(name) ? makers[name]() : reno
}
