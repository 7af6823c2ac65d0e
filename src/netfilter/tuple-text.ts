/** Addresses and ports of packets and tuples in words; `conntrack -L`'s own spelling is in flow-text.ts. */
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'

/** `10.96.0.10:53`; without a port where the protocol has none. */
export function placeText(protocol: number, address: Ipv4, port: number): string {
  const ported = protocol === IPPROTO_TCP || protocol === IPPROTO_UDP
  return ported ? `${formatIpv4(address)}:${port}` : formatIpv4(address)
}
