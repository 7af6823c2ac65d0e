/** Real servers that come and go, clients that are remembered, and what conntrack makes of it; see ipvs.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatFlow } from '../../src/netfilter/flow-text.ts'
import { Forward } from '../../src/netfilter/ipvs/service.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { type Ipv4, parseIpv4 } from '../../src/wire/address.ts'
import { Balanced, ONE, TWO, UDP, VIP } from './balanced.ts'

let lab: Balanced

beforeEach(() => {
  lab = new Balanced()
})

afterEach(() => lab.end())

describe('servers that come and go', () => {
  it('a server of weight 0 gets no new connections and keeps the old ones', () => {
    const service = lab.add({}, [ONE, TWO])
    lab.serve(lab.one)
    lab.serve(lab.two)
    const old = lab.connect()
    lab.run()
    expect(lab.read(old)).toBe('two')
    const quiet = { address: TWO, port: 8080, weight: 0, forward: Forward.MASQUERADE, upper: 0, lower: 0 }
    expect(lab.ipvs.editServer(service, quiet)).toBeNull()
    expect([lab.ask(), lab.ask()]).toEqual(['one', 'one'])
    expect(old.write(new Uint8Array(10))).toBe(10)
    lab.run()
    expect(old.unacknowledged).toBe(0)
    old.close()
  })

  it('packets for a server that is gone are lost, or with expire_nodest_conn end the connection', () => {
    const service = lab.add({ protocol: UDP, port: 53 }, [ONE, TWO], 53)
    lab.echo(lab.one, 53)
    lab.echo(lab.two, 53)
    const socket = Sockets.of(lab.client).udp()
    const heard: string[] = []
    socket.onDatagram = (payload) => void heard.push(new TextDecoder().decode(payload))
    socket.connect(VIP, 53)
    const send = () => {
      socket.send(new Uint8Array(4))
      lab.run()
    }
    send()
    expect(lab.ipvs.deleteServer(service, TWO, 53)).toBeNull()
    send()
    expect(heard).toEqual(['two'])
    lab.director.sysctl.set('net.ipv4.vs.expire_nodest_conn', '1')
    send()
    socket.close()
    expect(heard).toEqual(['two', 'one'])
  })

  it('a server that comes back finds its connections', () => {
    const service = lab.add({}, [ONE])
    lab.serve(lab.one)
    const socket = lab.connect()
    lab.run()
    expect(lab.ipvs.deleteServer(service, ONE, 8080)).toBeNull()
    const again = { address: ONE, port: 8080, weight: 1, forward: Forward.MASQUERADE, upper: 0, lower: 0 }
    expect(lab.ipvs.addServer(service, again)).toBeNull()
    expect(lab.ipvs.service(service)?.servers[0].active).toBe(1)
    socket.close()
  })

  it('above its upper threshold a server gets nothing, below three quarters of it again', () => {
    const service = lab.add({}, [])
    lab.serve(lab.one)
    const server = { address: ONE, port: 8080, weight: 1, forward: Forward.MASQUERADE, upper: 2, lower: 0 }
    expect(lab.ipvs.addServer(service, server)).toBeNull()
    const open = [lab.connect(), lab.connect()]
    lab.run()
    expect(lab.ask()).toBe('ECONNREFUSED')
    for (const each of open) each.close()
    lab.run(130)
    expect(lab.ask()).toBe('one')
  })
})

describe('persistence', () => {
  it('keeps a client with its server, by a template that outlives the connections', () => {
    lab.add({ persistence: 100 })
    lab.serve(lab.one)
    lab.serve(lab.two)
    expect([lab.ask(), lab.ask(), lab.ask()]).toEqual(['two', 'two', 'two'])
    const [template] = lab.ipvs.connections.list().filter((each) => each.template)
    expect([template.clientPort, template.virtualPort, template.assured]).toEqual([0, 80, true])
    expect(template.server.persistent).toBe(1)
    lab.run(240)
    expect(lab.ipvs.connections.list()).toHaveLength(0)
    expect(lab.ask()).toBe('one')
  })

  it('a whole network of clients may be one', () => {
    lab.add({ persistence: 100, netmask: parseIpv4('255.255.255.0') })
    lab.serve(lab.one)
    lab.serve(lab.two)
    lab.client.addAddress(lab.client.devices.get('eth0') as never, parseIpv4('10.0.0.7'), 24)
    expect(lab.ask()).toBe('two')
    const other = Sockets.of(lab.client).tcp()
    other.bind(parseIpv4('10.0.0.7'), 0)
    other.connect(VIP, 80)
    lab.run()
    expect(lab.read(other)).toBe('two')
    other.close()
  })

  it('a template that leads to a server of weight 0 still leads there, until expire_quiescent_template', () => {
    const service = lab.add({ persistence: 1000 })
    lab.serve(lab.one)
    lab.serve(lab.two)
    expect(lab.ask()).toBe('two')
    const quiet = { address: TWO, port: 8080, weight: 0, forward: Forward.MASQUERADE, upper: 0, lower: 0 }
    expect(lab.ipvs.editServer(service, quiet)).toBeNull()
    expect(lab.ask()).toBe('two')
    lab.director.sysctl.set('net.ipv4.vs.expire_quiescent_template', '1')
    expect(lab.ask()).toBe('one')
  })

  it('a service for port 0 serves every port of the address', () => {
    lab.add({ persistence: 100, port: 0 }, [ONE, TWO], 0)
    for (const netns of [lab.one, lab.two]) for (const port of [80, 443]) lab.serve(netns, port)
    expect([lab.ask(lab.client, VIP, 80), lab.ask(lab.client, VIP, 443)]).toEqual(['two', 'two'])
  })
})

describe('what belongs to IPVS is chosen', () => {
  it('by a mark of the mangle table', () => {
    lab.add({ protocol: 0, address: 0 as Ipv4, port: 0, mark: 5 }, [ONE], 8080)
    lab.serve(lab.one)
    lab.serve(lab.director, 80)
    expect(lab.ask()).toBe('director')
    lab.director.netfilter.iptables('-t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 5'.split(' '))
    expect(lab.ask()).toBe('one')
  })
})

describe('conntrack', () => {
  const flows = () => lab.director.netfilter.conntrack.list().map((flow) => formatFlow(flow, lab.world.scheduler.now))

  it('knows nothing of what IPVS sends, by default', () => {
    lab.director.netfilter.iptables('-A FORWARD -m conntrack --ctstate NEW'.split(' '))
    lab.add({}, [ONE])
    lab.serve(lab.one)
    expect(lab.ask()).toBe('one')
    expect(flows().filter((line) => line.includes('dst=10.1.1.2'))).toEqual([])
  })

  it('with net.ipv4.vs.conntrack the flow says where the answers come from, and ends with the connection', () => {
    lab.director.netfilter.iptables('-A FORWARD -m conntrack --ctstate NEW'.split(' '))
    lab.director.sysctl.set('net.ipv4.vs.conntrack', '1')
    lab.add({}, [ONE])
    lab.serve(lab.one)
    const socket = lab.connect()
    lab.run()
    expect(flows()[0]).toMatch(
      /ESTABLISHED src=10\.0\.0\.2 dst=10\.0\.0\.1 sport=\d+ dport=80 src=10\.1\.1\.2 dst=10\.0\.0\.2 sport=8080 dport=\d+ \[ASSURED\]/,
    )
    lab.run(902)
    expect(flows()).toEqual([])
    socket.close()
  })

  it('and POSTROUTING may masquerade what goes to the server', () => {
    lab.director.netfilter.iptables('-t nat -A POSTROUTING -o in1 -j MASQUERADE'.split(' '))
    lab.director.sysctl.set('net.ipv4.vs.conntrack', '1')
    lab.add({}, [ONE])
    const heard = lab.serve(lab.one)
    expect(lab.ask()).toBe('one')
    expect(heard).toEqual(['10.1.1.1'])
  })
})
