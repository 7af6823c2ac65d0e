/** Before and after all cases: what the machine must be able to do, and that nothing stays behind. */
import { execFileSync } from 'node:child_process'
import type { TestProject } from 'vitest/node'
import { deleteNamespacesNow, namespacesNamed } from './kernel.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the names of all network namespaces of this run. */
    prefix: string
  }
}

const FAMILY = 'podwire-test-'

export default function setup(project: TestProject): () => void {
  if (process.getuid?.() !== 0) throw new Error('the kernel cases need root')
  forgetTheDead()
  const prefix = `${FAMILY}${process.pid}-`
  project.provide('prefix', prefix)
  const clean = () => deleteNamespacesNow(prefix)
  process.once('exit', clean)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, clean)
  // Bridges filter only when this module is there; without it the kernel is no Kubernetes node.
  try {
    execFileSync('modprobe', ['-a', 'br_netfilter', 'vxlan'], { stdio: 'ignore' })
  } catch {
    // They may be built in.
  }
  return clean
}

/** Namespaces of runs that were killed. */
function forgetTheDead(): void {
  for (const name of namespacesNamed(FAMILY)) {
    const pid = Number(name.slice(FAMILY.length).split('-')[0])
    try {
      process.kill(pid, 0)
    } catch {
      deleteNamespacesNow(`${FAMILY}${pid}-`)
    }
  }
}
