/** systemctl on a node, for the one unit that labs stop: the kubelet. */
import type { Program } from '../host/process.ts'

export interface KubeletUnit {
  readonly alive: boolean
  start(): void
  stop(): void
}

/** `systemctl start|stop|restart|is-active kubelet`. */
export function systemctl(kubelet: KubeletUnit): Program {
  const verbs: Readonly<Record<string, () => void>> = {
    start: () => kubelet.start(),
    stop: () => kubelet.stop(),
    restart: () => {
      kubelet.stop()
      kubelet.start()
    },
  }
  return async (self) => {
    const [verb, unit] = self.args.slice(1).filter((word) => !word.startsWith('-'))
    if (unit !== 'kubelet' && unit !== 'kubelet.service') {
      self.err(`podwire: systemctl is modelled for the unit kubelet only\n`)
      return 1
    }
    if (verb === 'is-active') {
      self.out(kubelet.alive ? 'active\n' : 'inactive\n')
      return kubelet.alive ? 0 : 3
    }
    const act = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (act === undefined) {
      self.err(`podwire: systemctl ${verb} is not modelled\n`)
      return 1
    }
    act()
    return 0
  }
}
