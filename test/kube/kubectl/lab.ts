/** The objects that the screens of the real kubectl show. */
import type { Workstation } from './workstation.ts'

const SLEEP = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
spec:
  selector:
    matchLabels:
      app: NAME
  template:
    metadata:
      labels:
        app: NAME
    spec:
      containers:
        - name: sleep
          image: kiamol/ch03-sleep
`

export function sleepManifest(name: string): string {
  return SLEEP.replaceAll('NAME', name)
}

export const TEST_POD = `apiVersion: v1
kind: Pod
metadata:
  name: test
  labels:
    app: test
spec:
  containers:
    - name: first
      image: nginx
      ports:
        - containerPort: 80
    - name: second
      image: busybox
      command: [sleep, "3600"]
`

export const SLEEP_SERVICE = `apiVersion: v1
kind: Service
metadata:
  name: sleep-2
spec:
  selector:
    app: sleep-2
  ports:
    - port: 80`

/** A pod of a Deployment, made as its ReplicaSet would. */
export function deployedPod(station: Workstation, name: string, app: string, hash: string): void {
  station.make('v1', 'Pod', name, {
    metadata: { labels: { app, 'pod-template-hash': hash } },
    spec: { nodeName: 'node1', containers: [{ name: 'sleep', image: 'kiamol/ch03-sleep' }] },
  })
}

export async function sleepPods(station: Workstation): Promise<void> {
  deployedPod(station, 'sleep-1-d54959f56-2x8wq', 'sleep-1', 'd54959f56')
  deployedPod(station, 'sleep-2-5779cc9f87-kk4xp', 'sleep-2', '5779cc9f87')
  await station.pass(2)
}

/** A Service as it is after the API server has given it an address. */
export function service(station: Workstation, name: string, spec: Record<string, unknown>): void {
  station.make('v1', 'Service', name, { spec })
}

export function node(station: Workstation, name: string, address: string, roles: Record<string, string> = {}): void {
  station.store.create({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'kubernetes.io/arch': 'amd64', 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', ...roles },
    },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
  })
  const at = station.store.clock.text()
  station.status(
    'Node',
    name,
    {
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          lastHeartbeatTime: at,
          lastTransitionTime: at,
          reason: 'KubeletReady',
          message: 'kubelet is posting ready status',
        },
      ],
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      capacity: { cpu: '2', memory: '4Gi', pods: '110' },
      allocatable: { cpu: '2', memory: '4Gi', pods: '110' },
      nodeInfo: {
        machineID: 'x',
        systemUUID: 'x',
        bootID: 'x',
        kernelVersion: '6.1.0',
        osImage: 'Debian GNU/Linux 12 (bookworm)',
        operatingSystem: 'linux',
        architecture: 'amd64',
        containerRuntimeVersion: 'containerd://1.7.24',
        kubeletVersion: 'v1.32.0',
        kubeProxyVersion: 'v1.32.0',
      },
    },
    null,
  )
}
