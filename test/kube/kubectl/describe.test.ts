import { expect, test } from 'vitest'
import { node, service, sleepPods, TEST_POD } from './lab.ts'
import { Workstation } from './workstation.ts'

const NOW = 'Mon, 02 Mar 2026 10:00:01 +0000'

function event(station: Workstation, kind: string, name: string, reason: string, from: string, message: string): void {
  station.make('v1', 'Event', `${name}.${reason.toLowerCase()}`, {
    involvedObject: { kind, name, namespace: 'default' },
    type: 'Normal',
    reason,
    message,
    count: 1,
    firstTimestamp: station.store.clock.text(),
    lastTimestamp: station.store.clock.text(),
    source: { component: from },
  })
}

test('a pod with two containers', async () => {
  const station = new Workstation()
  await station.kubectl('create -f -', { stdin: TEST_POD })
  event(station, 'Pod', 'test', 'Scheduled', 'default-scheduler', 'Successfully assigned default/test to node1')
  await station.pass(2)
  expect((await station.kubectl('describe pod test')).out).toBe(
    `Name:             test
Namespace:        default
Priority:         0
Service Account:  default
Node:             node1/192.168.65.3
Start Time:       ${NOW}
Labels:           app=test
Annotations:      <none>
Status:           Running
IP:               10.244.1.2
IPs:
  IP:  10.244.1.2
Containers:
  first:
    Container ID:   containerd://2222
    Image:          nginx
    Image ID:       sha256:1111
    Port:           80/TCP
    Host Port:      0/TCP
    State:          Running
      Started:      ${NOW}
    Ready:          True
    Restart Count:  0
    Environment:    <none>
    Mounts:         <none>
  second:
    Container ID:  containerd://2222
    Image:         busybox
    Image ID:      sha256:1111
    Port:          <none>
    Host Port:     <none>
    Command:
      sleep
      3600
    State:          Running
      Started:      ${NOW}
    Ready:          True
    Restart Count:  0
    Environment:    <none>
    Mounts:         <none>
Conditions:
  Type                        Status
  PodReadyToStartContainers   True 
  Initialized                 True 
  Ready                       True 
  ContainersReady             True 
  PodScheduled                True 
Volumes:                      <none>
QoS Class:                    BestEffort
Node-Selectors:               <none>
Tolerations:                  node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
                              node.kubernetes.io/unreachable:NoExecute op=Exists for 300s
Events:
  Type    Reason     Age   From               Message
  ----    ------     ----  ----               -------
  Normal  Scheduled  2s    default-scheduler  Successfully assigned default/test to node1
`,
  )
})

test('a pod that no node can take', async () => {
  const station = new Workstation()
  station.make('v1', 'Pod', 'stuck', {
    metadata: { labels: { hold: '' } },
    spec: { containers: [{ name: 'a', image: 'x' }], tolerations: [] },
  })
  const message = '0/1 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }.'
  station.status('Pod', 'stuck', {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
  })
  event(station, 'Pod', 'stuck', 'FailedScheduling', 'default-scheduler', message)
  const { out } = await station.kubectl('describe po/stuck')
  expect(out).toContain('Node:             <none>\n')
  expect(out).toContain('IP:               \nIPs:              <none>\n')
  expect(out).toContain(`FailedScheduling  0s    default-scheduler  ${message}\n`)
})

test('a service', async () => {
  const station = new Workstation()
  service(station, 'sleep-2', { clusterIP: '10.96.0.20', ports: [{ port: 80 }], selector: { app: 'sleep-2' } })
  station.make('discovery.k8s.io/v1', 'EndpointSlice', 'sleep-2-abcde', {
    metadata: { labels: { 'kubernetes.io/service-name': 'sleep-2' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 80, protocol: 'TCP' }],
    endpoints: [
      { addresses: ['10.244.1.3'], conditions: { ready: true } },
      { addresses: ['10.244.1.9'], conditions: { ready: false } },
    ],
  })
  expect((await station.kubectl('describe svc sleep-2')).out).toBe(
    `Name:                     sleep-2
Namespace:                default
Labels:                   <none>
Annotations:              <none>
Selector:                 app=sleep-2
Type:                     ClusterIP
IP Family Policy:         SingleStack
IP Families:              IPv4
IP:                       10.96.0.20
IPs:                      10.96.0.20
Port:                     <unset>  80/TCP
TargetPort:               80/TCP
Endpoints:                10.244.1.3:80
Session Affinity:         None
Internal Traffic Policy:  Cluster
Events:                   <none>
`,
  )
})

