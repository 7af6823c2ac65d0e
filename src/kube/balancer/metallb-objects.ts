/** MetalLB's own pods: its controller, and a speaker on every node, which announces as long as it runs. */
import type { Image } from '../../host/images/image.ts'
import type { Process, Program } from '../../host/process.ts'
import type { KubeObject } from '../objects.ts'
import type { MetalLb, Speaker } from './metallb.ts'

const TAG = 'v0.14.9'
const NAMESPACE = 'metallb-system'

/** `speakerOf`: which node a process is on; null when it is none of the cluster's. */
export function metalLbImages(
  speakerOf: (self: Process) => Speaker | null,
  metallb: MetalLb,
): ReadonlyMap<string, Image> {
  const controller: Program = (self) => self.forever()
  const speaker: Program = async (self) => {
    const own = speakerOf(self)
    if (own === null) return self.forever()
    metallb.join(own)
    try {
      return await self.forever()
    } finally {
      metallb.leave(own.node)
    }
  }
  const image = (name: string, program: Program): Image => ({
    name: `quay.io/metallb/${name}`,
    programs: new Map([[name, program]]),
    entrypoint: [`/${name}`],
    fixed: 1,
  })
  return new Map([image('controller', controller), image('speaker', speaker)].map((each) => [each.name, each]))
}

/** As its manifest has them. The address pool is in the topology file: its own kinds are not modelled. */
export function metalLbObjects(): KubeObject[] {
  const container = (name: string) => ({
    name,
    image: `quay.io/metallb/${name}:${TAG}`,
    imagePullPolicy: 'IfNotPresent',
    args: ['--port=7472', '--log-level=info'],
  })
  const labels = (component: string) => ({ app: 'metallb', component })
  const workload = (kind: string, name: string, component: string, spec: object): KubeObject => ({
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: NAMESPACE, labels: labels(component) },
    spec: {
      selector: { matchLabels: labels(component) },
      template: { metadata: { labels: labels(component) }, spec },
    },
  })
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    workload('Deployment', 'controller', 'controller', {
      containers: [container('controller')],
      terminationGracePeriodSeconds: 0,
    }),
    workload('DaemonSet', 'speaker', 'speaker', {
      containers: [container('speaker')],
      hostNetwork: true,
      terminationGracePeriodSeconds: 2,
      tolerations: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' }],
    }),
  ]
}
