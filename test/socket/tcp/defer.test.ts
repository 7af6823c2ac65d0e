/**
 * A burst that may grow is put off (tcp_tso_should_defer). The rule was read off Linux 6.18 by SACK blocks injected
 * through a TUN device 0.3 ms apart, of which the second lets nothing go; and by flows over a lossy wire between two
 * kernels, which put nothing off when the acknowledgment is due more than a millisecond later.
 */
import { expect, test } from 'vitest'
import { MILLISECOND } from '../../../src/sim/scheduler.ts'
import * as ethernet from '../../../src/wire/ethernet.ts'
import * as ipv4 from '../../../src/wire/ipv4.ts'
import { Pair } from '../pair.ts'

/** Loses the first data segment; its burst arrives all at once. What leaves between that and the retransmission. */
function answersToDuplicates(divisor: string, near = true): string[] {
  const pair = new Pair({ mtu: 1500, delay: 20 * MILLISECOND })
  pair.client.sysctl.set('net.ipv4.tcp_tso_win_divisor', divisor)
  pair.client.sysctl.set('net.ipv4.tcp_recovery', '0')
  pair.listen(80, () => {})
  // ARP is over before the round trip is measured.
  if (near) {
    pair.connect(80).abort()
    pair.run(200)
  }
  let lost = false
  pair.clientEnd.impairment = ({ bytes, start }) => {
    if (ethernet.type(bytes, start) !== ethernet.ETH_P_IP) return false
    if (lost || ipv4.totalLength(bytes, start + ethernet.HEADER) < 1000) return false
    lost = true
    return true
  }
  const socket = pair.connect(80)
  socket.onConnect = () => socket.write(new Uint8Array(60_000))
  pair.run(130)
  socket.abort()
  pair.run(100)
  const said = pair.said()
  const first = said.findIndex((line) => line.includes('sack 1449'))
  const again = said.findIndex((line, i) => i > first && / 1:1449/.test(line))
  return said.slice(first, again).filter((line) => line.startsWith('>'))
}

test('an acknowledgment is near, and a third of the window is not free: the second segment waits', () => {
  expect(answersToDuplicates('3')).toEqual(['> . 14481:15929 ack 1 win 502'])
})

test('the first round trip had ARP in it, so that no acknowledgment is expected yet: nothing waits', () => {
  expect(answersToDuplicates('3', false)).toEqual(['> . 14481:15929 ack 1 win 502', '> . 15929:17377 ack 1 win 502'])
})

test('a twentieth of the window is free: nothing waits', () => {
  expect(answersToDuplicates('20')).toEqual(['> . 14481:15929 ack 1 win 502', '> . 15929:17377 ack 1 win 502'])
})