// The layout is kubectl's describeNetworkPolicy, line by line.
test('a network policy', async () => {
  const station = new Workstation()
  station.make('networking.k8s.io/v1', 'NetworkPolicy', 'db', {
    spec: {
      podSelector: { matchLabels: { role: 'db' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { ipBlock: { cidr: '172.17.0.0/16', except: ['172.17.1.0/24', '172.17.2.0/24'] } },
            { namespaceSelector: { matchLabels: { project: 'mine' } }, podSelector: { matchLabels: { role: 'web' } } },
          ],
          ports: [{ protocol: 'TCP', port: 6379 }],
        },
        {},
      ],
      egress: [],
    },
  })
  expect((await station.kubectl('describe netpol db')).out).toBe(
    `Name:         db
Namespace:    default
Created on:   2026-03-02 10:00:00 +0000 UTC
Labels:       <none>
Annotations:  <none>
Spec:
  PodSelector:     role=db
  Allowing ingress traffic:
    To Port: 6379/TCP
    From:
      IPBlock:
        CIDR: 172.17.0.0/16
        Except: 172.17.1.0/24, 172.17.2.0/24
    From:
      NamespaceSelector: project=mine
      PodSelector: role=web
    ----------
    To Port: <any> (traffic allowed to all ports)
    From: <any> (traffic not restricted by source)
  Allowing egress traffic:
    <none> (Selected pods are isolated for egress connectivity)
  Policy Types: Ingress, Egress
`,
  )
})

test('a deployment', async () => {
  const station = new Workstation()
  const labels = { app: 'numbers-web' }
  const template = {
    metadata: { labels },
    spec: {
      containers: [{ name: 'ch03-numbers-web', image: 'kiamol/ch03-numbers-web', ports: [{ containerPort: 80 }] }],
    },
  }
  const spec = { replicas: 2, selector: { matchLabels: labels }, template }
  const { metadata } = station.make('apps/v1', 'Deployment', 'numbers-web', { metadata: { labels }, spec })
  station.status('Deployment', 'numbers-web', {
    replicas: 2,
    updatedReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 2,
    conditions: [{ type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' }],
  })
  station.make('apps/v1', 'ReplicaSet', 'numbers-web-6dbf858848', {
    metadata: {
      labels,
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'Deployment', name: 'numbers-web', uid: metadata.uid, controller: true },
      ],
    },
    spec: {
      ...spec,
      template: { ...template, metadata: { labels: { ...labels, 'pod-template-hash': '6dbf858848' } } },
    },
  })
  station.status('ReplicaSet', 'numbers-web-6dbf858848', { replicas: 2 })
  const message = 'Scaled up replica set numbers-web-6dbf858848 from 0 to 2'
  event(station, 'Deployment', 'numbers-web', 'ScalingReplicaSet', 'deployment-controller', message)
  expect((await station.kubectl('describe deploy numbers-web')).out).toBe(
    `Name:                   numbers-web
Namespace:              default
CreationTimestamp:      Mon, 02 Mar 2026 10:00:00 +0000
Labels:                 app=numbers-web
Annotations:            <none>
Selector:               app=numbers-web
Replicas:               2 desired | 2 updated | 2 total | 2 available | 0 unavailable
StrategyType:           RollingUpdate
MinReadySeconds:        0
RollingUpdateStrategy:  25% max unavailable, 25% max surge
Pod Template:
  Labels:  app=numbers-web
  Containers:
   ch03-numbers-web:
    Image:         kiamol/ch03-numbers-web
    Port:          80/TCP
    Host Port:     0/TCP
    Environment:   <none>
    Mounts:        <none>
  Volumes:         <none>
  Node-Selectors:  <none>
  Tolerations:     <none>
Conditions:
  Type           Status  Reason
  ----           ------  ------
  Available      True    MinimumReplicasAvailable
OldReplicaSets:  <none>
NewReplicaSet:   numbers-web-6dbf858848 (2/2 replicas created)
Events:
  Type    Reason             Age   From                   Message
  ----    ------             ----  ----                   -------
  Normal  ScalingReplicaSet  0s    deployment-controller  ${message}
`,
  )
  expect((await station.kubectl('describe rs')).out).toContain('Controlled By:  Deployment/numbers-web\n')
})

