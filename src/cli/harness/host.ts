/** The one host of a harness: a namespace with one tun device, to which everything that is not local is sent. */
import { Tun } from '../../link/tun.ts'
import { World } from '../../link/world.ts'
import { Netns } from '../../net/netns.ts'
import { route } from '../../net/route.ts'
import { Sockets } from '../../socket/sockets.ts'
import { ANY, type Ipv4, macOf } from '../../wire/address.ts'

export class Host {
  readonly world: World
  readonly netns: Netns
  readonly device: Tun
  readonly sockets: Sockets

  constructor(seed: number, local: Ipv4, prefix: number, mtu: number, sent: (packet: Uint8Array) => void) {
    this.world = new World(seed)
    this.netns = new Netns(this.world, 'host')
    this.device = new Tun(this.world, 'tun0', macOf(0x02, 0x00, local))
    this.device.mtu = mtu
    this.device.read = (bytes, start, end) => sent(bytes.subarray(start, end))
    this.netns.adopt(this.device)
    this.netns.setUp(this.device)
    this.netns.addAddress(this.device, local, prefix)
    this.netns.main.add(route({ destination: { network: ANY, prefix: 0 }, device: this.device, scope: 'link' }))
    this.sockets = Sockets.of(this.netns)
  }
}
