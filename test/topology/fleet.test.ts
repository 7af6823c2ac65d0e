/**
 * Fleets: nodes, pods and rules of Services that are made when somebody needs them. Whatever is done, a world that makes
 * them late and one that made them all at once say and send the same.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { Capture } from '../../src/capture/capture.ts'
import type { Pod, Service } from '../../src/kube/objects.ts'
import type { Veth } from '../../src/link/veth.ts'
import { Random } from '../../src/sim/random.ts'
import { Lab } from '../../src/topology/lab.ts'
import { loadTopology } from '../../src/topology/load.ts'
import { TopologyError } from '../../src/topology/problem.ts'

const FLEET = 'nodes: 12, firstIp: 172.16.1.0, apps: {count: 20, replicas: 5, namespaces: 2}'
const text = (fleet: string) => `
seed: 7
underlay: {cidr: 172.16.0.0/16, gateway: 172.16.0.1}
hosts:
  - {name: router, ip: 172.16.0.1, router: true}
nodes:
  - {name: master, ip: 172.16.0.2, roles: [control-plane]}
  - {name: w1, ip: 172.16.0.3}
cluster:
  fleet: {${fleet}}
`

async function built(fleet: string): Promise<Lab> {
  const files = { readFile: () => null, listFolder: () => null }
  const lab = await Lab.build(loadTopology('topo.yaml', text(fleet)), { ...files, capture: null })
  lab.world.frames.poison = true
  return lab
}

function podsOf(lab: Lab): Pod[] {
  return lab.cluster?.store.list<Pod>('Pod', null, (pod) => pod.metadata.namespace?.startsWith('apps') === true) ?? []
}

function servicesOf(lab: Lab): Service[] {
  return (
    lab.cluster?.store.list<Service>('Service', null, (each) => each.metadata.namespace?.startsWith('apps') === true) ??
    []
  )
}

/** The pod's end of its cable. */
function eth0(lab: Lab, pod: Pod): Veth {
  const { namespace, name } = pod.metadata
  return lab.cluster?.sandbox(namespace as string, name)?.netns.devices.get('eth0') as Veth
}

async function says(lab: Lab, line: string): Promise<string> {
  const { code, output } = await lab.say(line)
  return `${code} ${output}`
}

async function still(lab: Lab): Promise<void> {
  await lab.runner.runFor(60e9)
  expect(lab.world.frames.inUse).toBe(0)
}