test('a node', async () => {
  const station = new Workstation()
  node(station, 'node1', '192.168.65.4')
  await sleepPods(station)
  const { out } = await station.kubectl('describe node node1')
  const start = 'Mon, 02 Mar 2026 10:00:00 +0000'
  expect(out).toBe(
    `Name:               node1
Roles:              <none>
Labels:             kubernetes.io/arch=amd64
                    kubernetes.io/hostname=node1
                    kubernetes.io/os=linux
Annotations:        <none>
CreationTimestamp:  ${start}
Taints:             <none>
Unschedulable:      false
Lease:
  HolderIdentity:  node1
  AcquireTime:     <unset>
  RenewTime:       ${start}
Conditions:
  Type    Status  LastHeartbeatTime                 LastTransitionTime                Reason         Message
  ----    ------  -----------------                 ------------------                ------         -------
  Ready   True    ${start}   ${start}   KubeletReady   kubelet is posting ready status
Addresses:
  InternalIP:  192.168.65.4
  Hostname:    node1
Capacity:
  cpu:     2
  memory:  4Gi
  pods:    110
Allocatable:
  cpu:     2
  memory:  4Gi
  pods:    110
System Info:
  Machine ID:                 x
  System UUID:                x
  Boot ID:                    x
  Kernel Version:             6.1.0
  OS Image:                   Debian GNU/Linux 12 (bookworm)
  Operating System:           linux
  Architecture:               amd64
  Container Runtime Version:  containerd://1.7.24
  Kubelet Version:            v1.32.0
  Kube-Proxy Version:         v1.32.0
PodCIDR:                      10.244.1.0/24
PodCIDRs:                     10.244.1.0/24
Non-terminated Pods:          (2 in total)
  Namespace                   Name                        CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age
  ---------                   ----                        ------------  ----------  ---------------  -------------  ---
  default                     sleep-1-d54959f56-2x8wq     0 (0%)        0 (0%)      0 (0%)           0 (0%)         2s
  default                     sleep-2-5779cc9f87-kk4xp    0 (0%)        0 (0%)      0 (0%)           0 (0%)         2s
Allocated resources:
  (Total limits may be over 100 percent, i.e., overcommitted.)
  Resource           Requests  Limits
  --------           --------  ------
  cpu                0 (0%)    0 (0%)
  memory             0 (0%)    0 (0%)
  ephemeral-storage  0 (0%)    0 (0%)
Events:              <none>
`,
  )
})

test('a namespace, and endpoints', async () => {
  const station = new Workstation()
  expect((await station.kubectl('describe ns default')).out).toBe(
    `Name:         default
Labels:       kubernetes.io/metadata.name=default
Annotations:  <none>
Status:       Active

No resource quota.

No LimitRange resource.
`,
  )
  station.make('v1', 'Endpoints', 'web', {
    subsets: [{ addresses: [{ ip: '10.244.1.3' }, { ip: '10.244.2.4' }], ports: [{ port: 80, protocol: 'TCP' }] }],
  })
  expect((await station.kubectl('describe ep web')).out).toBe(
    `Name:         web
Namespace:    default
Labels:       <none>
Annotations:  <none>
Subsets:
  Addresses:          10.244.1.3,10.244.2.4
  NotReadyAddresses:  <none>
  Ports:
    Name     Port  Protocol
    ----     ----  --------
    <unset>  80    TCP

Events:  <none>
`,
  )
})

test('several objects, and none', async () => {
  const station = new Workstation()
  await sleepPods(station)
  const { out } = await station.kubectl('describe pods')
  expect(out).toMatch(/Events:\s+<none>\n\n\nName:/)
  expect((await station.kubectl('describe pod sleep-1')).out).toContain('Name:             sleep-1-d54959f56-2x8wq\n')
  expect((await station.kubectl('describe pod nosuch')).err).toBe(
    'Error from server (NotFound): pods "nosuch" not found\n',
  )
  expect((await station.kubectl('describe svc')).err).toBe('No resources found in default namespace.\n')
})
