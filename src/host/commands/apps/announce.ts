/** l2announce DEVICE ADDRESS: MetalLB's speaker. It answers ARP for an address that no device has. */

import type { NetDevice } from '../../../link/device.ts'
import { sendPacket } from '../../../link/packet-socket.ts'
import { MILLISECOND, type Nanos } from '../../../sim/scheduler.ts'
import { copyMac, type Ipv4, MAC_BROADCAST, type Mac, parseIpv4 } from '../../../wire/address.ts'
import * as arp from '../../../wire/arp.ts'
import * as ethernet from '../../../wire/ethernet.ts'
import type { Program } from '../../process.ts'
import { listenOn } from '../tcpdump-tap.ts'

/** Gratuitous announcements, a request and a reply each. */
const ANNOUNCEMENTS = 5
const INTERVAL: Nanos = 1100 * MILLISECOND
/** From a request to its answer: the program is woken and runs. */
const ANSWERING: Nanos = MILLISECOND / 10
/** Ethernet's least, without the checksum: the speaker pads. */
const SHORTEST_FRAME = 60

export const l2announce: Program = async (self) => {
  const [, name = '', text = ''] = self.args
  const device = self.netns.devices.get(name)
  if (device === undefined) {
    self.err('Traceback (most recent call last):\nOSError: [Errno 19] No such device\n')
    return 1
  }
  const address = parseIpv4(text)
  const askers: { mac: Mac; address: Ipv4 }[] = []
  let wake: (() => void) | null = null
  const end = listenOn([device], false, (frame, _from, direction) => {
    const { bytes, start } = frame
    const at = start + ethernet.HEADER
    if (direction !== 'in' || ethernet.type(bytes, start) !== ethernet.ETH_P_ARP) return
    if (!arp.valid(bytes, at, frame.end) || arp.operation(bytes, at) !== arp.REQUEST) return
    if (arp.target(bytes, at) !== address) return
    const mac = new Uint8Array(6)
    copyMac(mac, 0, bytes, at + arp.SENDER_MAC)
    askers.push({ mac, address: arp.sender(bytes, at) })
    wake?.()
  })
  self.own({ close: end })
  const began = self.now()
  for (let count = 0; ; ) {
    for (; count < ANNOUNCEMENTS && self.now() - began >= INTERVAL * count; count++) {
      for (const operation of [arp.REQUEST, arp.REPLY]) {
        send(device, operation, MAC_BROADCAST, address, MAC_BROADCAST, address)
      }
    }
    for (let asker = askers.shift(); asker !== undefined; asker = askers.shift()) {
      send(device, arp.REPLY, asker.mac, address, asker.mac, asker.address)
    }
    const left = count < ANNOUNCEMENTS ? began + INTERVAL * count - self.now() : undefined
    await self.wait<true>((settle) => {
      wake = () => settle(true)
    }, left)
    wake = null
    if (askers.length > 0) await self.sleep(ANSWERING)
  }
}

function send(device: NetDevice, operation: number, to: Mac, ours: Ipv4, targetMac: Mac, target: Ipv4): void {
  const frame = device.world.frames.take()
  frame.end = frame.start + SHORTEST_FRAME
  frame.bytes.fill(0, frame.start, frame.end)
  ethernet.write(frame.bytes, frame.start, to, device.mac, ethernet.ETH_P_ARP)
  arp.write(frame.bytes, frame.start + ethernet.HEADER, operation, device.mac, ours, targetMac, target)
  sendPacket(device, frame, "MetalLB's speaker")
}