describe('made late and made at once', () => {
  let late: Lab
  let early: Lab

  beforeAll(async () => {
    late = await built(FLEET)
    early = await built(`${FLEET}, lazy: false`)
  })

  const both = async (line: string) => {
    const said = await says(late, line)
    expect(said).toBe(await says(early, line))
    return said
  }

  test('nothing is made before it is needed', () => {
    expect([...(late.machines.made() ?? [])].map(({ name }) => name).sort()).toEqual(['master', 'router', 'w1'])
    expect([...early.machines.made()].length).toBe(15)
    expect(podsOf(late).length).toBe(100)
    expect(late.world.devices.size).toBeLessThan(25)
    expect(early.world.devices.size).toBeGreaterThan(200)
  })

  test('the API has the same', async () => {
    const nodes = await both('kubectl get nodes -o wide')
    expect(nodes.split('\n').length).toBe(16)
    expect(nodes).toMatch(/fleet-12 +Ready +<none> +\d+s +v1\.32\.5 +172\.16\.1\.11 /)
    const pods = await both('kubectl get pods -A -o wide')
    expect(pods.split('\n').filter((line) => line.startsWith('apps-')).length).toBe(100)
    expect(pods).toMatch(/apps-1 +app-01-\S+ +1\/1 +Running +0 +\d+s +10\.244\.2\.2 +fleet-01 /)
    await both('kubectl get deployments,replicasets,services,endpoints,endpointslices -A -o yaml')
    expect(await both('kubectl get ds -A')).toMatch(/kube-proxy +14 +14 +14 +14 +14 /)
    expect(await both('kubectl get events -A')).not.toContain('app-01')
  })

  test('pings and connections between random pods, and their captures', async () => {
    const captures = [late, early].map((lab) => ({ lab, capture: new Capture(lab.world, lab.epochSeconds) }))
    const random = new Random(3)
    const ends = Array.from({ length: 12 }, () => random.below(100))
    for (const { lab, capture } of captures) {
      const pods = podsOf(lab)
      for (const end of new Set(ends)) capture.attach(eth0(lab, pods[end]), pods[end].metadata.name, 'a pod')
    }
    // Who was captured is awake, and nobody else is.
    expect(late.world.devices.size).toBeLessThan(120)
    const pods = podsOf(late)
    const services = servicesOf(late)
    for (let i = 0; i < 12; i++) {
      const [from, to] = [pods[ends[i]], pods[ends[(i + 5) % 12]]]
      const [strange, service] = [pods[random.below(100)], services[random.below(20)]]
      const exec = `kubectl -n ${from.metadata.namespace} exec ${from.metadata.name} --`
      expect(await both(`${exec} ping -c 1 ${to.status.podIP}`)).toMatch(/^0 /)
      expect(await both(`${exec} ping -c 1 ${strange.status.podIP}`)).toMatch(/^0 /)
      expect(await both(`${exec} curl -s http://${service.spec.clusterIP}/hostname`)).toMatch(/^0 app-/)
      // By name: CoreDNS is on the other nodes.
      const name = `${service.metadata.name}.${service.metadata.namespace}`
      expect(await both(`${exec} curl -s http://${name}/hostname`)).toMatch(/^0 app-/)
    }
    const [a, b] = captures.map(({ capture }) => capture.pcapng())
    expect(a.length).toBeGreaterThan(20_000)
    expect(Buffer.compare(a, b)).toBe(0)
  })

  test('a node shows the same, whenever it is looked at', async () => {
    const looks = [
      'ip -s link',
      'ip addr',
      'ip route',
      'ip neigh',
      'bridge fdb',
      'bridge link',
      'ip netns',
      'crictl pods',
    ]
    const rules = [
      'iptables -S',
      'iptables -t nat -S',
      'conntrack -L',
      'dmesg',
      'sysctl net.ipv4.ip_forward',
      'ss -tln',
    ]
    for (const node of ['fleet-01', 'fleet-07', 'master', 'w1']) {
      for (const line of [...looks, ...rules]) await both(`ssh ${node} ${line}`)
    }
    const nat = await both('ssh fleet-12 iptables -t nat -S')
    expect(nat.match(/-A KUBE-SERVICES .* -j KUBE-SVC-/g)?.length).toBeGreaterThanOrEqual(20)
    expect((await both('ssh fleet-12 ip route')).match(/dev flannel\.1/g)?.length).toBe(13)
  })

  test('what has been there for long is changed as everything else', async () => {
    await both('kubectl -n apps-1 scale deployment app-03 --replicas=3')
    await both('kubectl -n apps-2 delete pod -l app=app-15 --wait=false')
    await both('kubectl -n apps-2 delete service app-16')
    await both('kubectl cordon fleet-02')
    for (const lab of [late, early]) await lab.runner.runFor(40e9)
    const pods = await both('kubectl get pods -A -o wide')
    expect(pods.split('\n').filter((line) => / app-03-/.test(line)).length).toBe(3)
    expect(pods.split('\n').filter((line) => / app-15-\S+ +1\/1 +Running/.test(line)).length).toBe(5)
    await both('kubectl -n apps-2 get endpoints')
    await both('kubectl -n apps-2 rollout status deployment app-15')
    await both('kubectl -n apps-1 logs deployment/app-05 --timestamps')
  })

  test('no frame is left', async () => {
    for (const lab of [late, early]) await still(lab)
  })
})

describe('what a topology says of a fleet', () => {
  const said = (fleet: string) => {
    try {
      loadTopology('topo.yaml', text(fleet))
    } catch (error) {
      if (error instanceof TopologyError) return error.message
      throw error
    }
    return 'no problem'
  }

  test('is refused with its place', () => {
    expect(said('nodes: 3, firstIp: 172.16.1.0')).toBe('no problem')
    expect(said('nodes: 3, firstIp: 172.17.1.0')).toContain('cluster.fleet.firstIp')
    expect(said('nodes: 3, firstIp: 172.16.0.1')).toContain('172.16.0.1')
    expect(said('nodes: 0, firstIp: 172.16.1.0')).toContain('cluster.fleet.nodes')
    expect(said('nodes: 300, firstIp: 172.16.1.0')).toBe('no problem')
  })

  test('is refused when it does not fit', async () => {
    await expect(built('nodes: 300, firstIp: 172.16.1.0')).rejects.toThrow('podCIDR 10.244.0.0/16 is exhausted')
    const crowd = 'nodes: 2, firstIp: 172.16.1.0, apps: {count: 3, replicas: 80}'
    await expect(built(crowd)).rejects.toThrow("a node has room for 110 pods, and the fleet's 2 nodes are full")
    const busy = 'nodes: 2, firstIp: 172.16.1.0, apps: {count: 1, image: kiamol/ch03-sleep, args: []}'
    await expect(built(busy)).rejects.toThrow('kiamol/ch03-sleep acts by itself')
  })
})
