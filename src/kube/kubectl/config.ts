/** The workstation's kubeconfig: one cluster, one user, and contexts that differ in their namespace. */

export interface Context {
  readonly cluster: string
  readonly user: string
  readonly namespace: string
}

export class KubeConfig {
  readonly contexts = new Map<string, Context>()
  readonly cluster: string
  readonly server: string
  readonly user: string
  current: string

  constructor(cluster: string, server: string) {
    this.cluster = cluster
    this.server = server
    this.user = `${cluster}-admin`
    this.current = `${this.user}@${cluster}`
    this.contexts.set(this.current, { cluster, user: this.user, namespace: '' })
  }

  namespaceOf(context: string): string {
    return this.contexts.get(context)?.namespace || 'default'
  }
}
